"""What looks at an image before it cuts it: trim, and the smart gravity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skimage import data

import imgtk

RED = (200, 40, 30)


@pytest.fixture
def photo() -> np.ndarray:
    """(75, 100, 3), uint8; no pixel at its edges has the colour of the border."""
    return np.ascontiguousarray(data.chelsea()[50:125, 100:200])


def run(text: str, pixels: Any, **options: Any) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text, device="cpu", **options)(pixels).numpy())


def framed(pixels: np.ndarray, colour: Any = RED) -> np.ndarray:
    """The image with 7, 1, 13 and 0 pixels of a colour on the left, top, right and at the bottom."""
    canvas = np.empty((pixels.shape[0] + 1, pixels.shape[1] + 20, *pixels.shape[2:]), pixels.dtype)
    canvas[:] = colour
    canvas[1:, 7:-13] = pixels
    return canvas


@pytest.mark.parametrize("tile", ["off", 16])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "gray"])
def test_a_border_is_trimmed(photo: np.ndarray, kind: str, tile: Any) -> None:
    pixels: np.ndarray = photo[..., 0] if kind == "gray" else (photo / 255).astype(kind) if kind == "float32" else photo
    if kind == "uint16":
        pixels = photo.astype(np.uint16) * 257 + 1
    assert np.array_equal(run("trim", framed(pixels, pixels.max() // 2), tile=tile), pixels)


def test_one_pixel_may_be_left(photo: np.ndarray) -> None:
    lonely = np.full((9, 12, 3), 255, np.uint8)
    lonely[8, 11] = RED
    assert np.array_equal(run("trim", lonely), [[RED]])
    assert np.array_equal(run("trim", photo), photo)


def test_fuzz_is_the_largest_difference(photo: np.ndarray) -> None:
    noisy = framed(photo)
    noisy[0] = np.clip(noisy[0].astype(int) + np.random.default_rng(0).integers(-5, 6, noisy[0].shape), 0, 255)
    noisy[0, 0] = RED
    assert run("trim", noisy).shape[0] == 76
    assert np.array_equal(run(f"trim fuzz={5 / 255:.6f}", noisy), photo)


def test_what_is_transparent_is_border_whatever_its_colour(photo: np.ndarray) -> None:
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    hidden = framed(opaque, (0, 0, 0, 0))
    hidden[0, ::2, :3] = 255
    assert np.array_equal(run("trim", hidden), opaque)
    black = framed(np.zeros_like(opaque) + np.uint8([0, 0, 0, 255]), (0, 0, 0, 0))
    assert run("trim", black).shape == (75, 100, 4)


def test_nothing_left_is_an_error() -> None:
    for pixels in (np.zeros((5, 5, 3), np.uint8), np.full((1, 1), 9, np.uint8)):
        with pytest.raises(imgtk.ImgtkError, match="all of the image has the colour of its border"):
            run("trim", pixels)


def test_what_follows_is_planned_for_what_is_left(photo: np.ndarray) -> None:
    plain = run("adjust:blur 2 | rotate 90 | fit 60 60 contain", photo)
    assert np.array_equal(run("trim | adjust:blur 2 | rotate 90 | fit 60 60 contain", framed(photo)), plain)
    assert np.array_equal(run("flip h | trim | trim | flip h", framed(photo)), photo)


@pytest.mark.parametrize("place", [(0, 0), (90, 20), (150, 60)])
def test_smart_crops_find_what_there_is_to_see(place: tuple[int, int]) -> None:
    scene = np.full((100, 200, 3), 120, np.uint8)
    left, top = place
    scene[top : top + 40, left : left + 50] = np.random.default_rng(0).integers(0, 255, (40, 50, 3))
    for text in ("crop 60 50 gravity=smart", "fit 60 50 gravity=smart"):
        part = run(text, scene)
        assert part.shape == (50, 60, 3)
        assert np.array_equal(run(text, scene, tile=24), part)
    part = run("crop 60 50 gravity=smart", scene)
    assert (part != 120).any(2).sum() > 0.9 * 40 * 50
    across = run("fit 100 100 gravity=smart", scene)
    assert (across != 120).any(2).sum() > 0.9 * 40 * 50


def test_smart_is_the_middle_where_there_is_nothing_to_see() -> None:
    plain = np.arange(200, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2) // 200
    assert np.array_equal(run("crop 20 20 gravity=smart", plain), run("crop 20 20", plain))
    for mode in ("cover", "contain", "inside"):
        assert np.array_equal(run(f"fit 20 20 {mode} gravity=smart", plain), run(f"fit 20 20 {mode}", plain))


def test_an_edge_that_is_given_wins(photo: np.ndarray) -> None:
    assert np.array_equal(run("crop 20 20 x=3 y=4 gravity=smart", photo), photo[4:24, 3:23])
