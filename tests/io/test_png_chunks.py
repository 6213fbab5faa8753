"""What PNG files carry is read whatever its size, and means afterwards what it meant before."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from PIL import PngImagePlugin
from samples import chunk, png, profile, sample_image

from imgtk.image import Image
from imgtk.io import WriteOptions, png_chunks, read, write

ADOBE_RGB = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def with_chunks(path, *extra: bytes, depth: int = 8) -> Image:
    pixels = sample_image("rgb", f"uint{depth}").pixels
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    path.write_bytes(png(rows, 13, 7, depth, 2, b"".join(extra)))
    image = read(path)
    assert np.array_equal(image.pixels, pixels)
    return image


def chrm(numbers: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers)))


@pytest.mark.parametrize("depth", [8, 16])
def test_large_texts_and_profiles(tmp_path, depth):
    text = b"a node" * 500_000
    image = with_chunks(
        tmp_path / "a.png",
        chunk(b"iCCP", b"p\0\0" + zlib.compress(profile() + bytes(3_000_000))),
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(text)),
        chunk(b"iTXt", b"prompt\0\1\0en\0Prompt\0" + zlib.compress(text)),
        depth=depth,
    )
    for _ in range(2):
        assert image.metadata.text == {"workflow": text.decode(), "prompt": text.decode()}
        assert len(image.metadata.icc) > 3_000_000
        image = read(write(image, tmp_path / "b.png", WriteOptions(overwrite=True)))


def test_absurd_sizes_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(png_chunks, "MAX_BYTES", 1 << 20)
    image = with_chunks(tmp_path / "a.png", chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes((1 << 20) + 1))))
    assert image.metadata.text == {}
    assert "more than 1 MB is left out" in image.metadata.warnings[0]


def test_repeated_keywords(tmp_path):
    texts = [chunk(b"tEXt", b"Comment\0one"), chunk(b"tEXt", b"Comment\0two"), chunk(b"tEXt", b"Title\0t")]
    assert with_chunks(tmp_path / "a.png", *texts).metadata.text == {"Comment": "one\ntwo", "Title": "t"}


def as_srgb(image: Image) -> np.ndarray:
    srgb = imagecodecs.cms_profile("srgb")
    return imagecodecs.cms_transform(
        image.pixels,
        image.metadata.icc or srgb,
        srgb,
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype="uint8",
        intent=1,
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_linear_light(tmp_path, suffix):
    image = with_chunks(tmp_path / "a.png", chunk(b"gAMA", struct.pack(">I", 100_000)))
    linear = image.pixels / 255.0
    wanted = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(as_srgb(image) - wanted).max() <= 1.5
    assert read(write(image, tmp_path / f"b{suffix}")).metadata.icc == image.metadata.icc


def test_primaries(tmp_path):
    image = with_chunks(tmp_path / "a.png", chunk(b"gAMA", struct.pack(">I", 45_455)), chrm(ADOBE_RGB))
    own = Image(np.array([[[0, 255, 0], [128, 128, 128]]], np.uint8), metadata=image.metadata)
    assert np.abs(as_srgb(own)[0].astype(int) - [[0, 255, 0], [128, 128, 128]]).max() <= 2


@pytest.mark.parametrize(
    "extra",
    [
        [chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000))],
        [chunk(b"gAMA", struct.pack(">I", 45_455))],
        [chunk(b"cICP", bytes([1, 13, 0, 1]))],
    ],
)
def test_srgb_is_no_profile(tmp_path, extra):
    assert with_chunks(tmp_path / "a.png", *extra).metadata.icc is None


@pytest.mark.parametrize("points", [(9, 16, 0, 1), (12, 13, 0, 1), (9, 18, 0, 1), (1, 8, 0, 1)])
def test_code_points(tmp_path, points):
    image = with_chunks(tmp_path / "a.png", chunk(b"cICP", bytes(points)))
    assert (image.metadata.icc is None) == (points[1] in (16, 18))
    assert read(write(image, tmp_path / "b.png")).metadata.cicp == points
    assert read(write(image, tmp_path / "b.tif")).metadata.icc == image.metadata.icc


def test_the_shape_of_pixels(tmp_path):
    image = with_chunks(tmp_path / "a.png", chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0)))
    assert image.metadata.warnings == ("the shape of pixels, 2:1, is left out",)
    assert with_chunks(tmp_path / "a.png", chunk(b"pHYs", struct.pack(">IIB", 1, 1, 0))).metadata.warnings == ()


def test_other_writers(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "t")
    info.add_itxt("XML:com.adobe.xmp", "<x/>", zip=True)
    PIL.Image.new("RGB", (3, 2)).save(tmp_path / "a.png", pnginfo=info, dpi=(300, 300), icc_profile=profile())
    metadata = read(tmp_path / "a.png").metadata
    assert (metadata.text, metadata.xmp, metadata.icc) == ({"Title": "t"}, b"<x/>", profile())
    assert metadata.dpi == pytest.approx((300, 300), abs=0.02)
