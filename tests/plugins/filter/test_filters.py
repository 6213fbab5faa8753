"""Filters: against OpenCV, Pillow, scikit-image and SciPy, and what every operator promises."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest
from scipy.ndimage import convolve1d, median_filter, uniform_filter
from skimage import data, filters, util
from skimage.metrics import peak_signal_noise_ratio as psnr

import imgtk
from imgtk.testing import check_op
from imgtk_filter import SIDES, imgtk_operators
from imgtk_filter import kernels as code

PARAMS: dict[str, list[dict[str, Any]]] = {
    "denoise:median": [{}, {"radius": 2}],
    "denoise:nlm": [{"search": 3, "patch": 1}],
    "denoise:wavelet": [{"levels": 3}],
    "filter:edge": [{"method": method} for method in code.EDGES],
    "filter:emboss": [{"light": "south", "amount": 2}],
    "filter:pixelate": [{"size": 1}, {"size": 5}, {"size": 100}],
    "filter:halftone": [{}, {"colour": True, "cell": 4.5, "angle": 10}],
    "filter:noise": [{}, {"size": 0, "seed": 3}, {"size": 2}],
}
CASES = [(spec, params) for spec in imgtk_operators() for params in PARAMS.get(spec.name, [{}])]


@pytest.fixture
def photo() -> np.ndarray:
    """(75, 100, 3), uint8."""
    return np.ascontiguousarray(data.chelsea()[50:125, 100:200])


def run(text: str, pixels: np.ndarray, **options: Any) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text, **options)(pixels).numpy())


def close(actual: np.ndarray, expected: Any, levels: float = 1) -> None:
    assert actual.shape == np.asarray(expected).shape
    assert np.abs(actual.astype(float) - np.asarray(expected).astype(float)).max() <= levels


@pytest.mark.parametrize(("spec", "params"), CASES, ids=[f"{spec.name}-{params}" for spec, params in CASES])
def test_contract(spec: Any, params: dict[str, Any]) -> None:
    check_op(spec, **params)


@pytest.mark.parametrize("radius", [1, 2])
def test_median_is_that_of_scipy(photo: np.ndarray, radius: int) -> None:
    side = 2 * radius + 1
    expected = median_filter(photo, (side, side, 1), mode="nearest")
    assert np.array_equal(run(f"denoise:median {radius}", photo), expected)
    deep = photo.astype(np.uint16) * 257
    assert np.array_equal(run(f"denoise:median {radius}", deep), expected.astype(np.uint16) * 257)


def test_bilateral_is_that_of_opencv(photo: np.ndarray) -> None:
    close(run("denoise:bilateral 0.2 radius=4", photo), cv2.bilateralFilter(photo, 9, 0.2 * 255, 4 / 1.5))


def test_nlm_is_that_of_opencv(photo: np.ndarray) -> None:
    deep = photo.astype(np.uint16) * 257
    expected = cv2.fastNlMeansDenoising(deep, [3276.75], None, 5, 11, cv2.NORM_L1)
    close(run("denoise:nlm 0.05 search=5 patch=2", deep), expected)


def test_wavelet_shrinks_the_coefficients_of_the_a_trous_transform(photo: np.ndarray) -> None:
    gray = photo[..., 0].astype(np.float32) / 255
    spline = np.array([1, 4, 6, 4, 1]) / 16
    holes = np.insert(spline, [1, 2, 3, 4], 0)

    def smooth(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return convolve1d(convolve1d(image, kernel, 0, mode="mirror"), kernel, 1, mode="mirror")

    one, two = smooth(gray, spline), smooth(smooth(gray, spline), holes)
    expected = two
    for detail, norm in ((gray - one, 0.8908), (one - two, 0.2007)):  # Starck and Murtagh, table of sigma_j
        least = 1.5 * 0.03 * norm
        expected = expected + np.sign(detail) * np.maximum(np.abs(detail) - least, 0)
    np.testing.assert_allclose(run("denoise:wavelet 0.03 levels=2", gray), expected, atol=1e-5)


@pytest.mark.parametrize(
    "text", ["denoise:bilateral 0.4", "denoise:nlm 0.08 search=5", "denoise:wavelet 0.08", "denoise:median"]
)
def test_less_noise_is_left(text: str) -> None:
    clean = (data.astronaut()[:120, 150:300] / 255).astype(np.float32)
    noisy = util.random_noise(clean, var=0.08**2, rng=0).astype(np.float32)
    assert psnr(clean, run(text, noisy).clip(0, 1)) > psnr(clean, noisy) + 2.5


def test_gaussian_is_that_of_opencv(photo: np.ndarray) -> None:
    close(run("filter:gaussian 1.7", photo), cv2.GaussianBlur(photo, (15, 15), 1.7, borderType=cv2.BORDER_REPLICATE))
    assert np.abs(run("filter:gaussian 1.7", photo).astype(int) - run("adjust:blur 1.7", photo)).max() <= 1


def test_box_is_that_of_pillow(photo: np.ndarray) -> None:
    close(run("filter:box 3", photo), PIL.Image.fromarray(photo).filter(PIL.ImageFilter.BoxBlur(3)))


@pytest.mark.parametrize("method", ["sobel", "scharr", "prewitt"])
def test_edges_are_those_of_scikit_image(photo: np.ndarray, method: str) -> None:
    gray = photo[..., 0].astype(np.float32) / 255
    expected = getattr(filters, method)(gray, mode="reflect")
    np.testing.assert_allclose(run(f"filter:edge {method}", gray), expected, atol=1e-5)
    colour = run("filter:edge 3", photo)
    assert (colour[..., 0] == colour[..., 2]).all()


def test_emboss_is_that_of_pillow(photo: np.ndarray) -> None:
    gray = PIL.Image.fromarray(photo[..., 0])
    relief = run("filter:emboss light=south-west", np.asarray(gray))  # Pillow counts the rows of kernels from below
    close(relief[1:-1, 1:-1], np.asarray(gray.filter(PIL.ImageFilter.EMBOSS))[1:-1, 1:-1])
    assert tuple(code.SIDES) == SIDES


def test_detail_is_what_the_guided_filter_takes(photo: np.ndarray) -> None:
    gray = photo[..., 0].astype(np.float32) / 255

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values.astype(np.float64), 7, mode="nearest")

    variance = mean(gray.astype(np.float64) ** 2) - mean(gray) ** 2
    slope = variance / (variance + 0.01)
    base = mean(slope) * gray + mean((1 - slope) * mean(gray))
    np.testing.assert_allclose(run("filter:detail 2 radius=3", gray), gray + 2 * (gray - base), atol=1e-4)
    edge = np.where(np.arange(60) < 30, 0.1, 0.9).astype(np.float32)[None].repeat(40, 0)
    assert np.abs(run("filter:detail 1", edge) - edge).max() < 0.1  # an unsharp mask of this size would add 0.4


@pytest.mark.parametrize("size", [1, 7, 50, 300])
def test_pixelate_is_that_of_pillow(photo: np.ndarray, size: int) -> None:
    small = PIL.Image.fromarray(photo).reduce(size) if size > 1 else PIL.Image.fromarray(photo)
    expected = np.asarray(small).repeat(size, 0).repeat(size, 1)[: photo.shape[0], : photo.shape[1]]
    close(run(f"filter:pixelate {size}", photo), expected)
    assert np.array_equal(run(f"filter:pixelate {size}", photo, tile=32), run(f"filter:pixelate {size}", photo))


@pytest.mark.parametrize("tone", [0.0, 0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("colour", ["", "colour"])
def test_halftone_keeps_tones(tone: float, colour: str) -> None:
    flat = np.full((400, 400, 3), tone, np.float32)
    printed = run(f"filter:halftone 7 {colour}", flat)
    np.testing.assert_allclose(printed.mean((0, 1)), tone, atol=0.02)
    if 0 < tone < 1:
        assert ((printed < 0.05) | (printed > 0.95)).mean() > 0.35


def test_noise_is_gaussian_and_a_function_of_its_seed() -> None:
    flat = np.full((300, 400, 3), 0.5, np.float32)
    for size in (0, 0.5, 2):
        grain = run(f"filter:noise 0.1 size={size} seed=4", flat) - 0.5
        assert grain.std() == pytest.approx(0.1, rel=0.06), size
        assert abs(grain.mean()) < 5e-3
        assert (grain[..., 0] == grain[..., 2]).all()
    again = run("filter:noise 0.1 size=2 seed=4", flat, tile=64) - 0.5
    np.testing.assert_allclose(again, grain, atol=1e-6)
    other = run("filter:noise 0.1 size=2 seed=5", flat) - 0.5
    assert abs(np.corrcoef(grain.ravel(), other.ravel())[0, 1]) < 0.1
    seeded = run("filter:noise 0.1 size=2", flat, seed=4) - 0.5
    assert np.array_equal(seeded, grain)
    beside = np.corrcoef(grain[:, 1:, 0].ravel(), grain[:, :-1, 0].ravel())[0, 1]
    assert beside > 0.8  # soft grains


@pytest.mark.parametrize("text", [spec.name for spec in imgtk_operators()])
def test_gray_stays_gray_and_alpha_is_kept(photo: np.ndarray, text: str) -> None:
    gray = np.ascontiguousarray(photo[:20, :30, 0])
    assert run(text, gray).shape == gray.shape
    both = np.dstack([photo[:20, :30], photo[:20, :30, 1]])
    assert np.array_equal(run(text, both)[..., 3], both[..., 3])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("denoise:median 3", "from 1 to 2"),
        ("denoise:bilateral 0", "from 0.001 to 3"),
        ("filter:gaussian -1", "from 0.1 to 100"),
        ("filter:edge canny", "canny"),
        ("filter:pixelate 0", "from 1 to 10000"),
        ("filter:halftone 1", "from 2 to 1000"),
        ("filter:noise seed=-1", "at least 0"),
    ],
)
def test_nonsense_is_an_error(text: str, told: str) -> None:
    with pytest.raises(imgtk.ImgtkError, match=told):
        imgtk.Pipeline(text)
