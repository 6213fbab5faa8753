"""Tones, against scikit-image, Pillow, OpenCV and SciPy."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from scipy.interpolate import PchipInterpolator
from skimage import exposure

import imgtk


def run(text: str, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text)(pixels).numpy())


def close(actual: np.ndarray, expected: Any, levels: float = 1) -> None:
    assert actual.dtype == np.asarray(expected).dtype
    assert np.abs(actual.astype(float) - np.asarray(expected).astype(float)).max() <= levels


def test_levels_are_those_of_scikit_image(photo: np.ndarray) -> None:
    expected = exposure.rescale_intensity(photo / 255, in_range=(0.2, 0.8), out_range=(0.1, 0.9))
    close(run("adjust:levels 0.2 0.8 out-black=0.1 out-white=0.9", photo), (expected * 255).round().astype(np.uint8))
    expected = exposure.adjust_gamma(photo, 1 / 1.5)
    close(run("adjust:levels gamma=1.5", photo), expected)


def test_auto_levels_are_those_of_pillow(photo: np.ndarray) -> None:
    image = PIL.Image.fromarray(photo // 2 + 40)
    close(run("adjust:auto-levels 0.01 by-channel", np.asarray(image)), PIL.ImageOps.autocontrast(image, 1), 4)
    stretched = run("adjust:auto-levels 0", np.asarray(image))
    close(stretched, exposure.rescale_intensity(np.asarray(image)))


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_flat_images_are_left_as_they_are(value: int) -> None:
    flat = np.full((5, 6, 3), value, np.uint16)
    for text in ("adjust:auto-levels", "adjust:white-balance", "adjust:white-balance white-patch"):
        assert np.array_equal(run(text, flat), flat), text


def test_curves_are_the_monotone_cubics_of_scipy() -> None:
    points = [(0.1, 0.05), (0.25, 0.4), (0.5, 0.35), (0.9, 1.0)]
    x = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 10, 3)
    text = ",".join(f"{a}:{b}" for a, b in points)
    expected = PchipInterpolator(*np.array(points).T)(x.clip(0.1, 0.9))
    np.testing.assert_allclose(run(f"adjust:curves {text}", x), expected, atol=2e-6)
    np.testing.assert_allclose(run("adjust:curves 0:1,1:0", x), 1 - x, atol=1e-6)


def test_curves_of_one_channel_and_of_luma(photo: np.ndarray) -> None:
    green = run("adjust:curves 0:0,0.5:0.7,1:1 green", photo)
    assert np.array_equal(green[..., [0, 2]], photo[..., [0, 2]])
    assert (green[..., 1] >= photo[..., 1]).all()
    pixels = photo.astype(np.float32) / 255
    moved = run("adjust:curves 0:0.1,1:0.9 luma", pixels) - pixels
    np.testing.assert_allclose(moved[..., 0], moved[..., 2], atol=1e-6)  # chroma stays


def test_a_stop_is_twice_the_light() -> None:
    light = np.linspace(0, 0.5, 60, dtype=np.float32).reshape(4, 5, 3)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
    twice = np.where(2 * light <= 0.0031308, 24.84 * light, 1.055 * (2 * light) ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(run("adjust:exposure 1", coded), twice, atol=1e-2)
    np.testing.assert_allclose(run("adjust:exposure 1 | adjust:exposure -1", coded), coded, atol=1e-5)


def test_invert_keeps_alpha(photo: np.ndarray) -> None:
    assert np.array_equal(run("adjust:invert", photo), 255 - photo)
    alpha = np.dstack([photo, photo[..., 0]])
    assert np.array_equal(run("adjust:invert", alpha), np.dstack([255 - photo, photo[..., 0]]))
    sixteen = photo.astype(np.uint16) * 257
    assert np.array_equal(run("adjust:invert | adjust:invert", sixteen), sixteen)


def test_thresholds_are_those_of_opencv(photo: np.ndarray) -> None:
    gray = np.ascontiguousarray(photo[..., 1])
    _, expected = cv2.threshold(gray, 99, 255, cv2.THRESH_BINARY)
    assert np.array_equal(run(f"adjust:threshold {99.5 / 255}", gray), expected)
    _, expected = cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)
    assert np.array_equal(run("adjust:threshold otsu", gray), expected)
    colour = run("adjust:threshold otsu", photo)
    assert set(np.unique(colour)) == {0, 255}
    assert (colour[..., 0] == colour[..., 2]).all()


def test_posterised_tones_are_those_of_pillow(photo: np.ndarray) -> None:
    expected = np.asarray(PIL.ImageOps.posterize(PIL.Image.fromarray(photo), 2))
    result = run("adjust:posterise 4", photo)
    assert np.array_equal(np.unique(result), [0, 85, 170, 255])
    same = result // 85 == expected // 64  # of 256 values, those of 255 steps lie on one side or the other
    assert np.abs(photo.astype(int) % 64 - 32)[~same].min(initial=32) >= 31


def test_one_image_in_tiles_and_whole_and_at_any_depth(photo: np.ndarray) -> None:
    for text in (
        "adjust:auto-levels",
        "adjust:white-balance",
        "adjust:threshold otsu",
        "adjust:tonemap",
        "adjust:dehaze",
    ):
        whole = imgtk.Pipeline(text)(photo).numpy()
        assert np.array_equal(imgtk.Pipeline(text, tile=32)(photo).numpy(), whole), text
        deep = imgtk.Pipeline(text)(photo.astype(np.uint16) * 257).numpy()
        assert np.abs(deep / 257.0 - whole).max() < 0.51, text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("adjust:levels 0.8 0.2", "not below"),
        ("adjust:curves 0:0", "at least two points"),
        ("adjust:curves 0:0,1:2", "at least two points"),
        ("adjust:curves 0.5:0,0.5:1", "rising"),
        ("adjust:curves nonsense", "points"),
        ("adjust:posterise 1", "from 2 to 256"),
        ("adjust:threshold 2", "threshold"),
        ("adjust:white-balance temperature=100", "1667"),
        ("adjust:clahe 2 0", "0"),
        ("adjust:lut grade.txt", "not a .cube file"),
        ("adjust:lut none.cube", "cannot read none.cube"),
    ],
)
def test_nonsense_is_an_error(text: str, told: str) -> None:
    with pytest.raises(imgtk.ImgtkError, match=told):
        imgtk.Pipeline(text)(np.zeros((4, 4, 3), np.uint8))
