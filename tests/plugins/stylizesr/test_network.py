"""`stylize-sr:monet` with a tiny random network."""

import copy
from importlib.util import find_spec

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from imgtk import Image, Pipeline
from imgtk.engine.onnx import further_inputs
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk.upscaling.network import load_network
from imgtk.weights.architecture import network_of
from imgtk_stylizesr.network import StyleUpscaler


@pytest.mark.parametrize(
    ("params", "sizes"),
    [
        ({}, [(34, 46), (1, 19), (1, 1)]),
        ({"scale": "x2.5", "seed": 3}, [(47, 33)]),
        ({"tileable": "both"}, [(34, 46), (80, 2)]),
    ],
)
def test_it_keeps_what_operators_promise(model, params, sizes):
    check_op("stylize-sr:monet", model=model, sizes=sizes, **params)


def test_networks_of_earlier_versions_keep_it_too(plain_model):
    check_op("stylize-sr:monet", model=plain_model, sizes=[(33, 47), (1, 19)])


def test_noise_is_chosen_by_the_seed_and_makes_strokes_in_flat_areas(model):
    flat = torch.full((1, 3, 32, 40), 0.4)
    settings = ("seed=1", "seed=1", "seed=2", "")
    pipelines = [Pipeline(f"stylize-sr:monet model='{model}' {text}", device="cpu", dtype="fp32") for text in settings]
    first, again, other, by_default = (pipeline(flat).tensor() for pipeline in pipelines)
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    assert (first - by_default).abs().max() > 1e-3
    assert first[..., 64:, 64:].std() > 1e-3  # where a network without noise has nothing to tell places apart


def test_strokes_have_no_seam_in_tileable_images(model):
    """What is painted over a flat image changes at the border no more than elsewhere."""
    pipeline = Pipeline(f"stylize-sr:monet model='{model}' tileable=both", device="cpu", dtype="fp32")
    painted = pipeline(torch.full((1, 3, 24, 36), 0.4)).tensor()
    for axis in (2, 3):
        steps = (painted - painted.roll(1, axis)).abs().movedim(axis, 0).flatten(1).mean(1)
        assert steps[0] < 2 * steps[1:].mean()


@pytest.mark.skipif(not find_spec("onnxruntime"), reason="onnxruntime is not installed")
def test_other_runtimes_are_given_the_noise(model):
    x = sample_image(30, 22)
    ours, theirs = (
        Pipeline(f"stylize-sr:monet model='{model}' seed=5", device="cpu", dtype="fp32", backend=backend)(x).tensor()
        for backend in ("torch", "onnxruntime")
    )
    assert (ours - theirs).abs().max() < 1e-3


@torch.inference_mode()
def test_white_and_coarse_noise_count(network):
    x = torch.rand(2, 3, 8, 12)
    white, coarse = further_inputs(network, x).values()
    assert (white.shape, coarse.shape[2:]) == ((1, 1, 32, 48), (8, 12))
    assert torch.equal(network(x), network(x, white, coarse))
    for changed in ((-white, coarse), (white, -coarse)):
        assert (network(x, *changed) - network(x)).abs().max() > 1e-4


@torch.no_grad()
def test_moments_follow_those_of_training_images_and_are_fixed_in_use():
    torch.manual_seed(0)
    network, x = StyleUpscaler(width=8, blocks=1).train(), torch.rand(2, 3, 16, 24)
    first = network(x)
    features = network.style.down1.conv(F.pixel_unshuffle(F.interpolate(x, scale_factor=4, mode="bilinear"), 2))
    torch.testing.assert_close(network.moments0[0], features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.moments0[1], features.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)
    network.eval()
    torch.testing.assert_close(network(x), first)  # the first batch's moments are taken as they are
    before = network.moments0.clone()
    network(0.5 * x)
    assert torch.equal(network.moments0, before)
    for _ in range(100):
        network.train()(0.5 * x)
    assert (network.moments0[1] / before[1]).median() < 0.5


def test_the_halo_is_what_an_output_pixel_sees(network):
    net = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in net.parameters():  # all weights positive: nothing cancels out or is cut off
            parameter.copy_(parameter.abs() / 10 if parameter.ndim > 1 else parameter.abs() + 0.1)
        for name, buffer in net.named_buffers():
            if name.startswith("moments"):
                buffer.copy_(torch.tensor([[0.0], [1.0]]).expand_as(buffer))
    net.style.forward = net.style.logits  # a sigmoid would be flat
    side = net.halo + 8
    x = torch.rand(1, 3, 4, 2 * side, dtype=torch.float64, requires_grad=True)
    painted, reach = net(x), set()
    for column in range(net.scale * side, net.scale * (side + net.multiple)):
        gradient = torch.autograd.grad(painted[..., column].sum(), x, retain_graph=True)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column // net.scale - int(seen.min()), int(seen.max()) - column // net.scale}
    assert net.halo - 2 * net.multiple <= max(reach) <= net.halo


@torch.inference_mode()
def test_the_halo_of_earlier_networks_is_what_an_output_pixel_sees(plain):
    """Every weight positive, and little subtracted: what can arrive does."""
    net = plain(scale=2)
    for parameter in net.parameters():
        parameter.fill_(1.0 if parameter.ndim == 1 else 0.01)
    for name, buffer in net.named_buffers():
        buffer.fill_(0 if "mean" in name else 1)
    side, middle = 4 * net.halo, 2 * net.halo
    before = torch.zeros(1, 3, side, side, dtype=torch.float64)
    after = before.clone()
    after[..., middle, middle] = 1e6
    net.double()
    touched = ((net(after) - net(before)).abs().amax((0, 1)) > 1e-9).nonzero() // net.scale
    reach = (touched - middle).abs().max().item()
    assert reach == net.halo


def test_16_bits_and_alpha_stay(model):
    rng = np.random.default_rng(0)
    pipeline = Pipeline(f"stylize-sr:monet model='{model}'", device="cpu", dtype="fp32")
    deep = pipeline(Image(rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16)))
    assert deep.pixels.dtype == np.uint16
    assert deep.size == (28, 20)
    rgba = PIL.Image.fromarray(rng.integers(0, 256, (5, 7, 4), dtype=np.uint8))
    clear = pipeline(rgba)
    assert clear.alpha is not None
    assert clear.alpha.shape[:2] == (20, 28)


@pytest.mark.parametrize("axis", ["x", "y"])
@torch.inference_mode()
def test_tileable_images_stay_tileable(plain_model, axis):
    """Without noise, an image that is moved around gives the result, moved around."""
    x = sample_image(32, 32)
    dim = 3 if axis == "x" else 2
    pipeline = Pipeline(f"stylize-sr:monet model='{plain_model}' tileable={axis}", device="cpu", dtype="fp32")
    there = pipeline(x.roll(6, dim)).tensor()
    assert (there - pipeline(x).tensor().roll(24, dim)).abs().max() < 1e-5


def test_its_architecture_is_told_from_its_tensors(network):
    found = network_of(network.state_dict(), default().architectures)
    x = torch.rand(1, 3, 8, 6)
    with torch.inference_mode():
        assert torch.equal(found(x), network(x))
    assert (found.scale, found.halo, found.description) == (4, network.halo, network.description)


def test_that_of_earlier_networks_is_told_from_their_tensors(plain):
    ours = plain(scale=2)
    found = network_of(ours.state_dict(), default().architectures)
    x = torch.rand(1, 3, 8, 6)
    with torch.inference_mode():
        assert torch.equal(found(x), ours(x))
    assert (found.scale, found.halo, found.description) == (2, ours.halo, ours.description)


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        ("network", {"moments3": None}, r"moments3 is missing"),
        ("network", {"style.down2.conv.weight": torch.zeros(7, 4, 3, 3)}, "7 channels wide, an odd number"),
        ("network", {"style.mix.conv.weight": torch.zeros(8, 7, 3, 3)}, r"style\.mix\.conv\.weight"),
        ("plain", {"residuals.1.3.weight": None}, r"residuals\.1\.3\.weight is missing"),
        ("plain", {"tail.5.weight": torch.zeros(13, 4, 3, 3)}, "its scale is unknown"),
        ("plain", {"enter.0.weight": torch.zeros(8, 7, 3, 3)}, r"enter\.0\.weight"),
    ],
)
def test_damaged_files_are_refused(network, plain, which, change, message, tmp_path):
    whole = network if which == "network" else plain()
    state = {**whole.state_dict(), **change}
    path = tmp_path / "damaged.pth"
    torch.save({name: value for name, value in state.items() if value is not None}, path)
    with pytest.raises(WeightsError, match=message):
        load_network(path, default().architectures)
