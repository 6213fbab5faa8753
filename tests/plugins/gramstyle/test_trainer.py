"""Trainers of the styles and of the features: a few steps of each."""

import csv

import cv2
import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import ImgtkError, TrainingError
from imgtk.nn.features import load_features, squeezenet
from imgtk.nn.noise import Noise
from imgtk.nn.normalise import Source
from imgtk.painting.network import StyleNetwork
from imgtk.painting.op import load_network
from imgtk.painting.trainer import fresh_noise, periodic_borders
from imgtk.registry import default
from imgtk.testing import sample_image
from imgtk.training.run import train
from imgtk.weights import Card, read_state
from imgtk_gramstyle.distil import FeatureRecipe, FeatureTrainer, Stages
from imgtk_gramstyle.trainer import StyleRecipe, StyleTrainer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        pixels = (sample_image(150, 130, seed=seed)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
        cv2.imwrite(str(folder / f"{seed}.png"), pixels)
    return folder


@pytest.fixture
def settings(style_file, features_file):
    values = {
        "style": style_file,
        "backbone": features_file,
        "style_side": 64,
        "width": 8,
        "blocks": 1,
        "crop": 64,
        "batch": 2,
        "steps": 12,
        "held_out": 1,
        "warmup": 2,
        "lr": 0.01,
    }
    return {key: str(value) for key, value in values.items()}


def losses(out, name="generator/style"):
    with (out / "log.csv").open() as file:
        return [float(row["value"]) for row in csv.DictReader(file) if row["figure"] == name]


def test_a_style_is_trained_exported_and_used(photos, settings, tmp_path):
    spec = default().spec("style:fast")
    settings["steps"] = "24"
    weights = train(spec, photos, tmp_path / "run", overrides=settings, device="cpu", dtype="fp32")
    found = losses(tmp_path / "run")
    assert sum(found[-6:]) < sum(found[:6])
    card = Card.read(weights.with_suffix(".toml"))
    assert set(card.scores["validation"]) == {"gram_ratio", "content", "regularity"}
    assert isinstance(load_network(weights, default().architectures), StyleNetwork)
    op = spec.build(default().context(), model=str(weights))
    op.to(torch.device("cpu"), torch.float32)
    assert op(sample_image(32, 32)).shape == (1, 3, 32, 32)


def test_interrupted_and_resumed_gives_the_same_losses(photos, settings, tmp_path):
    """The random shifts of the losses are part of what a checkpoint holds."""
    spec = default().spec("style:fast")
    settings["steps"] = "6"
    common = {"overrides": settings, "device": "cpu", "dtype": "fp32"}
    train(spec, photos, tmp_path / "whole", **common)
    train(spec, photos, tmp_path / "parts", stop_at=3, **common)
    train(spec, photos, tmp_path / "parts", resume=True, **common)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_a_new_style_starts_from_another_network(settings, network_file):
    trainer = StyleTrainer(StyleRecipe(**recipe_values(settings, init=str(network_file))))
    state = trainer.networks["generator"].state_dict()
    assert all(torch.equal(state[key], value) for key, value in read_state(network_file).items())


def recipe_values(settings, **more):
    types = {field: type(value) for field, value in StyleRecipe().__dict__.items()}
    return {**{key: types[key](value) for key, value in settings.items()}, **more}


def test_a_network_of_another_size_is_no_start(settings, network_file):
    with pytest.raises(TrainingError, match="width"):
        StyleTrainer(StyleRecipe(**recipe_values(settings, init=str(network_file), blocks=2)))


def test_no_style_image_and_a_bad_one(settings, tmp_path):
    with pytest.raises(TrainingError, match="style image"):
        StyleTrainer(StyleRecipe(**recipe_values(settings, style="")))
    with pytest.raises(TrainingError, match="nowhere"):
        StyleTrainer(StyleRecipe(**recipe_values(settings, style=str(tmp_path / "nowhere.jpg"))))


def test_features_are_distilled(photos, tmp_path):
    torch.manual_seed(0)
    teacher = tmp_path / "teacher.safetensors"
    save_file(squeezenet().state_dict(), teacher)
    settings = {"teacher": str(teacher), "crop": "32", "batch": "2", "steps": "10", "held_out": "1", "warmup": "1"}
    settings |= {"more": str(photos)}
    out, common = tmp_path / "run", {"overrides": settings, "device": "cpu", "dtype": "fp32"}
    weights = train(default().spec("style:gram"), photos, out, **common)
    found = losses(out, "generator/error")
    assert found[-1] < found[0]
    assert len(losses(out, "generator/disturbed")) == 7  # layer by layer for seven tenths of the steps
    assert load_features(weights).name == "imgtk"
    train(default().spec("style:gram"), photos, tmp_path / "parts", stop_at=8, **common)
    train(default().spec("style:gram"), photos, tmp_path / "parts", resume=True, **common)
    assert losses(tmp_path / "parts", "generator/error") == found


def test_stages_run_one_by_one_or_as_the_network():
    torch.manual_seed(0)
    network = squeezenet("average").freeze()
    stages, x = Stages(network), torch.rand(2, 3, 40, 33)
    whole = network(x, network.taps)
    assert list(stages(x)) == list(whole)
    assert all(torch.equal(found.relu(), whole[name]) for name, found in stages(x).items())
    inputs = dict(zip(list(whole)[1:], whole.values(), strict=False))
    single = stages((x - network.mean) / network.std, inputs)
    assert all(torch.equal(found.relu(), whole[name]) for name, found in single.items())
    other = stages((x - network.mean) / network.std, {**inputs, "fire5": 2 * inputs["fire5"]})
    assert [name for name in whole if not torch.equal(other[name], single[name])] == ["fire5"]


def test_teachers_that_do_not_fit(features_file, tmp_path):
    with pytest.raises(TrainingError, match="teacher"):
        FeatureTrainer(FeatureRecipe())
    with pytest.raises(ImgtkError):
        FeatureTrainer(FeatureRecipe(teacher=str(tmp_path / "nowhere.pth")))


@pytest.mark.parametrize("recipe", ["monet", "starry-night", "great-wave", "composition", "features"])
def test_shipped_recipes_are_readable(recipe):
    from imgtk.training.recipe import load_recipe, recipe_file

    name, kind = ("style:gram", FeatureRecipe) if recipe == "features" else ("style:fast", StyleRecipe)
    plan = load_recipe(kind, recipe_file(default().spec(name), recipe), {})
    assert plan.name == recipe
    assert plan.licence == "Apache-2.0"
    assert plan.summary
    assert plan.data


@torch.inference_mode()
def test_no_place_is_a_border_in_training():
    """Moved along, an image is painted alike; afterwards borders are as they were."""
    torch.manual_seed(0)
    network = StyleNetwork(8, 1).eval()
    modes = [module.padding_mode for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    x = torch.rand(1, 3, 256, 256)
    source = Source(noise=fresh_noise(x))
    moved = Source(noise=Noise(source.noise.white.roll(128, 3), source.noise.coarse.roll(32, 3)))
    with periodic_borders(network):
        there, again = network(x, source), network(x.roll(128, 3), moved).roll(-128, 3)
    inner = there[..., 32:-32, 32:96], again[..., 32:-32, 32:96]  # enlarging still knows the outermost pixels
    torch.testing.assert_close(*inner, atol=0.01, rtol=0)
    assert modes == [module.padding_mode for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert modes[0] == "replicate"
