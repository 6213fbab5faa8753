"""Composition: against Pillow, with alpha, different sizes, in tiles and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageChops
from skimage import data

import imgtk
from imgtk.nn.blend import BLENDS
from imgtk.testing import check_op
from imgtk_compose import MODES, imgtk_operators

CASES: list[tuple[str, dict[str, Any]]] = [
    ("overlay", {"gravity": "north", "scale": 0.5}),
    ("overlay", {"x": -5, "y": 20, "opacity": 0.5, "mode": "multiply"}),
    ("watermark", {}),
    ("text", {"text": "Hi"}),
    ("mask", {"invert": True}),
    ("alpha:remove", {}),
    ("alpha:set", {"opacity": 0.5}),
    ("alpha:from-luma", {}),
    ("background", {"colour": "red"}),
    ("generate:noise", {"size": "33x44"}),
    ("generate:noise", {"size": "33x44", "colour": True, "grain": 1.5}),
    ("generate:colour", {"size": "9x4", "colour": "red"}),
    ("generate:gradient", {"size": "50x40", "direction": "out"}),
]


@pytest.fixture
def photo() -> np.ndarray:
    """(75, 100, 3), uint8."""
    return np.ascontiguousarray(data.chelsea()[50:125, 100:200])


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    """30 x 20 pixels, red, in the middle half transparent, at the border wholly."""
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[..., 0], pixels[5:15, 5:25, 3] = 255, 128
    PIL.Image.fromarray(pixels).save(tmp_path / "logo.png")
    return tmp_path / "logo.png"


def run(text: str, pixels: Any = None, **options: Any) -> np.ndarray:
    return np.asarray(imgtk.Pipeline(text, **options)(pixels).numpy())


def close(actual: np.ndarray, expected: Any, levels: float = 1) -> None:
    assert actual.shape == np.asarray(expected).shape
    assert np.abs(actual.astype(int) - np.asarray(expected).astype(int)).max() <= levels


@pytest.mark.parametrize(("name", "params"), CASES)
def test_contract(name: str, params: dict[str, Any]) -> None:
    check_op(name, **params)
    assert {spec.name for spec in imgtk_operators()} == {name for name, _ in CASES}
    assert tuple(BLENDS) == MODES


@pytest.mark.parametrize("place", [(10, 20), (-12, -7), (85, 70), (300, 300)])
@pytest.mark.parametrize("alpha", [False, True])
def test_overlays_are_those_of_pillow(photo: np.ndarray, logo: Path, place: tuple[int, int], alpha: bool) -> None:
    base = PIL.Image.fromarray(photo).convert("RGBA")
    if alpha:
        base.putalpha(PIL.Image.fromarray(np.linspace(0, 255, 100).astype(np.uint8)[None].repeat(75, 0)))
    layer = PIL.Image.new("RGBA", base.size)
    layer.paste(PIL.Image.open(logo), place)
    expected = PIL.Image.alpha_composite(base, layer)
    text = f"overlay '{logo}' x={place[0]} y={place[1]}"
    result = run(text, np.asarray(base if alpha else base.convert("RGB")))
    if alpha:
        opaque = np.asarray(expected)[..., 3] > 20  # Pillow rounds colours that are hardly seen
        close(result[..., 3], np.asarray(expected)[..., 3])
        close(result[opaque], np.asarray(expected)[opaque], 4)
    else:
        close(result, expected.convert("RGB"))
    assert np.array_equal(run(text, np.asarray(base if alpha else base.convert("RGB")), tile=16), result)


@pytest.mark.parametrize("mode", ["multiply", "screen", "darken", "lighten", "difference"])
def test_modes_are_those_of_pillow(photo: np.ndarray, mode: str) -> None:
    image = PIL.Image.fromarray(photo)
    other = image.transpose(PIL.Image.Transpose.ROTATE_180)
    names = {"darken": "darker", "lighten": "lighter"}
    expected = getattr(ImageChops, names.get(mode, mode))(image, other)
    close(run(f"rotate 180 as other; overlay @other mode={mode}", photo), expected)


def test_layers_of_the_pipeline_gravity_margin_and_scale(photo: np.ndarray) -> None:
    result = run("crop 20 10 as a | adjust:invert as b; overlay @b gravity=south-east margin=3", photo)
    expected = photo.copy()
    expected[62:72, 77:97] = 255 - run("crop 20 10", photo)
    assert np.array_equal(result, expected)
    doubled = run("crop 20 10 as a; overlay @a gravity=north-west scale=2", photo)
    assert np.array_equal(doubled[20:], photo[20:])
    assert np.array_equal(doubled[:20, :40], run("crop 20 10 | resize:bicubic x2", photo))


def test_a_watermark_is_an_overlay_by_the_image_s_width(photo: np.ndarray, logo: Path) -> None:
    marked = run(f"watermark '{logo}'", photo)
    changed = np.argwhere((marked != photo).any(2))
    assert changed.min(0).tolist() >= [50, 70]
    assert changed.max(0).tolist() <= [65, 90]  # 20 of 100 pixels wide, 10 from the corner
    assert np.array_equal(
        run(f"overlay '{logo}' gravity=south-east margin=10 opacity=0.4 scale={2 / 3}", photo), marked
    )


def test_text_is_drawn_by_pillow() -> None:
    black = np.zeros((60, 200, 3), np.uint8)
    result = run("text 'Hello, World' size=20 colour=#ff8000 gravity=north-west margin=0", black)
    font = __import__("PIL.ImageFont", fromlist=["x"]).load_default(20)
    expected = PIL.Image.new("RGB", (200, 60))
    draw = __import__("PIL.ImageDraw", fromlist=["x"]).Draw(expected)
    left, top, *_ = draw.textbbox((0, 0), "Hello, World", font)
    draw.text((-np.floor(left), -np.floor(top)), "Hello, World", "#ff8000", font)
    close(result, expected)
    two = run("text 'one\\ntwo' size=20 gravity=south-east", black)
    assert np.argwhere(two.max(2)).min(0)[0] < 30  # two lines above the margin
    assert not two[-9:].any()
    assert run("text x colour=red", black[..., 0]).ndim == 3
    assert run("text x", black[..., 0]).ndim == 2
    outlined = run("text X size=40 colour=white outline=red gravity=center", black)
    assert (outlined == [255, 0, 0]).all(2).any()
    assert (outlined == [255, 255, 255]).all(2).any()


def test_masks_and_backgrounds_are_those_of_pillow(photo: np.ndarray, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 100).astype(np.uint8)[None].repeat(75, 0)
    PIL.Image.fromarray(ramp).save(tmp_path / "ramp.png")
    masked = run(f"mask '{tmp_path / 'ramp.png'}'", photo)
    assert np.array_equal(masked, np.dstack([photo, ramp]))
    assert np.array_equal(run(f"mask '{tmp_path / 'ramp.png'}' invert", photo)[..., 3], 255 - ramp)
    expected = PIL.Image.new("RGBA", (100, 75), "#204080")
    expected.alpha_composite(PIL.Image.fromarray(masked))
    close(run("background #204080", masked), expected.convert("RGB"))
    assert np.array_equal(run("background red", photo), photo)
    assert np.array_equal(run("generate:colour 3x4 white as m; @in | mask @m", photo)[..., 3], np.full((75, 100), 255))


def test_alpha_operators(photo: np.ndarray) -> None:
    faded = np.dstack([photo, photo[..., 0]])
    assert np.array_equal(run("alpha:remove", faded), photo)
    assert np.array_equal(run("alpha:remove", photo), photo)
    assert (run("alpha:set 0.2", faded)[..., 3] == 51).all()
    gray = photo[..., 0]
    assert np.array_equal(run("alpha:from-luma", gray), np.dstack([gray, gray]))
    assert np.array_equal(run("alpha:from-luma invert | alpha:remove", gray), gray)
    deep = gray.astype(np.uint16) * 257
    assert np.array_equal(run("alpha:from-luma invert", deep)[..., 1], 65535 - deep)


def test_images_of_nothing() -> None:
    red = run("generate:colour 7x5 #ff0000")
    assert red.shape == (5, 7, 3)
    assert (red == [255, 0, 0]).all()
    assert run("generate:colour 7x5 gray").ndim == 2
    ramp = run("generate:gradient 256x2 right black white")
    assert ramp.shape == (2, 256)
    assert np.array_equal(ramp[0], np.floor((np.arange(256) + 0.5) / 256 * 255 + 0.5))
    out = run("generate:gradient 101x51 out red blue")
    assert out[25, 50].tolist() == [254, 0, 1] or out[25, 50, 0] > 250
    assert out[0, 0, 2] > 250
    assert (run("generate:gradient 8x4 down red blue")[0, :, 0] > 200).all()
    noise = run("generate:noise 300x200 seed=1")
    assert noise.shape == (200, 300)
    assert noise.std() == pytest.approx(51, rel=0.05)
    assert np.array_equal(noise, run("generate:noise 300x200", seed=1))
    assert np.array_equal(noise, run("generate:noise 300x200 seed=1", tile=64))
    assert not np.array_equal(noise, run("generate:noise 300x200 seed=2"))
    assert run("generate:noise 30x20 colour").std(2).mean() > 10
    chain = run("generate:noise 64x48 | adjust:blur 1 | crop 20 10 as a; generate:colour 50x40 navy | overlay @a")
    assert chain.shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("overlay", "needs one image"),
        ("overlay none.png", "none.png"),
        ("overlay @in logo.png", "logo.png"),
        ("overlay @in mode=burn", "burn"),
        ("overlay @in scale=0", "0.001"),
        ("mask", "needs one mask"),
        ("text ''", "nothing to draw"),
        ("text x font=none.ttf", "none.ttf cannot be read"),
        ("text x size=0", "from 1 to 4096"),
        (f"text '{'x' * 4000}' size=4000", "choose a smaller size"),
        ("background", "colour"),
        ("alpha:set 2", "from 0 to 1"),
        ("generate:noise 0x5", "width and a height"),
        ("generate:noise 99999999x5", "width and a height"),
        ("generate:colour 5x5 nonsense", "nonsense"),
        ("adjust:invert | generate:noise 5x5", "takes no image"),
    ],
)
def test_nonsense_is_an_error(photo: np.ndarray, text: str, told: str) -> None:
    with pytest.raises(imgtk.ImgtkError, match=told):
        imgtk.Pipeline(text)(photo)


def test_a_file_that_is_no_font(photo: np.ndarray, logo: Path) -> None:
    with pytest.raises(imgtk.ImgtkError, match="cannot be read"):
        imgtk.Pipeline(f"text x font='{logo}'")(photo)


def test_without_input_the_size_must_be_said() -> None:
    with pytest.raises(imgtk.ImgtkError, match="512x512"):
        imgtk.Pipeline("generate:noise")()
