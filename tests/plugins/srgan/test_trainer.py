"""The trainers of SRResNet and SRGAN, on networks and images so small that a step takes milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_srgan import trainer
from imgtk_srgan.network import MSRResNet, SRResNet
from imgtk_srgan.trainer import SRResNetRecipe

TINY = {"features": "8", "blocks": "1", "steps": "3", "batch": "2", "crop": "32", "warmup": "1", "held_out": "1"}


@pytest.fixture(scope="module")
def gan(backbone: Path) -> dict[str, str]:
    """Settings of a tiny GAN run: the VGG discriminator judges crops of 128 pixels only."""
    return {"backbone": str(backbone), "discriminator_features": "4", "crop": "128"}


@pytest.mark.parametrize("variant", ["basicsr", "paper"])
@pytest.mark.parametrize("op", ["upscale:srresnet", "upscale:srgan"])
def test_training_gives_weights_that_the_operator_loads(
    op: str, variant: str, data: Path, gan: dict[str, str], tmp_path: Path
) -> None:
    settings = {**TINY, "variant": variant, **(gan if op == "upscale:srgan" else {})}
    spec = default().spec(op)
    weights = train(spec, data, tmp_path / "out", overrides=settings, device="cpu", dtype="fp32")

    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith({"basicsr": "MSRResNet, 1 blocks", "paper": "SRResNet, 1 blocks"}[variant])
    assert card.scores["validation"]["psnr_y"] > 5
    built = spec.build(default().context(), model=str(weights))
    built.to(torch.device("cpu"), torch.float32)
    assert built(torch.rand(1, 3, 9, 7)).shape[2:] == (36, 28)


def test_the_recipe_names_the_network() -> None:
    assert isinstance(SRResNetRecipe(features=4, blocks=1).network(), MSRResNet)
    paper = SRResNetRecipe(features=4, blocks=1, variant="paper").network()
    assert isinstance(paper, SRResNet)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in paper.modules())
    with pytest.raises(TrainingError, match="unknown variant 'deep'"):
        SRResNetRecipe(variant="deep").network()


def test_crops_show_a_grid_at_every_scale() -> None:
    settings = {"variant": "paper", "scale": 8, "features": 4, "blocks": 1, "discriminator": "unet", "grid": 0.5}
    with pytest.raises(TrainingError, match="crops of 64 pixels are too small") as error:
        trainer.SRGANTrainer(trainer.SRGANRecipe(crop=64, **settings))
    assert "crop=65" in str(error.value)
    run = trainer.SRGANTrainer(trainer.SRGANRecipe(crop=72, discriminator_features=2, **settings))
    _, losses = next(run.updates(torch.rand(1, 3, 72, 72), run.networks))
    assert losses["grid"].isfinite()


def test_shipped_recipes_are_read() -> None:
    folder = Path(trainer.__file__).parent / "recipes"
    kinds = {"srresnet": trainer.SRResNetTrainer, "srgan": trainer.SRGANTrainer}
    for file in folder.glob("*.toml"):
        recipe = load_recipe(kinds[file.stem.partition("-")[0]].recipe_type, file, {})
        assert recipe.name == file.stem
        assert recipe.licence == "Apache-2.0"
