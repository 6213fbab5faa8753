"""`stylize-sr:monet` with a tiny random network."""

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk import Image, Pipeline
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk.upscaling.network import load_network
from imgtk.weights.architecture import network_of


@pytest.mark.parametrize(("scale", "sizes"), [("x4", [(33, 47), (1, 19), (1, 1)]), ("x2.5", [(47, 33)])])
def test_it_keeps_what_operators_promise(model, scale, sizes):
    check_op("stylize-sr:monet", model=model, scale=scale, sizes=sizes)


@torch.inference_mode()
def test_the_halo_is_what_an_output_pixel_sees(network):
    """Every weight positive, and little subtracted: what can arrive does."""
    net = network(scale=2)
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
def test_tileable_images_stay_tileable(model, axis):
    """An image that is moved around gives the result, moved around."""
    x = sample_image(32, 32)
    dim = 3 if axis == "x" else 2
    pipeline = Pipeline(f"stylize-sr:monet model='{model}' tileable={axis}", device="cpu", dtype="fp32")
    there = pipeline(x.roll(6, dim)).tensor()
    assert (there - pipeline(x).tensor().roll(24, dim)).abs().max() < 1e-5


def test_its_architecture_is_told_from_its_tensors(network):
    ours = network(scale=2)
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
