"""Training of the network that paints and enlarges, on a scale of seconds."""

import csv
from pathlib import Path

import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from imgtk.weights import Card, read_state
from imgtk_esrgan.network import SRVGGNetCompact
from imgtk_gramstyle.network import StyleNetwork
from imgtk_stylizesr import trainer
from imgtk_stylizesr.network import PaintingUpscaler
from imgtk_stylizesr.trainer import StylizeSR, StylizeSRRecipe

SPEC = default().spec("stylize-sr:monet")


@pytest.fixture
def run(data, paintings, backbone, tmp_path):
    def run(folder, photos=data, resume=False, stop_at=None, **changes):
        settings = {"target": paintings, "backbone": backbone, "steps": 5, "enlarge_first": 2, "batch": 2, "crop": 96}
        settings |= {"side": 144, "width": 8, "blocks": 1, "discriminator_features": 4, "held_out": 1}
        overrides = {key: str(value) for key, value in {**settings, **changes}.items()}
        where = tmp_path / folder
        options = {"overrides": overrides, "device": "cpu", "dtype": "fp32"}
        return train(SPEC, photos, where, resume=resume, stop_at=stop_at, **options)

    return run


def losses(weights: Path) -> dict[tuple[int, str], str]:
    with (weights.parents[1] / "log.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["figure"] != "seconds"]
    return {(int(row["step"]), row["figure"]): row["value"] for row in rows}


def test_interrupted_and_resumed_it_gives_the_same_weights(run):
    """Also where photos, which at first are only enlarged, begin to be painted."""
    whole = run("whole")
    run("parts", stop_at=1)
    run("parts", stop_at=4, resume=True)
    parts = run("parts", resume=True)
    ours, theirs = read_state(whole), read_state(parts)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert losses(whole) == losses(parts)


def test_photos_are_first_enlarged_and_then_painted(run):
    weights = run("out")
    names = {step: {name for at, name in losses(weights) if at == step} for step in (2, 3)}
    assert names[2] == {"generator/pixel", "generator/perceptual"}
    assert {"generator/style", "generator/content", "discriminator/adversarial"} <= names[3]
    card = Card.read(weights.with_suffix(".toml"))
    assert card.scale == 4
    assert "10 paintings" in card.trained
    assert {"kid", "content", "psnr_y"} <= card.scores["validation"].keys()
    built = SPEC.build(model=str(weights))
    built.to(torch.device("cpu"), torch.float32)
    assert built(torch.rand(1, 3, 8, 6)).shape[2:] == (32, 24)


def test_it_learns_to_enlarge(run, paintings):
    """What the skip from the input does not do by itself."""
    weights = run("out", photos=paintings, steps=40, enlarge_first=40, warmup=5)
    pixel = [float(value) for (_, name), value in losses(weights).items() if name == "generator/pixel"]
    assert sum(pixel[-5:]) < 0.7 * sum(pixel[:5])


def test_a_teacher_gives_its_blocks_and_shows_how_to_paint(run, tmp_path):
    torch.manual_seed(1)
    style, upscaler = StyleNetwork(width=8, blocks=3), SRVGGNetCompact(features=8, convs=2)
    torch.save(style.state_dict(), tmp_path / "style.pth")
    torch.save(upscaler.state_dict(), tmp_path / "upscaler.pth")
    files = {"teacher": tmp_path / "style.pth", "upscaler": tmp_path / "upscaler.pth"}
    taught = run("taught", enlarge_first=2, steps=3, **files)
    assert {"generator/taught", "generator/style"} <= {name for step, name in losses(taught) if step == 3}

    network = PaintingUpscaler(width=8, blocks=2)
    network.take_over(upscaler.state_dict(), style.state_dict())
    assert torch.equal(network.head[2].weight, upscaler.body[2].weight)
    assert torch.equal(network.residuals[1][3].weight, style.residuals[2].second.conv.weight)
    with pytest.raises(TrainingError, match="of 12 channels"):
        run("wrong", width=12, **files)


def test_each_loss_reaches_the_network(paintings, backbone):
    """And what is learnt from paintings does not come from photos."""
    recipe = StylizeSRRecipe(target=str(paintings), backbone=str(backbone), crop=96, side=144, width=8, enlarge_first=0)
    torch.manual_seed(0)
    learning = StylizeSR(recipe)
    learning.to(torch.device("cpu"))
    updates = learning.updates(torch.rand(1, 6, 96, 96), learning.networks)
    name, found = next(updates)
    assert name == "generator"
    for loss in found.values():
        gradients = torch.autograd.grad(loss, learning.networks["generator"].tail[2].weight, retain_graph=True)
        assert gradients[0].abs().max() > 0
    judge = learning.networks["discriminator"]
    assert not any(p.requires_grad for p in judge.parameters())
    next(updates)
    assert all(p.requires_grad for p in judge.parameters())


def test_it_starts_from_weights_of_its_own_kind_only(run, network, tmp_path):
    torch.save(network().state_dict(), tmp_path / "other.pth")
    with pytest.raises(TrainingError, match=r"other\.pth is not a PaintingUpscaler x4"):
        run("out", init=tmp_path / "other.pth")
    start = run("out", width=8, blocks=2, init=tmp_path / "other.pth", steps=1)
    assert "from other, trained for 1" in Card.read(start.with_suffix(".toml")).trained


def test_paintings_are_needed(run, data):
    with pytest.raises(TrainingError, match="no paintings to learn from"):
        run("none", target="")
    with pytest.raises(TrainingError, match="too few"):
        run("few", target=data)


def test_the_shipped_recipe_is_read():
    for file in (Path(trainer.__file__).parent / "recipes").glob("*.toml"):
        recipe = load_recipe(StylizeSRRecipe, file, {})
        assert recipe.name == file.stem
        assert recipe.licence == "Apache-2.0"
