"""`restore:colourise`, with random weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk import Image, Pipeline
from imgtk.errors import PipelineError, WeightsError
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk_restore.colour_network import ColouriseNet
from imgtk_restore.colouring import gray_of
from imgtk_restore.detect import colouriser


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    network = ColouriseNet(8)
    torch.nn.init.normal_(network.tail.weight)
    path = tmp_path_factory.mktemp("weights") / "colours.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def colourised(model):
    return lambda image, words="": Pipeline(f"restore:colourise {words} model={model}", device="cpu")(image)


@pytest.fixture(scope="module")
def gray():
    steps = np.linspace(0, 65535, 60 * 83).astype(np.uint16).reshape(60, 83)
    return np.random.default_rng(0).permuted(steps, axis=0)


def test_it_keeps_every_promise_of_an_operator(model):
    check_op("restore:colourise", model=str(model), sizes=((61, 47), (1, 1), (5, 90)), tolerance=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_becomes_coloured_and_stays_as_light(colourised, gray, dtype):
    gray = gray if dtype == np.uint16 else (gray >> 8).astype(np.uint8)
    top = np.iinfo(dtype).max
    result = colourised(gray)
    assert not result.gray
    assert result.pixels.dtype == dtype
    assert result.pixels.std(2).mean() > 0.01 * top
    light = gray_of(torch.from_numpy(result.pixels.astype(np.float32) / top).movedim(-1, 0)[None])[0, 0].numpy()
    assert np.abs(light * top - gray).max() < 1


def test_only_the_lightness_of_colours_counts(colourised, gray):
    pixels = (gray >> 8).astype(np.uint8)
    alike = np.repeat(pixels[..., None], 3, 2)
    assert np.array_equal(colourised(pixels).pixels, colourised(alike).pixels)
    coloured = colourised(gray)
    again = colourised(coloured).pixels.astype(int)
    assert np.abs(again - coloured.pixels).max() < 65535 * 0.002


def test_alpha_stays(colourised, gray):
    alpha = np.tile(np.linspace(0, 255, 83).astype(np.uint8), (60, 1))
    result = colourised(Image(np.repeat((gray >> 8)[..., None], 3, 2).astype(np.uint8), alpha))
    assert np.array_equal(result.alpha, alpha)


def test_saturation(colourised, gray):
    pixels = (gray >> 8).astype(np.uint8)
    none, half, whole = (colourised(pixels, f"saturation={share}").pixels.astype(int) for share in (0, 0.5, 1))
    assert (none == pixels[..., None]).all()
    assert 0 < half.std(2).mean() < whole.std(2).mean()
    assert np.array_equal(whole, colourised(pixels).pixels)
    with pytest.raises(PipelineError, match="saturation: expected a number from 0 to 4"):
        colourised(pixels, "saturation=5")


def test_the_network_is_told_from_its_tensors(network_file, tmp_path):
    network = ColouriseNet(20).eval()
    found, state = colouriser(network.state_dict())
    found.load_state_dict(state, assign=True)
    x = torch.rand(1, 256, 8, 12), torch.rand(1, 384, 4, 6)
    assert torch.equal(found.eval()(*x), network(*x))
    assert found(*x).shape == (1, 2, 8, 12)
    assert colouriser({"deep.weight": torch.zeros(1)}) is None
    with pytest.raises(WeightsError, match="RestorationNet, and this operator takes ColouriseNet"):
        default().build("restore:colourise", model=str(network_file)).to(torch.device("cpu"), torch.float32)
