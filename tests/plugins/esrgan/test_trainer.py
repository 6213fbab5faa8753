"""The trainers of the upscalers, on networks and images so small that a step takes milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgtk.registry import default
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_esrgan import trainer
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact
from imgtk_esrgan.trainer import CompactRecipe, CompactTrainer, RRDBRecipe, RRDBTrainer

TINY = {
    "features": "8",
    "steps": "3",
    "batch": "2",
    "crop": "32",
    "warmup": "1",
    "held_out": "1",
    "licence": "Apache-2.0",
    "data": "noise; more noise",
}


@pytest.mark.parametrize(
    ("op", "settings"),
    [
        ("upscale:compact", {"name": "c", "convs": "2"}),
        ("upscale:rrdb", {"name": "r", "blocks": "1", "growth": "4"}),
        ("upscale:esrgan", {"name": "e", "blocks": "1", "growth": "4", "discriminator_features": "4"}),
    ],
)
def test_training_gives_weights_that_the_operator_loads(
    op: str, settings: dict[str, str], data: Path, backbone: Path, tmp_path: Path
) -> None:
    overrides = {**TINY, **settings, **({"backbone": str(backbone)} if op == "upscale:esrgan" else {})}
    spec = default().spec(op)
    weights = train(spec, data, tmp_path / "out", overrides=overrides, device="cpu", dtype="fp32")

    card = Card.read(weights.with_suffix(".toml"))
    assert card.licence == "Apache-2.0"
    assert card.data == ("noise", "more noise")
    assert "3 iterations" in card.trained
    assert card.scores["validation"]["psnr_y"] > 5
    built = spec.build(default().context(), model=str(weights))
    built.to(torch.device("cpu"), torch.float32)
    assert built(torch.rand(1, 3, 9, 7)).shape[2:] == (36, 28)


def test_a_x2_network_starts_from_the_trunk_of_a_x4_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = SRVGGNetCompact(8, 2, 4)
    torch.save(trunk.state_dict(), tmp_path / "x4.pth")
    recipe = CompactRecipe(features=8, convs=2, scale=2, init=str(tmp_path / "x4.pth"))
    network = CompactTrainer(recipe).networks["generator"].state_dict()
    last = f"body.{2 * 2 + 2}.weight"
    assert network[last].shape[0] == 12
    assert all(torch.equal(network[k], v) for k, v in trunk.state_dict().items() if v.shape == network[k].shape)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_folding_network_starts_as_the_x4_network_does_on_the_averaged_input(scale: int, tmp_path: Path) -> None:
    tiny = {"features": 8, "blocks": 1, "growth": 4}
    torch.manual_seed(0)
    x4 = RRDBNet(**tiny, scale=4)
    torch.save(x4.state_dict(), tmp_path / "x4.pth")
    recipe = RRDBRecipe(**tiny, scale=scale, init=str(tmp_path / "x4.pth"))
    network = RRDBTrainer(recipe).networks["generator"]
    x = torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        expected = x4(torch.nn.functional.avg_pool2d(x, 4 // scale))
        assert network(x).shape == (1, 3, 16 * scale, 24 * scale)
        assert torch.allclose(network(x), expected, atol=1e-6)


def test_shipped_recipes_are_read() -> None:
    folder = Path(trainer.__file__).parent / "recipes"
    compact = trainer.CompactTrainer
    kinds = {"esrgan": trainer.ESRGANTrainer, "rrdb": trainer.RRDBTrainer, "compact": compact, "fast": compact}
    for file in folder.glob("*.toml"):
        recipe = load_recipe(kinds[file.stem.partition("-")[0]].recipe_type, file, {})
        assert recipe.name == file.stem
        assert recipe.licence == "Apache-2.0"
