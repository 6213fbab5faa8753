"""Colours, local contrast and range: against OpenCV, Pillow and scikit-image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from PIL.ImageFilter import Color3DLUT
from scipy.ndimage import minimum_filter, uniform_filter

import imgtk
from imgtk.errors import ReadError


def run(text: str, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text)(pixels).numpy())


def test_white_balance_takes_a_cast_away(photo: np.ndarray) -> None:
    cast = photo.astype(np.float32) / 255 * np.array([0.9, 0.6, 0.4], np.float32)
    gray = run("adjust:white-balance", cast).reshape(-1, 3).mean(0)
    np.testing.assert_allclose(gray, gray.mean(), atol=1e-4)
    white = np.quantile(run("adjust:white-balance white-patch", cast).reshape(-1, 3), 0.99, axis=0)
    np.testing.assert_allclose(white, white.mean(), atol=1e-4)
    assert np.array_equal(run("adjust:white-balance none", photo), photo)


def test_temperature_and_tint_go_the_right_way(photo: np.ndarray) -> None:
    gray = np.full((2, 2, 3), 0.5, np.float32)
    gray[0, 0] += 0.001  # so that it is in colour
    assert np.allclose(run("adjust:white-balance temperature=6500", gray), gray, atol=1e-6)
    red, green, blue = run("adjust:white-balance temperature=3000", gray)[1, 1]
    assert red < green < blue
    red, green, blue = run("adjust:white-balance temperature=10000", gray)[1, 1]
    assert red > green > blue
    red, green, blue = run("adjust:white-balance tint=0.5", gray)[1, 1]
    assert green < red
    assert red == pytest.approx(blue)
    for temperature in (1667, 2222, 4000, 25000):
        below, above = (
            run(f"adjust:white-balance temperature={t}", gray)
            for t in (max(1667, temperature - 1), min(25000, temperature + 1))
        )
        np.testing.assert_allclose(below, above, atol=2e-3)  # the pieces of the formula meet


def test_hue_is_that_of_opencv(photo: np.ndarray) -> None:
    pixels = photo.astype(np.float32) / 255
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] - 70) % 360
    np.testing.assert_allclose(run("adjust:hue -70", pixels), cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), atol=1e-5)
    np.testing.assert_allclose(run("adjust:hue 120", pixels), pixels[..., [2, 0, 1]], atol=1e-5)


def test_sepia_is_the_matrix_of_the_w3c(photo: np.ndarray) -> None:
    matrix = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    assert np.abs(run("adjust:sepia", photo).astype(int) - cv2.transform(photo, matrix)).max() <= 1
    assert np.array_equal(run("adjust:sepia 0", photo), photo)
    assert run("adjust:sepia", photo[..., 0]).ndim == 3  # gray becomes coloured


def test_duotone_is_what_pillow_colorizes(photo: np.ndarray) -> None:
    gray = np.ascontiguousarray(photo[..., 1])
    expected = PIL.ImageOps.colorize(PIL.Image.fromarray(gray), "#102030", "#ffeecc")
    assert np.abs(run("adjust:duotone #102030 #ffeecc", gray).astype(int) - np.asarray(expected)).max() <= 1


def test_a_table_of_three_dimensions_is_that_of_pillow(photo: np.ndarray, cube: Path) -> None:
    colours = [tuple(map(float, line.split())) for line in cube.read_text().splitlines()[4:]]
    expected = PIL.Image.fromarray(photo).filter(Color3DLUT(5, colours))
    result = run(f"adjust:lut '{cube}'", photo)
    assert np.abs(result.astype(int) - np.asarray(expected)).max() <= 1
    half = run(f"adjust:lut '{cube}' 0.5", photo)
    assert np.abs(half - (result.astype(int) + photo) / 2).max() <= 1


def test_a_table_of_one_dimension_with_a_domain(photo: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "one.CUBE"
    path.write_text("LUT_1D_SIZE 3\nDOMAIN_MIN 0.2 0 0\nDOMAIN_MAX 0.8 1 1\n0 0 1\n0.5 0.1 0.5\n1 1 0\n")
    x = photo.astype(np.float32) / 255
    result = run(f"adjust:lut '{path}'", x)
    np.testing.assert_allclose(result[..., 0], ((x[..., 0] - 0.2) / 0.6).clip(0, 1), atol=1e-6)
    np.testing.assert_allclose(result[..., 1], np.interp(x[..., 1], [0, 0.5, 1], [0, 0.1, 1]), atol=1e-6)
    np.testing.assert_allclose(result[..., 2], 1 - x[..., 2], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither"),
        ("\x00\xff binary", "neither"),
        ("0 0 0\n1 1 1", "neither"),
        ("LUT_3D_SIZE 2\n0 0 0\n", "asks for 8 colours, but it has 1"),
        ("LUT_3D_SIZE 99999\n0 0 0\n", "not from 2 to 256"),
        ("LUT_3D_SIZE two\n", "invalid literal"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1\n", "'1 1' is not 3 numbers"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 nan\n", "not finite"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 x\n", "could not convert"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n2 2 2\n", "but it has 3"),
        ("LUT_1D_SIZE 2\nDOMAIN_MIN 1 1 1\n0 0 0\n1 1 1\n", "not below"),
        ("LUT_1D_SIZE 2\nLUT_3D_SIZE 2\n", "both"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "bad.cube"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ReadError, match=told):
        imgtk.Pipeline(f"adjust:lut '{path}'")(np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize("shape", [(75, 100), (1, 40), (3, 2)])
def test_clahe_is_that_of_opencv(photo: np.ndarray, shape: tuple[int, int]) -> None:
    gray = np.ascontiguousarray(photo[: shape[0], : shape[1], 1]).astype(np.uint16) * 257
    expected = cv2.createCLAHE(3, (4, 4)).apply(gray)
    assert np.abs(run("adjust:clahe 3 4", gray).astype(int) - expected).max() <= 1


def test_drago_is_the_formula_of_the_paper() -> None:
    light = np.random.default_rng(0).random((30, 40, 1)) ** 6 * 15 + 1e-4
    scaled = light / np.exp(np.log(light).mean())
    base = np.log(2 + (scaled / scaled.max()) ** (np.log(0.85) / np.log(0.5)) * 8)
    expected = np.log(scaled + 1) / (base * np.log10(scaled.max() + 1))
    coded = run("adjust:tonemap drago", np.repeat(light, 3, 2).astype(np.float32))
    mapped = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(mapped, np.repeat(expected, 3, 2), atol=1e-4)


@pytest.mark.parametrize("method", ["reinhard", "drago", "filmic"])
def test_tonemap_keeps_order_and_range(method: str) -> None:
    light = np.geomspace(1e-4, 16, 300, dtype=np.float32).reshape(10, 30, 1).repeat(3, 2)
    mapped = run(f"adjust:tonemap {method}", light)[..., 0].ravel()
    assert (np.diff(mapped) >= -1e-6).all()
    assert mapped[-1] == pytest.approx(1, abs=1e-3)
    assert mapped[200] > 0.2
    black = np.zeros((3, 4, 3), np.float32)
    assert np.array_equal(run(f"adjust:tonemap {method}", black), black)


def test_dehaze_is_the_formula_of_the_paper() -> None:
    from skimage import data

    image = data.astronaut()[100:180, 100:200] / 255
    hazy = (0.5 * image + 0.5 * np.array([0.8, 0.85, 0.9])).astype(np.float32)
    radius, side = 3, 7
    dark = minimum_filter(hazy.min(2), side, mode="nearest")
    haze = hazy.reshape(-1, 3)[np.argsort(dark.ravel())[-8:]].mean(0)
    dark = minimum_filter((hazy / haze).min(2), side, mode="nearest")
    guide = hazy @ np.array([0.299, 0.587, 0.114])

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values.astype(np.float64), 8 * radius + 1, mode="nearest")

    slope = (mean(guide * dark) - mean(guide) * mean(dark)) / (mean(guide**2) - mean(guide) ** 2 + 1e-3)
    smooth = mean(slope) * guide + mean(mean(dark) - slope * mean(guide))
    through = np.maximum(1 - 0.9 * smooth, 0.1)[..., None]
    expected = ((hazy - haze) / through + haze).clip(0, 1)
    result = run(f"adjust:dehaze 0.9 radius={radius}", hazy)
    assert np.abs(result - expected).mean() < 2e-3
    assert result.std() > 1.4 * hazy.std()


def test_histograms_are_matched_as_by_scikit_image(photo: np.ndarray, tmp_path: Path) -> None:
    from skimage import data, exposure

    other = data.coffee()[::4, ::4]
    expected = exposure.match_histograms(photo, other, channel_axis=-1)
    PIL.Image.fromarray(other).save(tmp_path / "other.png")
    result = run(f"adjust:match-histogram '{tmp_path / 'other.png'}'", photo)
    assert np.abs(result.astype(int) - expected).max() <= 8  # where few pixels are: ours goes by 1025 quantiles
    assert np.abs(result.astype(int) - expected).mean() < 0.7
    same = run("adjust:gamma 2 as g; crop 50 40 as part; @g | adjust:match-histogram @in", photo)
    assert np.abs(same.astype(int) - photo).mean() < 1.5
    smaller = run("crop 50 40 as part; adjust:match-histogram @part", photo)
    assert smaller.shape == photo.shape
    with pytest.raises(imgtk.ImgtkError, match="needs one other image"):
        run("adjust:match-histogram", photo)


def test_what_may_add_colour_says_so(photo: np.ndarray) -> None:
    gray = photo[..., 0]
    assert run("adjust:white-balance", gray).ndim == 2
    assert run("adjust:white-balance temperature=3000", gray).ndim == 3
    assert run("adjust:curves 0:0,1:1", gray).ndim == 2
    assert run("adjust:curves 0:0,1:0.5 red", gray).ndim == 3
