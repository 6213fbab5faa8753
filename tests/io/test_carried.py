"""Metadata goes where the image goes, and tells the truth there."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import PngImagePlugin
from samples import KINDS, XMP, exif, metadata, profile, sample_image

from imgtk.batch import run
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions, read, write
from imgtk.io import exif as exif_block
from imgtk.io.carried import fitting
from imgtk.io.formats import format_of
from imgtk.pipeline import Pipeline


def camera(block: bytes | None) -> tuple[object, ...]:
    """What the test's EXIF block says of camera, time and place."""
    assert block
    parsed = exif_block.parse(block)
    nested, place = parsed.get_ifd(0x8769), parsed.get_ifd(0x8825)
    return parsed[271], parsed[272], parsed[306], nested[0x9003], nested[0x927C], place[1], tuple(map(float, place[2]))


def dimensions(block: bytes | None) -> tuple[int, int]:
    nested = exif_block.parse(block or b"").get_ifd(0x8769)
    return nested[0xA002], nested[0xA003]


HOLDS = [
    *((".jpg", kind, "uint8") for kind in ("gray", "rgb")),
    *((".webp", kind, "uint8") for kind in KINDS),
    *((suffix, kind, dtype) for suffix in (".png", ".tif") for kind in KINDS for dtype in ("uint8", "uint16")),
]


@pytest.mark.parametrize(("suffix", "kind", "dtype"), HOLDS)
def test_everything_survives(tmp_path, suffix, kind, dtype):
    colours = "GRAY" if kind.startswith("gray") and suffix != ".webp" else "RGB"
    carried = metadata(colours)
    image = sample_image(kind, dtype, (20, 30), metadata=carried)
    back = read(write(image, tmp_path / f"a{suffix}")).metadata
    assert back.icc == carried.icc
    assert back.xmp == XMP
    assert camera(back.exif) == camera(carried.exif)
    assert dimensions(back.exif) == (20, 30)
    if suffix != ".webp":
        assert back.dpi == pytest.approx(carried.dpi, abs=0.02)
    if suffix == ".png":
        assert back.text == carried.text
    if suffix == ".jpg":
        assert back.text == {"Comment": "grün"}


def test_bmp_keeps_the_resolution(tmp_path):
    image = sample_image(metadata=metadata())
    assert read(write(image, tmp_path / "a.bmp")).metadata.dpi == pytest.approx((300, 150), abs=0.02)


def test_metadata_survives_a_chain_of_formats(tmp_path):
    image = sample_image(metadata=metadata(), size=(20, 30))
    for suffix in (".tif", ".png", ".webp", ".jpg", ".tif", ".jpg"):
        image = read(write(image, tmp_path / f"a{suffix}", WriteOptions(overwrite=True)))
    assert camera(image.metadata.exif) == camera(exif())
    assert (image.metadata.icc, image.metadata.xmp) == (profile(), XMP)


def test_other_programs_read_the_metadata_of_png(tmp_path):
    carried = metadata()
    path = write(sample_image("rgba", "uint16", metadata=carried), tmp_path / "a.png")
    with PIL.Image.open(path) as other:
        other.load()
        assert isinstance(other, PngImagePlugin.PngImageFile)
        assert other.info["icc_profile"] == carried.icc
        assert other.getexif()[271] == "Maker"
        assert other.text["Title"] == "猫"
        assert other.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize(("pixels", "colours"), [("gray", "RGB"), ("rgb", "GRAY"), ("rgb", "CMYK")])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_profile_of_other_colours_is_not_written(tmp_path, suffix, pixels, colours):
    image = sample_image(pixels, metadata=Metadata(icc=profile(colours)))
    assert read(write(image, tmp_path / f"a{suffix}")).metadata.icc is None


def test_rubbish_is_no_profile(tmp_path):
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "a.png", icc_profile=b"no profile at all" * 10)
    assert read(tmp_path / "a.png").metadata.icc is None


def test_what_jpeg_cannot_hold_is_announced(tmp_path):
    image = sample_image(metadata=Metadata(xmp=b"<x/>" * 20000, exif=exif()))
    with pytest.warns(UserWarning, match="XMP of 80000 bytes is too large for JPEG"):
        path = write(image, tmp_path / "a.jpg")
    assert camera(read(path).metadata.exif) == camera(exif())


def test_no_resolution_is_invented(tmp_path):
    for suffix in (".jpg", ".png", ".tif", ".bmp", ".webp"):
        assert read(write(sample_image(), tmp_path / f"a{suffix}")).metadata.dpi is None


def with_thumbnail(order: str) -> bytes:
    """An EXIF block with a tag of 7 bytes behind the directories and a thumbnail of 40 bytes at the end."""
    e = order
    head = (b"II*\0" if e == "<" else b"MM\0*") + struct.pack(e + "I", 8)
    main = struct.pack(e + "H", 2) + struct.pack(e + "HHII", 271, 2, 7, 80) + struct.pack(e + "HHIHH", 274, 3, 1, 6, 0)
    main += struct.pack(e + "I", 38)
    second = struct.pack(e + "H", 2) + struct.pack(e + "HHII", 513, 4, 1, 90) + struct.pack(e + "HHII", 514, 4, 1, 40)
    return (
        (head + main + second + bytes(4)).ljust(80, b"\0")
        + b"Makers\0".ljust(10, b"\0")
        + b"\xff\xd8THUMB".ljust(40, b"t")
    )


@pytest.mark.parametrize("order", "<>")
def test_thumbnails_go(tmp_path, order):
    block = with_thumbnail(order)
    PIL.Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    image = read(tmp_path / "a.jpg")
    assert (image.size.width, image.size.height) == (4, 6)
    kept = image.metadata.exif
    assert kept
    assert b"THUMB" not in kept
    assert exif_block.parse(kept)[271] == "Makers"
    assert exif_block.parse(kept)[274] == 1
    assert exif_block.parse(kept).get_ifd(1) == {}


def test_dimensions_grow_beyond_16_bits():
    assert dimensions(exif_block.resized(exif(), Size(70_000, 80_000))) == (70_000, 80_000)


@pytest.mark.parametrize("length", range(0, 120, 3))
def test_broken_exif_does_not_break_the_image(tmp_path, length):
    block = with_thumbnail("<")[:length]
    PIL.Image.new("RGB", (6, 4), "red").save(tmp_path / "a.png", exif=block or b"\0")
    image = read(tmp_path / "a.png")
    assert image.pixels.size == 72
    for suffix in (".jpg", ".tif", ".png", ".webp"):
        assert read(write(image, tmp_path / f"b{suffix}", WriteOptions(overwrite=True))).size.width in (4, 6)


def test_tags_that_describe_the_file_stay_behind(tmp_path):
    """A TIFF's strips and compression are no business of a JPEG made from it."""
    source = PIL.Image.new("RGB", (6, 4))
    source.save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={270: "a description", 315: "an artist"})
    path = write(read(tmp_path / "a.tif"), tmp_path / "a.jpg")
    with PIL.Image.open(path) as other:
        assert dict(other.getexif()) == {270: "a description", 315: "an artist"}


def test_text_with_odd_keywords(tmp_path):
    image = Image(np.zeros((2, 2, 3), np.uint8), metadata=Metadata(text={"": "x", "k" * 100: "y", "n\0ul": "a\0b"}))
    assert read(write(image, tmp_path / "a.png")).metadata.text == {"k" * 79: "y", "nul": "ab"}


def test_comments_of_any_encoding():
    data = io.BytesIO()
    PIL.Image.new("L", (2, 2)).save(data, "JPEG", comment=b"caf\xe9\0")
    with PIL.Image.open(data) as source:
        assert Image.of(source).metadata.text == {"Comment": "café"}


@pytest.mark.parametrize("start", [12, 26, 90])
def test_a_thumbnail_that_overlaps_is_no_thumbnail(start):
    """Its offset, in a damaged block, is where other things lie."""
    block = bytearray(with_thumbnail("<"))
    struct.pack_into("<I", block, 38 + 2 + 8, start)
    block[start : start + 2] = block[start : start + 2] if start < 80 else b"no"
    kept = exif_block.upright(bytes(block))
    assert len(kept) == len(block)
    assert exif_block.parse(kept)[271] == "Makers"
    assert exif_block.parse(kept).get_ifd(1) == {}


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [
        (".jpg", {"a text is left out"}),
        (".png", set()),
        (".webp", {"IPTC is left out", "2 texts are left out", "the resolution is left out"}),
        (".tif", {"2 texts are left out"}),
        (
            ".bmp",
            {
                "IPTC is left out",
                "2 texts are left out",
                "EXIF is left out",
                "XMP is left out",
                "the ICC profile is left out",
            },
        ),
    ],
)
def test_what_is_lost_is_told(suffix, lost):
    kept = fitting(replace(metadata(), iptc=b"\x1c\2\5\0\1a"), Size(2, 3), False, format_of(Path(f"a{suffix}")))
    assert set(kept.warnings) == lost


def test_warnings_of_all_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        for samples in (1, 2):
            image = np.zeros((9, 8, 3 + samples - 1), np.uint8)
            extra = {"extrasamples": ["unspecified"]} if samples > 1 else {}
            file.write(image, photometric="rgb", metadata=None, **extra)
    (row,) = run(Pipeline("upscale:nearest x2", device="cpu"), tmp_path / "in.tif", tmp_path / "out.tif")
    assert row.warnings == ("a further channel is left out",)
