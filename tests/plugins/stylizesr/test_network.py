"""`stylize-sr:monet` with a tiny random network."""

import importlib.util

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk import Image, Pipeline
from imgtk.engine.onnx import further_inputs
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk.upscaling.network import load_network
from imgtk.weights.architecture import network_of


@pytest.mark.parametrize(("scale", "sizes"), [("x4", [(33, 47), (1, 19), (1, 1)]), ("x2.5", [(47, 33)])])
def test_it_keeps_what_operators_promise(model, scale, sizes):
    check_op("stylize-sr:monet", model=model, scale=scale, sizes=sizes)


@pytest.mark.parametrize("params", [{}, {"tileable": "both"}, {"scale": "x2.5", "seed": 3}])
def test_with_noise_it_keeps_it_too(noisy, params):
    check_op("stylize-sr:monet", model=noisy, sizes=[(34, 46), (1, 19)], **params)


def test_noise_is_chosen_by_the_seed_and_makes_strokes_in_flat_areas(noisy):
    flat = torch.full((1, 3, 32, 40), 0.4)
    settings = ("seed=1", "seed=1", "seed=2", "")
    pipelines = [Pipeline(f"stylize-sr:monet model='{noisy}' {text}", device="cpu", dtype="fp32") for text in settings]
    first, again, other, by_default = (pipeline(flat).tensor() for pipeline in pipelines)
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    assert (first - by_default).abs().max() > 1e-3
    assert first[..., 64:, 64:].std() > 1e-3  # where a network without noise has nothing to tell places apart


def test_noise_has_no_seam_in_tileable_images(noisy):
    """What is painted over a flat image changes at the border no more than elsewhere."""
    pipeline = Pipeline(f"stylize-sr:monet model='{noisy}' tileable=both", device="cpu", dtype="fp32")
    painted = pipeline(torch.full((1, 3, 24, 36), 0.4)).tensor()
    for axis in (2, 3):
        steps = (painted - painted.roll(1, axis)).abs().movedim(axis, 0).flatten(1).mean(1)
        assert steps[0] < 2 * steps[1:].mean()


@pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="onnxruntime is not installed")
def test_other_runtimes_are_given_the_noise(noisy):
    x = sample_image(30, 22)
    torch_, onnx = (
        Pipeline(f"stylize-sr:monet model='{noisy}' seed=5", device="cpu", dtype="fp32", backend=backend)(x).tensor()
        for backend in ("torch", "onnxruntime")
    )
    assert (torch_ - onnx).abs().max() < 2 / 255


@torch.inference_mode()
def test_the_noise_of_another_image_gives_another_painting(network):
    ours, x = network(deep=1, noise=True), torch.rand(2, 3, 8, 12)
    white, coarse = further_inputs(ours, x).values()
    assert (white.shape, coarse.shape[2:]) == ((1, 1, 32, 48), (8, 12))
    assert torch.equal(ours(x), ours(x, white, coarse))
    for changed in ((-white, coarse), (white, -coarse)):
        assert (ours(x, *changed) - ours(x)).abs().max() > 1e-4
    torch.testing.assert_close(ours(x)[1:], ours(x[1:]))


@pytest.mark.parametrize("deep", [0, 2])
@torch.inference_mode()
def test_the_halo_is_what_an_output_pixel_sees(network, deep):
    """Every weight positive, and little subtracted: what can arrive does."""
    net = network(scale=2, deep=deep)
    for parameter in net.parameters():
        parameter.fill_(1.0 if parameter.ndim == 1 else 0.01)
    for name, buffer in net.named_buffers():
        buffer.fill_(0 if "mean" in name else 1)
    side, middle = 4 * net.halo, 2 * net.halo
    before = torch.zeros(1, 3, side, side, dtype=torch.float64)
    net.double()
    reach = []
    for place in range(middle, middle + net.multiple):
        after = before.clone()
        after[..., place, place] = 1e6
        touched = ((net(after) - net(before)).abs().amax((0, 1)) > 1e-9).nonzero() // net.scale
        reach.append((touched - place).abs().max().item())
    assert max(reach) == net.halo


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
def test_tileable_images_stay_tileable(model, axis):
    """An image that is moved around gives the result, moved around."""
    x = sample_image(32, 32)
    dim = 3 if axis == "x" else 2
    pipeline = Pipeline(f"stylize-sr:monet model='{model}' tileable={axis}", device="cpu", dtype="fp32")
    there = pipeline(x.roll(6, dim)).tensor()
    assert (there - pipeline(x).tensor().roll(24, dim)).abs().max() < 1e-5


@pytest.mark.parametrize("options", [{}, {"noise": True}, {"deep": 2, "noise": True}])
def test_its_architecture_is_told_from_its_tensors(network, options):
    ours = network(scale=2, **options)
    found = network_of(ours.state_dict(), default().architectures)
    x = torch.rand(1, 3, 8, 6)
    with torch.inference_mode():
        assert torch.equal(found(x), ours.eval()(x))
    assert (found.scale, found.halo, found.description) == (2, ours.halo, ours.description)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"residuals.1.3.weight": None}, r"residuals\.1\.3\.weight is missing"),
        ({"tail.5.weight": torch.zeros(13, 4, 3, 3)}, "its scale is unknown"),
        ({"enter.0.weight": torch.zeros(8, 7, 3, 3)}, r"enter\.0\.weight"),
    ],
)
def test_damaged_files_are_refused(network, change, message, tmp_path):
    state = {**network().state_dict(), **change}
    path = tmp_path / "damaged.pth"
    torch.save({name: value for name, value in state.items() if value is not None}, path)
    with pytest.raises(WeightsError, match=message):
        load_network(path, default().architectures)
