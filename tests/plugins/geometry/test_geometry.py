"""Geometry: against Pillow, NumPy and OpenCV, with alpha, at any depth, in tiles and whole."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps
from skimage import data

import imgtk
from imgtk.geometry import GRAVITIES, Size
from imgtk.testing import check_op
from imgtk_geometry import imgtk_operators

T = PIL.Image.Transpose
TILED = [(61, 47), (32, 33)]
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("crop", {"width": 20, "height": 30}, TILED),
    ("crop", {"width": 1, "height": 1}, None),
    ("crop", {"width": 20, "height": 30, "gravity": "smart"}, TILED),
    ("crop", {"box": "3,4,25,30"}, TILED),
    ("trim", {"fuzz": 0.2}, TILED),
    ("pad", {"width": 90, "height": 80, "colour": "transparent"}, None),
    ("pad", {"width": 90, "height": 80, "colour": "red", "gravity": "south-east"}, None),
    ("border", {"margin": 7}, None),
    ("extend", {"margin": 70}, None),
    ("extend", {"margin": 70, "mode": "repeat"}, None),
    ("extend", {"margin": 9, "mode": "edge"}, None),
    ("flip", {"direction": "h"}, None),
    ("flip", {"direction": "both"}, None),
    ("transpose", {}, None),
    ("rotate", {"degrees": 90}, None),
    ("rotate", {"degrees": 17, "colour": "white"}, None),
    ("rotate", {"degrees": -100, "expand": False, "colour": "transparent"}, None),
    ("straighten", {"degrees": 5}, None),
    ("perspective", {"corners": "3,2,28,4,30,30,1,28"}, TILED),
    ("fit", {"width": 50, "height": 20}, None),
    ("fit", {"width": 50, "height": 20, "mode": "contain", "colour": "transparent"}, None),
    ("fit", {"width": 5, "height": 70, "mode": "inside"}, None),
    ("fit", {"width": 20, "height": 9, "gravity": "smart"}, None),
    ("montage", {"columns": 3, "gap": 2}, None),
    ("montage", {"colour": "transparent"}, [(20, 15), (1, 1)]),
    ("tile-grid", {"columns": 2, "gap": 3, "width": 9, "height": 14}, [(32, 33), (1, 19)]),
    ("tile-grid", {}, [(20, 15), (1, 1)]),
]


@pytest.fixture
def photo() -> np.ndarray:
    """(75, 100, 3), uint8."""
    return np.ascontiguousarray(data.chelsea()[50:125, 100:200])


@pytest.fixture
def faded(photo: np.ndarray) -> np.ndarray:
    """The same with alpha, from transparent to opaque."""
    return np.dstack([photo, np.linspace(0, 255, photo.shape[1]).astype(np.uint8)[None].repeat(photo.shape[0], 0)])


def run(text: str, pixels: Any, **options: Any) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text, **options)(pixels).numpy())


@pytest.mark.parametrize(("name", "params", "sizes"), CASES)
def test_contract(name: str, params: dict[str, Any], sizes: Any) -> None:
    check_op(name, **params, **({"sizes": sizes} if sizes else {}), tolerance=3e-5)


def test_all_are_tested() -> None:
    assert {spec.name for spec in imgtk_operators()} == {name for name, *_ in CASES}


@pytest.mark.parametrize("tile", ["off", 16])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crop 30 20 x=5 y=7", lambda im: im.crop((5, 7, 35, 27))),
        ("crop box=5,7,35,27", lambda im: im.crop((5, 7, 35, 27))),
        ("crop 31 21", lambda im: im.crop((34, 27, 65, 48))),
        ("crop 30 20 gravity=south-west", lambda im: im.crop((0, 55, 30, 75))),
        ("crop 30 20 y=1 gravity=east", lambda im: im.crop((70, 1, 100, 21))),
        ("flip h", lambda im: im.transpose(T.FLIP_LEFT_RIGHT)),
        ("flip v", lambda im: im.transpose(T.FLIP_TOP_BOTTOM)),
        ("flip both", lambda im: im.transpose(T.ROTATE_180)),
        ("transpose", lambda im: im.transpose(T.TRANSPOSE)),
        ("rotate 0", lambda im: im),
        ("rotate 90", lambda im: im.transpose(T.ROTATE_90)),
        ("rotate 180", lambda im: im.transpose(T.ROTATE_180)),
        ("rotate -90", lambda im: im.transpose(T.ROTATE_270)),
        ("rotate 450 | rotate 270", lambda im: im),
    ],
)
@pytest.mark.parametrize("kind", ["photo", "faded"])
def test_moves_are_those_of_pillow(
    text: str, expected: Any, tile: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    pixels = request.getfixturevalue(kind)
    result = run(text, pixels, tile=tile)
    assert np.array_equal(result, np.asarray(expected(PIL.Image.fromarray(pixels))))
    deep = pixels.astype(np.uint16) * 257
    assert np.array_equal(run(text, deep, tile=tile), result.astype(np.uint16) * 257)
    gray = np.ascontiguousarray(pixels[..., 0])
    assert np.array_equal(run(text, gray), np.asarray(expected(PIL.Image.fromarray(gray))))


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_padding_is_what_is_left_when_it_is_cropped_again(photo: np.ndarray, gravity: str) -> None:
    padded = run(f"pad 131 120 colour=#102030 gravity={gravity}", photo)
    assert padded.shape == (120, 131, 3)
    assert np.array_equal(run(f"crop 100 75 gravity={gravity}", padded), photo)
    assert (padded == [16, 32, 48]).all(2).sum() >= 131 * 120 - 7500


def test_transparent_padding_has_alpha_and_gray_stays_gray(photo: np.ndarray, faded: np.ndarray) -> None:
    padded = run("pad 110 85 colour=transparent", photo)
    assert padded.shape == (85, 110, 4)
    assert padded[..., 3].sum() == 255 * 7500
    assert np.array_equal(run("pad 110 85 colour=transparent | crop 100 75", faded), faded)
    gray = photo[..., 0]
    assert run("border 3 colour=white", gray).shape == (81, 106)
    assert run("border 3 colour=red", gray).shape == (81, 106, 3)
    assert np.array_equal(
        run("border 3 colour=red", photo), np.asarray(ImageOps.expand(PIL.Image.fromarray(photo), 3, "red"))
    )


@pytest.mark.parametrize(("mode", "numpys"), [("reflect", "reflect"), ("repeat", "wrap"), ("edge", "edge")])
@pytest.mark.parametrize("margin", [1, 40, 260])
def test_extensions_are_those_of_numpy(photo: np.ndarray, mode: str, numpys: Any, margin: int) -> None:
    expected = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), numpys)
    assert np.array_equal(run(f"extend {margin} {mode}", photo), expected)
    assert np.array_equal(run(f"extend {margin} {mode}", photo, tile=32), expected)
    assert run(f"extend {margin} {mode}", photo[:1, :1]).std((0, 1)).max() == 0


@pytest.mark.parametrize("degrees", [10, -37.5, 200])
def test_rotations_are_about_those_of_pillow(photo: np.ndarray, degrees: float) -> None:
    image = PIL.Image.fromarray(cv2.GaussianBlur(photo, (0, 0), 2))
    expected = np.asarray(image.rotate(degrees, PIL.Image.Resampling.BICUBIC, expand=False))
    result = run(f"rotate {degrees} expand=no", np.asarray(image))
    inside = cv2.erode((expected.max(2) > 0).astype(np.uint8), np.ones((5, 5))) > 0  # edges: ours fade, Pillow's do not
    inside[:3], inside[-3:], inside[:, :3], inside[:, -3:] = False, False, False, False
    assert inside.mean() > 0.3
    assert np.abs(result.astype(int) - expected)[inside].max() <= 3
    whole = run(f"rotate {degrees}", np.asarray(image))
    larger = image.rotate(degrees, expand=True).size
    assert np.abs(np.array(whole.shape[1::-1]) - larger).max() <= 1


def test_what_is_transparent_has_no_say_in_colours() -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[..., 1], pixels[:, 20:] = 255, (200, 100, 50, 255)  # a hidden green beside a brown
    for text in ("rotate 30 colour=transparent", "fit 60 60", "fit 17 30 cover", "overlay ( fit 55 55 )"):
        result = run(text, pixels)
        seen = result[result[..., 3] > 5]
        assert np.abs(seen[:, :3].astype(int) - (200, 100, 50)).max() <= 2, text
    assert run("straighten 3", pixels)[..., 3].mean() == pytest.approx(128, abs=8)


def test_straightened_images_have_no_empty_corners(photo: np.ndarray) -> None:
    white = np.full_like(photo, 255)
    for degrees in (-45, -20, -3, 0.5, 7, 45):
        for pixels in (white, white.transpose(1, 0, 2)):
            assert run(f"straighten {degrees}", pixels).min() >= 250, degrees
    assert run("straighten 0", photo).shape == photo.shape
    assert run("straighten 2", photo).size > 0.8 * photo.size


def test_perspective_is_that_of_opencv(photo: np.ndarray) -> None:
    corners = np.array([[10, 5], [90, 15], [95, 70], [3, 66]], np.float32)
    text = ",".join(f"{value:g}" for value in corners.ravel())
    result = run(f"perspective {text}", photo)
    height, width = result.shape[:2]
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(corners - 0.5, target)
    expected = cv2.warpPerspective(photo, matrix, (width, height), flags=cv2.INTER_CUBIC)
    assert np.abs(result.astype(int) - expected)[2:-2, 2:-2].max() <= 2
    assert (width, height) == (86, 58)


@pytest.mark.parametrize("size", [(40, 90), (200, 50), (100, 75), (1, 1)])
def test_fit_is_what_pillow_fits(photo: np.ndarray, size: tuple[int, int]) -> None:
    smooth = cv2.GaussianBlur(photo, (0, 0), 2)
    image, resampling = PIL.Image.fromarray(smooth), PIL.Image.Resampling.BICUBIC
    covered, contained = run(f"fit {size[0]} {size[1]}", smooth), run(f"fit {size[0]} {size[1]} contain", smooth)
    for result, expected in (
        (covered, ImageOps.fit(image, size, resampling)),
        (contained, ImageOps.pad(image, size, resampling)),
    ):
        assert result.shape == np.asarray(expected).shape
        assert np.abs(result.astype(int) - expected).mean() <= 3
    inside = run(f"fit {size[0]} {size[1]} inside", smooth)
    assert tuple(inside.shape[1::-1]) == tuple(np.maximum(1, ImageOps.contain(image, size).size))


def test_fit_keeps_what_gravity_says(photo: np.ndarray) -> None:
    assert np.array_equal(run("fit 50 75 gravity=west", photo), photo[:, :50])
    assert np.array_equal(run("fit 50 75 gravity=east", photo), photo[:, 50:])
    assert np.array_equal(run("fit 100 99 contain gravity=north", photo)[:75], photo)


def test_montage_lays_images_of_different_sizes_on_a_grid(photo: np.ndarray) -> None:
    text = "crop 40 30 as a; crop 20 50 as b; crop 10 10 as c; @a | montage @b @c columns=2 gap=4 colour=#0000ff"
    result = run(text, photo)
    assert result.shape == (2 * 50 + 4, 2 * 40 + 4, 3)
    assert np.array_equal(result[10:40, :40], run("crop 40 30", photo))
    assert np.array_equal(result[:50, 54:74], run("crop 20 50", photo))
    assert np.array_equal(result[74:84, 15:25], run("crop 10 10", photo))
    assert (result[60:, 50:] == [0, 0, 255]).all()
    assert np.array_equal(run(text, photo, tile=16), result)


def test_tile_grids_have_equal_cells(photo: np.ndarray) -> None:
    text = "crop 40 30 as a; crop 20 50 as b; crop 10 10 as c; @a | tile-grid @b @c columns=2 gap=4 colour=#0000ff"
    result = run(text, photo)
    assert result.shape == (2 * 30 + 4, 2 * 40 + 4, 3)
    assert np.array_equal(result[:30, :40], run("crop 40 30", photo))
    assert np.array_equal(result[:30, 44:], run("crop 20 50 | fit 40 30", photo))
    assert np.array_equal(result[34:, :40], run("crop 10 10 | fit 40 30", photo))
    assert (result[34:, 44:] == [0, 0, 255]).all()
    assert np.array_equal(run(text, photo, tile=16), result)
    assert run(f"{text} width=7 height=90", photo).shape == (184, 18, 3)


def test_planned_sizes_are_those_of_results(photo: np.ndarray) -> None:
    for text in ("rotate 33", "fit 31 200 inside", "straighten 9", "extend 5 | rotate 90 | crop 20 90", "montage @in"):
        pipeline = imgtk.Pipeline(text)
        result = pipeline(photo)
        assert pipeline.output_size(Size(100, 75)) == result.size, text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("crop", "needs a width and a height"),
        ("crop 10", "needs a width and a height"),
        ("crop 10 10 box=1,1,2,2", "needs a width and a height, or box="),
        ("crop box=5,5,5,9", "no region"),
        ("crop box=1,2,3", "no region"),
        ("crop 101 10", "reach beyond the image of 100x75"),
        ("crop 10 10 x=95", "10x10 pixels at 95"),
        ("crop 0 10", "from 1"),
        ("crop 10 10 gravity=up", "gravity"),
        ("pad 99 100", "100x75 is larger than 99x100"),
        ("pad 200 200 colour=nonsense", "a colour"),
        ("flip x", "h, v, both"),
        ("rotate nan", "degrees"),
        ("straighten 60", "from -45 to 45"),
        ("perspective 1,2,3", "no quadrilateral"),
        ("perspective 0,0,10,0,0,10,10,10", "no quadrilateral"),
        ("perspective 0,0,0,10,10,10,10,0", "no quadrilateral"),
        ("perspective 200,0,250,0,250,20,200,20", "outside the image of 100x75"),
        ("fit 10", "height"),
        ("fit 10 10 squash", "squash"),
    ],
)
def test_nonsense_is_an_error(photo: np.ndarray, text: str, told: str) -> None:
    with pytest.raises(imgtk.ImgtkError, match=told):
        imgtk.Pipeline(text)(photo)
