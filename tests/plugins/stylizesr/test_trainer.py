"""Training of the network that paints and enlarges, on a scale of seconds."""

import csv
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from imgtk.errors import TrainingError, WeightsError
from imgtk.painting.network import StyleNetwork
from imgtk.registry import default
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from imgtk.weights import Card, read_state
from imgtk_esrgan.network import SRVGGNetCompact
from imgtk_stylizesr import trainer
from imgtk_stylizesr.network import PaintingUpscaler
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
    kinds = ("adversarial", "content", "luma", "grid", "pixel", "perceptual", "repetition")
    assert {*(f"generator/{kind}" for kind in kinds), "discriminator/adversarial"} <= names
    card = Card.read(weights.with_suffix(".toml"))
    assert card.scale == 4
    assert "10 paintings" in card.trained
    assert {"kid", "content", "psnr_y"} <= card.scores["validation"].keys()
    built = SPEC.build(default().context(), model=str(weights))
    built.to(torch.device("cpu"), torch.float32)
    assert built(torch.rand(1, 3, 8, 6)).shape[2:] == (32, 24)


def test_it_learns_to_enlarge(run, paintings):
    """What the skip from the input does not do by itself."""
    weights = run("out", photos=paintings, steps=40, adversarial=0, warmup=5)
    pixel = [float(value) for (_, name), value in losses(weights).items() if name == "generator/pixel"]
    assert sum(pixel[-5:]) < 0.8 * sum(pixel[:5])


def test_it_starts_with_the_first_layers_of_an_upscaler(run, tmp_path):
    torch.manual_seed(1)
    upscaler = SRVGGNetCompact(features=8, convs=2)
    torch.save(upscaler.state_dict(), tmp_path / "upscaler.pth")
    run("out", upscaler=tmp_path / "upscaler.pth", steps=1)
    network = PaintingUpscaler(width=8, blocks=2)
    network.take_over(upscaler.state_dict())
    for layer in (0, 1, 2, 3):
        assert torch.equal(network.head[layer].weight, upscaler.body[layer].weight)
    with pytest.raises(TrainingError, match="of 12 channels"):
        run("wrong", width=12, upscaler=tmp_path / "upscaler.pth")


def test_a_teacher_shows_how_to_paint(run, tmp_path):
    torch.manual_seed(1)
    torch.save(StyleNetwork(width=8, blocks=1).state_dict(), tmp_path / "style.pth")
    weights = run("taught", teacher=tmp_path / "style.pth", steps=2)
    assert "generator/taught" in {name for _, name in losses(weights)}
    with pytest.raises(WeightsError, match="nobody"):
        run("untaught", teacher="nobody")


@torch.inference_mode()
def test_it_does_not_hatch():
    """Its first strokes are the same for all 4 pixels that come from one before the shuffle; and what it paints later
    never changes from each pixel to the next."""
    torch.manual_seed(0)
    network, x = PaintingUpscaler(width=8, blocks=1).eval(), torch.rand(1, 3, 8, 8)  # without noise
    strokes = network.tail(network.enter(network.head(x)).relu())
    assert strokes.std() > 1e-3
    pixels = strokes.unflatten(3, (16, 2)).unflatten(2, (16, 2))
    torch.testing.assert_close(pixels, pixels[:, :, :, :1, :, :1].expand_as(pixels))

    torch.nn.init.normal_(network.tail[5].weight)
    painted = network(x) - interpolate(network.palette(x), scale_factor=4, mode="bilinear")
    for axis in (2, 3):
        signs = torch.tensor([1.0, -1.0]).repeat(15)
        hatch = (painted.movedim(axis, -1)[..., 1:31] * signs).mean(-1)
        assert hatch.abs().max() < 0.05 * painted.std()


def test_each_loss_reaches_the_network(paintings, backbone):
    """And what is learnt from paintings does not come from photos."""
    recipe = StylizeSRRecipe(target=str(paintings), backbone=str(backbone), crop=96, side=144, width=8)
    torch.manual_seed(0)
    learning = StylizeSR(recipe)
    updates = learning.updates(torch.rand(1, 6, 96, 96), learning.networks)
    name, found = next(updates)
    assert name == "generator"
    for loss in found.values():
        last = learning.networks["generator"].tail.get_submodule("5")
        gradients = torch.autograd.grad(loss, last.weight, retain_graph=True)
        assert gradients[0].abs().max() > 0
    discriminator = learning.networks["discriminator"]
    assert not any(p.requires_grad for p in discriminator.parameters())
    next(updates)
    assert all(p.requires_grad for p in discriminator.parameters())


def test_it_starts_from_weights_of_its_own_kind_only(run, network, tmp_path):
    torch.save(network().state_dict(), tmp_path / "other.pth")
    with pytest.raises(TrainingError, match=r"other\.pth does not fit PaintingUpscaler"):
        run("out", init=tmp_path / "other.pth")
    start = run("out", width=8, blocks=2, deep=0, init=tmp_path / "other.pth", steps=1)  # noise is added
    card = Card.read(start.with_suffix(".toml"))
    assert "from other, trained for 1" in card.trained
    assert "noise" in card.architecture
    again = run("again", width=8, blocks=2, deep=0, init=start, steps=1)
    assert read_state(again).keys() == read_state(start).keys()


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
