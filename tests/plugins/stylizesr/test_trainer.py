"""Training of the network that paints and enlarges, on a scale of seconds."""

import csv
from pathlib import Path

import pytest
import torch

from imgtk.errors import TrainingError, WeightsError
from imgtk.painting.network import StyleNetwork
from imgtk.painting.trainer import fresh_noise
from imgtk.registry import default
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from imgtk.weights import Card, read_state
from imgtk_stylizesr import trainer
from imgtk_stylizesr.trainer import StylizeSR, StylizeSRRecipe

SPEC = default().spec("stylize-sr:monet")


@pytest.fixture
def run(data, paintings, backbone, tmp_path):
    def run(folder, photos=data, resume=False, stop_at=None, **changes):
        settings = {"target": paintings, "backbone": backbone, "steps": 5, "batch": 2, "crop": 96}
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
    whole = run("whole")
    run("parts", stop_at=1)
    run("parts", stop_at=4, resume=True)
    parts = run("parts", resume=True)
    ours, theirs = read_state(whole), read_state(parts)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert losses(whole) == losses(parts)


def test_what_is_written(run):
    weights = run("out")
    names = {name for _, name in losses(weights)}
    kinds = ("adversarial", "content", "luma", "pixel", "perceptual")
    assert {*(f"generator/{kind}" for kind in kinds), "discriminator/adversarial"} <= names
    card = Card.read(weights.with_suffix(".toml"))
    assert card.scale == 4
    assert "10 paintings" in card.trained
    assert {"kid", "content", "psnr_y"} <= card.scores["validation"].keys()
    built = SPEC.build(default().context(), model=str(weights))
    built.to(torch.device("cpu"), torch.float32)
    assert built(torch.rand(1, 3, 8, 6)).shape[2:] == (32, 24)


def test_it_learns_to_enlarge(run, paintings):
    others = dict.fromkeys(("adversarial", "content", "luma", "perceptual", "repetition"), 0)
    weights = run("out", photos=paintings, steps=40, warmup=5, lr=1e-2, **others)
    pixel = [float(value) for (_, name), value in losses(weights).items() if name == "generator/pixel"]
    assert sum(pixel[-5:]) < 0.8 * sum(pixel[:5])


def test_a_teacher_shows_how_to_paint(run, tmp_path):
    """And a style lends its strokes."""
    torch.manual_seed(1)
    style = StyleNetwork(width=8, blocks=1)
    torch.save(style.state_dict(), tmp_path / "style.pth")
    weights = run("taught", teacher=tmp_path / "style.pth", steps=1, lr=0)
    assert "generator/taught" in {name for _, name in losses(weights)}
    assert "taught by style" in Card.read(weights.with_suffix(".toml")).trained
    start = read_state(weights)
    for name, tensor in style.state_dict().items():
        torch.testing.assert_close(start[f"style.{name}"].float(), tensor, rtol=1e-3, atol=1e-3)
    with pytest.raises(TrainingError, match="does not fit"):
        run("other", teacher=tmp_path / "style.pth", width=12)
    with pytest.raises(WeightsError, match="nobody"):
        run("untaught", teacher="nobody")


@torch.no_grad()
def test_the_teacher_keeps_a_share_of_the_photos_colours(paintings, backbone):
    torch.manual_seed(0)
    photos = torch.rand(1, 3, 1, 1).expand(1, 3, 128, 128)
    noise = fresh_noise(photos)
    settings = {"target": str(paintings), "backbone": str(backbone), "width": 8, "blocks": 1}
    own, half = (StylizeSR(StylizeSRRecipe(**settings, own_colours=share)) for share in (1.0, 0.5))
    teacher = StyleNetwork(width=8, blocks=1)
    means = [learning._taught(teacher, photos, noise).mean((2, 3)) for learning in (own, half)]
    painted = StylizeSR(StylizeSRRecipe(**settings, own_colours=0))._taught(teacher, photos, noise).mean((2, 3))
    torch.testing.assert_close(means[0], photos.mean((2, 3)), rtol=0, atol=0.02)
    torch.testing.assert_close(means[1], (painted + photos.mean((2, 3))) / 2, rtol=0, atol=0.02)


def test_each_loss_reaches_the_network(paintings, backbone):
    """And what is learnt from paintings does not come from photos."""
    recipe = StylizeSRRecipe(target=str(paintings), backbone=str(backbone), crop=96, side=144, width=8)
    torch.manual_seed(0)
    learning = StylizeSR(recipe)
    updates = learning.updates(torch.rand(1, 6, 96, 96), learning.networks)
    name, found = next(updates)
    assert name == "generator"
    for loss in found.values():
        last = learning.networks["generator"].style.out.weight
        gradients = torch.autograd.grad(loss, last, retain_graph=True)
        assert gradients[0].abs().max() > 0
    discriminator = learning.networks["discriminator"]
    assert not any(p.requires_grad for p in discriminator.parameters())
    next(updates)
    assert all(p.requires_grad for p in discriminator.parameters())


def test_smoothed_photos_are_rated_by_their_repetition(run, monkeypatch):
    monkeypatch.setattr("imgtk.painting.trainer.SMOOTHED", 1.0)
    assert "generator/repetition" in {name for _, name in losses(run("smoothed", steps=1))}
    assert "generator/repetition" not in {name for _, name in losses(run("not", steps=1, repetition=0))}


def test_it_starts_from_weights_of_its_own_kind_only(run, network, plain, tmp_path):
    torch.save(plain().state_dict(), tmp_path / "plain.pth")
    with pytest.raises(TrainingError, match=r"plain\.pth does not fit StyleUpscaler"):
        run("out", init=tmp_path / "plain.pth")
    torch.save(network.state_dict(), tmp_path / "other.pth")
    start = run("out", width=8, blocks=1, init=tmp_path / "other.pth", steps=1)
    assert "from other, trained for 1" in Card.read(start.with_suffix(".toml")).trained


def test_paintings_are_needed(run, data):
    with pytest.raises(TrainingError, match="no paintings to train on"):
        run("none", target="")
    with pytest.raises(TrainingError, match="too few"):
        run("few", target=data)


def test_the_shipped_recipe_is_read():
    for file in (Path(trainer.__file__).parent / "recipes").glob("*.toml"):
        recipe = load_recipe(StylizeSRRecipe, file, {})
        assert recipe.name == file.stem
        assert recipe.licence == "Apache-2.0"
