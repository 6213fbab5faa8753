"""`outpaint`."""

from fractions import Fraction

import numpy as np
import pytest

from imgtk import Image, Pipeline
from imgtk.errors import ImgtkError, PipelineError
from imgtk.geometry import Affine, Size
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk_restore import Margin


@pytest.fixture
def outpainted():
    return lambda image, *margins, seed=0: Pipeline(
        f"outpaint {' '.join(map(str, margins))} seed={seed}", device="cpu"
    )(image)


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_image_stays_and_margins_are_added(outpainted, dtype):
    pixels = noise(40, 61, 3, dtype=dtype)
    result = outpainted(pixels, 5, 20, 30, 0).pixels
    assert result.dtype == dtype
    assert result.shape == (60, 96, 3)
    assert np.array_equal(result[20:, 5:66], pixels)
    assert result[:20].std() > 0.1 * np.iinfo(dtype).max


def test_percentages_are_of_the_side_across(outpainted):
    result = outpainted(noise(40, 61, 3), "10%", "12.5%", 0, "50%").pixels
    assert result.shape == (5 + 40 + 20, 6 + 61, 3)
    assert np.array_equal(result, outpainted(noise(40, 61, 3), 6, 5, 0, 20).pixels)


def test_opacity_continues_as_at_the_border(outpainted):
    alpha = np.repeat(np.linspace(0, 255, 20).astype(np.uint8)[None], 20, 0)
    result = outpainted(Image(np.full((20, 20, 3), 80, np.uint8), alpha), 4, 0, 4, 0)
    assert (result.alpha[:, :4] == 0).all()
    assert (result.alpha[:, -4:] == 255).all()
    assert np.array_equal(result.alpha[:, 4:-4], alpha)
    assert (result.pixels == 80).all()


def test_gray_stays_gray(outpainted):
    assert outpainted(noise(20, 30), 5, 5, 5, 5).gray


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 90, 3), (7, 80, 3), (13, 2, 3), (97, 33, 3)])
def test_images_of_any_size(outpainted, shape):
    height, width = shape[0] // 2, shape[1] // 2
    pixels = noise(*shape)
    result = outpainted(pixels, width, height, width, height).pixels
    assert np.array_equal(result[height : height + shape[0], width : width + shape[1]], pixels)


def test_a_pixel_in_a_row(outpainted):
    assert (outpainted(np.full((1, 9, 3), 50, np.uint8), 4, 0, 0, 0).pixels == 50).all()


def test_a_seed_repeats_and_another_one_differs(outpainted):
    first, again, other = (outpainted(noise(40, 40, 3), 0, 0, 20, 0, seed=seed).pixels for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_keeps_every_promise_of_an_operator():
    margins = {"left": 5, "top": 0, "right": 9, "bottom": 16}
    check_op("outpaint", sizes=[(41, 33)], tile=16, **margins)


def test_metadata_follow():
    op = default().build("outpaint", left=10, top=Fraction(1, 4), right=0, bottom=0)
    assert op.placement(Size(100, 80)) == Affine(1, 0, -10, 0, 1, -20)
    assert op.output_size(Size(100, 80)) == Size(110, 100)


@pytest.mark.parametrize("word", ["0", "60", "999999", "10%", "12.5%", "0%", "33.333333%"])
def test_words_of_margins_come_back(word):
    value = Margin().convert(word)
    assert Margin().format(value) == word
    assert Margin().convert(Margin().format(value)) == Margin().convert(value) == value


@pytest.mark.parametrize("word", ["-1", "1000000", "1e6", "-5%", "%", "10 %", "nan", "1.5", "", "9999%", "1e2%"])
def test_words_that_are_no_margins(word):
    with pytest.raises(ValueError, match="expected a whole number from 0 to 999999, or a percentage such as 10%, got"):
        Margin().convert(word)


def test_margins_that_make_no_sense(outpainted):
    pixels = np.zeros((20, 30, 3), np.uint8)
    for nothing in (0, "0%"):
        with pytest.raises(ImgtkError, match="all margins are 0"):
            outpainted(pixels, 0, 0, 0, nothing)
    with pytest.raises(ImgtkError, match="a margin of 11 pixels is too much for an image that is 20 pixels high"):
        outpainted(pixels, 0, 11, 0, 0)
    with pytest.raises(ImgtkError, match="a margin of 999999 pixels is too much for an image that is 30 pixels wide"):
        outpainted(pixels, 0, 0, 999999, 0)
    with pytest.raises(ImgtkError, match="a margin of 12 pixels is too much"):
        outpainted(pixels, 0, "60%", 0, 0)
    with pytest.raises(PipelineError, match="left: expected a whole number from 0"):
        outpainted(pixels, -1, 0, 0, 0)
    with pytest.raises(PipelineError, match="1000000"):
        outpainted(pixels, 1000000, 0, 0, 0)
