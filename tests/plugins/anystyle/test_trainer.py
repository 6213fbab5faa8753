"""The trainer of `style:any`, and its pool of style images."""

import csv

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import TrainingError
from imgtk.nn.losses import style_distance
from imgtk.painting.network import StyleNetwork
from imgtk.registry import default
from imgtk.testing import sample_image
from imgtk.training.recipe import load_recipe, recipe_file
from imgtk.training.run import train
from imgtk.weights import Card, read_state
from imgtk_anystyle.network import AnyStyleNetwork
from imgtk_anystyle.styles import StyleImages, recoloured
from imgtk_anystyle.trainer import AnyStyleRecipe, AnyStyleTrainer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def settings(styles, backbone):
    values = {"styles": styles, "backbone": backbone, "width": 8, "blocks": 1, "bottleneck": 4, "crop": 64, "batch": 2}
    values |= {"steps": 10, "held_out": 1, "warmup": 2, "lr": 0.01}
    return {key: str(value) for key, value in values.items()}


def trainer(settings, **more):
    return AnyStyleTrainer(load_recipe(AnyStyleRecipe, None, {**settings, **more}))


def losses(out):
    with (out / "log.csv").open() as file:
        return [float(row["value"]) for row in csv.DictReader(file) if row["figure"] == "generator/identity"]


def test_a_network_is_trained_exported_and_used(data, settings, styles, tmp_path):
    spec = default().spec("style:any")
    settings |= {"identity": "1", "steps": "10", "repetition_weight": "0"}
    weights = train(spec, data, tmp_path / "run", overrides=settings, device="cpu", dtype="fp32")
    found = losses(tmp_path / "run")
    assert sum(found[-3:]) < sum(found[:3])
    assert set(Card.read(weights.with_suffix(".toml")).scores["validation"]) == {"gram_ratio", "content", "regularity"}
    assert cv2.imread(str(tmp_path / "run" / "samples" / "0000010.png")).shape[1] == 256 * 3
    op = spec.build(default().context(), image=[styles / "dark.png"], model=str(weights))
    op.to(torch.device("cpu"), torch.float32)
    assert op(sample_image(32, 32)).shape == (1, 3, 32, 32)


def test_interrupted_and_resumed_gives_the_same_losses(data, settings, tmp_path):
    spec = default().spec("style:any")
    common = {"overrides": {**settings, "steps": "4", "identity": "0.5"}, "device": "cpu", "dtype": "fp32"}
    train(spec, data, tmp_path / "whole", **common)
    train(spec, data, tmp_path / "parts", stop_at=2, **common)
    train(spec, data, tmp_path / "parts", resume=True, **common)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


@torch.inference_mode()
def test_it_starts_from_the_network_of_one_style(settings, tmp_path):
    """What that paints is then painted for every style, but for the colours."""
    torch.manual_seed(0)
    other = StyleNetwork(8, 1).eval()
    for norm in (other.down1.norm, other.up2.norm):
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    save_file(other.state_dict(), tmp_path / "one.safetensors")
    network = trainer(settings, init=str(tmp_path / "one.safetensors")).networks["generator"]
    torch.nn.init.zeros_(network.predict.weight)
    x = sample_image(32, 24)
    logits = other.logits(x)
    variance, mean = torch.var_mean(logits, (2, 3), keepdim=True, correction=0)
    z = (logits - mean) * torch.rsqrt(variance + 1e-3)
    palette = torch.cat([torch.zeros(1, 3), torch.eye(3).view(1, 9)], 1)
    code = torch.cat([network.code(x)[:, :-12], palette], 1)
    torch.testing.assert_close(network.in_style(code)(x), torch.sigmoid(z), atol=1e-3, rtol=0)


def test_it_goes_on_from_its_own_weights(settings, network_file):
    network = trainer(settings, init=str(network_file), bottleneck="6").networks["generator"]
    state = network.state_dict()
    assert all(torch.equal(state[key], value) for key, value in read_state(network_file).items())


@pytest.mark.parametrize("wrong", [{"width": "16"}, {"blocks": "2"}])
def test_what_is_no_start(settings, network_file, wrong):
    with pytest.raises(TrainingError, match="width"):
        trainer(settings, init=str(network_file), **{"bottleneck": "6", **wrong})


def test_no_styles_and_bad_ones(settings, tmp_path):
    with pytest.raises(TrainingError, match="no style images"):
        trainer(settings, styles="")
    with pytest.raises(TrainingError, match="nowhere"):
        trainer(settings, styles=f"{settings['styles']}, {tmp_path / 'nowhere'}")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(TrainingError, match="none of the style images"):
        trainer(settings, styles=str(tmp_path))


def test_what_is_usual_is_learnt_once(data, settings):
    from imgtk.training.images import image_files

    found = trainer(settings)
    network = found.networks["generator"]
    assert isinstance(network, AnyStyleNetwork)
    found.load_images(image_files(data), torch.device("cpu"))
    usual = network.usual.clone()
    assert network.standardised
    assert (network.spread > 0).all()
    found.styles.groups[0] = found.styles.groups[0][:1]
    found.load_images(image_files(data), torch.device("cpu"))
    assert torch.equal(network.usual, usual)


def test_draws_are_photos_with_styles_of_their_own(data, settings):
    from imgtk.training.images import image_files

    found = trainer(settings, identity="1", batch="3")
    pool = found.load_images(image_files(data), torch.device("cpu"))
    first, second = (found.draw(pool, torch.Generator().manual_seed(5)) for _ in range(2))
    assert first.shape == (3, 6, 64, 64)
    assert torch.equal(first, second)
    assert torch.equal(first[:, :3], first[:, 3:])
    other = trainer(settings, identity="0").draw(pool, torch.Generator().manual_seed(5))
    assert not torch.equal(other[:, :3], other[:, 3:])


def test_groups_of_styles_are_drawn_equally_often(tmp_path):
    """However many images they have; and images smaller than the crop are enlarged."""
    few, many = [], []
    for i in range(9):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), np.full((20 + i, 30, 3), 255 if i == 0 else 0, np.uint8))
        (many if i else few).append(path)
    drawn = StyleImages([few, many]).draw(60, 32, torch.Generator().manual_seed(0))
    assert drawn.shape == (60, 3, 32, 32)
    assert 0.25 < drawn.mean() < 0.75


def test_other_colours_are_still_colours():
    x = torch.cat([sample_image(16, 16, seed=seed) for seed in range(12)])
    y = recoloured(x, torch.Generator().manual_seed(0))
    assert y.shape == x.shape
    assert 0 <= y.min() <= y.max() <= 1
    mirrored = [a.equal(b) or a.equal(b.flip(2)) for a, b in zip(x, y, strict=True)]
    assert 0 < sum(mirrored) < len(x)


def test_the_distance_to_a_style_sees_textures_beside_means():
    torch.manual_seed(0)
    x = torch.rand(2, 4, 16, 16)
    flat = x.mean((2, 3), keepdim=True).expand_as(x)
    shuffled = x.flatten(2)[..., torch.randperm(256)].view_as(x)
    assert style_distance({"a": shuffled}, {"a": x}) < 1e-6
    assert 0.3 < style_distance({"a": flat}, {"a": x}) < 0.4  # the covariance is gone: log(1 + 1), and half of it


def test_one_flat_style_does_not_decide():
    """Its distance counts as a logarithm."""
    torch.manual_seed(0)
    x = torch.rand(1, 4, 16, 16)
    assert style_distance({"a": x}, {"a": 0.5 + 1e-3 * x}) < 10
    assert style_distance({"a": x}, {"a": torch.zeros_like(x)}).isfinite()


def test_the_shipped_recipe_is_readable():
    plan = load_recipe(AnyStyleRecipe, recipe_file(default().spec("style:any"), "any"), {})
    assert plan.name == "any"
    assert plan.licence == "Apache-2.0"
    assert plan.summary
    assert plan.data
