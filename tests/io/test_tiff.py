"""TIFF as programs write it: every layout gives the same image, in memory and by pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from samples import profile, same, sample_image

from imgtk.errors import ReadError
from imgtk.geometry import Box
from imgtk.image import Image
from imgtk.io import read
from imgtk.io.large import opened
from imgtk.io.read import read_headers
from imgtk.io.tiff import layout

PIXELS = sample_image("rgb", "uint8", (61, 45)).pixels


def by_pieces(path: Path, page: int = 0) -> Image:
    with opened(path, read_headers(path)[page], page, path, 10**9) as image:
        samples = image.read(Box.of(image.size))
        alpha = np.ascontiguousarray(samples[..., -1]) if image.has_alpha else None
        return Image(samples[..., : image.channels], alpha, image.metadata)


def both(path: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> Image:
    image = read(path)
    assert same(by_pieces(path), image)
    assert by_pieces(path).metadata == image.metadata
    return image


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of whole numbers of so many bits each, filled up to bytes."""
    rows = values.reshape(len(values), -1)
    places = np.arange(bits - 1, -1, -1)
    return b"".join(np.packbits((row[:, None] >> places & 1).astype(np.uint8).ravel()).tobytes() for row in rows)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, *range(9, 16)])
def test_packed_bits(tmp_path, bits, channels):
    values = (np.arange(9 * 7 * channels).reshape(9, 7, channels) * 37) % 2**bits
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 7, channels), np.uint8), photometric=1 if channels == 1 else 2)
    data = packed(values, bits)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        page = file.pages[0]
        end = file.filehandle.seek(0, 2)
        file.filehandle.write(data)
        page.tags[258].overwrite((bits,) * channels)
        page.tags[273].overwrite(end)
        page.tags[279].overwrite(len(data))
    image = both(tmp_path / "a.tif")
    full = 255 if bits <= 8 else 65535
    assert np.array_equal(image.pixels, np.rint(values * (full / (2**bits - 1))))


@pytest.mark.parametrize("compression", ["zstd", "lzma", "lzw", "packbits", "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_compressions(tmp_path, dtype, compression):
    samples = sample_image("rgb", "float32", (61, 45)).pixels
    samples = (samples if "float" in dtype else samples * np.iinfo(dtype).max).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", compression=compression)
    assert np.array_equal(both(tmp_path / "a.tif").pixels, samples.astype(np.float32) if "float" in dtype else samples)


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
def test_headers(tmp_path, bigtiff, byteorder):
    options = {"byteorder": byteorder, "bigtiff": bigtiff, "description": "a description", "resolution": (100, 100)}
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", metadata=None, **options)
    image = both(tmp_path / "a.tif")
    assert np.array_equal(image.pixels, PIXELS)
    assert b"a description" in image.metadata.exif
    assert image.metadata.dpi == (100, 100)


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_palettes_of_8_and_16_bits(tmp_path, factor):
    colours = np.arange(768).reshape(3, 256) % 256
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=(colours * factor).astype(np.uint16))
    assert np.array_equal(both(tmp_path / "a.tif").pixels, colours.T[indices])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_palettes(tmp_path, bits):
    colours = np.arange(3 * 2**bits).reshape(3, -1) * 5 % 256
    indices = (np.arange(9 * 7) * 5 % 2**bits).reshape(9, 7)
    whole = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", indices.astype(np.uint8), photometric="palette", colormap=whole)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        page, data = file.pages[0], packed(indices, bits)
        end = file.filehandle.seek(0, 2)
        file.filehandle.write(data)
        for tag, value in ((258, bits), (273, end), (279, len(data)), (320, tuple(map(int, (colours * 257).ravel())))):
            page.tags[tag].overwrite(value)
    assert np.array_equal(both(tmp_path / "a.tif").pixels, colours.T[indices])


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "complex64"])
def test_other_numbers_are_named(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype), photometric="minisblack")
    with pytest.raises(ReadError, match=r"its samples are .* bits"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_planes(tmp_path, monkeypatch, dtype, tile):
    monkeypatch.setattr("imgtk.io.tiff.decode.PIECE", 5000)
    monkeypatch.setattr(layout, "PIECE", 5000)
    pixels = sample_image("rgba", dtype, (61, 45)).numpy()
    planes = np.moveaxis(pixels, -1, 0)
    options = {"planarconfig": "separate", "extrasamples": ["unassalpha"], "tile": tile}
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", compression=compression, **options)
        assert np.array_equal(both(tmp_path / "a.tif").numpy(), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("icc", [None, profile("CMYK")])
def test_pages_of_inks(tmp_path, dtype, icc):
    """A profile that is none does no harm. Light is what is left by ink and black."""
    full = np.iinfo(dtype).max
    inks = np.array([[[0, 0, 0, 0], [full, 0, 0, 0], [0, full, full, 0], [0, 0, 0, full]]], dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(2):
            file.write(inks, photometric="separated", iccprofile=icc, metadata=None)
    for page in range(2):
        pixels = by_pieces(tmp_path / "a.tif", page).pixels
        assert pixels.dtype == dtype
        assert pixels.tolist() == [[[full] * 3, [0, full, full], [full, 0, 0], [0] * 3]]


def test_inks_with_alpha(tmp_path):
    samples = np.array([[[0, 255, 255, 0, 128]] * 2] * 2, np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", samples, photometric="separated", planarconfig="contig", extrasamples=["unassalpha"]
    )
    image = both(tmp_path / "a.tif")
    assert (image.pixels.tolist(), image.alpha.tolist()) == ([[[255, 0, 0]] * 2] * 2, [[128] * 2] * 2)


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab(tmp_path, bits, photometric):
    """The red, the green and the white of sRGB under D50 (ICC.1:2022, and TIFF 6.0, section 23)."""
    colours = np.array([[[54.29, 80.82, 69.90], [87.82, -79.27, 80.99], [100, 0, 0]]])
    unit = 1 if bits == 8 else 256
    signed = photometric == "cielab"
    lightness = colours[..., 0] / 100 * (255 if bits == 8 else 65535 if signed else 65280)
    chroma = np.rint((colours[..., 1:] + (0 if signed else 128)) * unit).astype(int)
    stored = np.dstack([np.rint(lightness).astype(int), chroma % 2**bits]).astype(f"uint{bits}")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    pixels = both(tmp_path / "a.tif").pixels
    assert pixels.dtype == stored.dtype
    wanted = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255]]]) * (2**bits - 1) / 255
    assert np.abs(pixels - wanted).max() <= (2**bits - 1) * 0.04


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_mask_is_a_mask(tmp_path, monkeypatch, dtype, bits):
    monkeypatch.setattr("imgtk.io.tiff.decode.PIECE", 3000)
    pixels = sample_image("rgb", dtype, (61, 45)).pixels
    mask = np.arange(61 * 45).reshape(45, 61) % 3 > 0
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels, photometric="rgb", metadata=None, rowsperstrip=4)
        shown = mask if bits == 1 else mask.astype(np.uint8) * 255
        kind = "mask" if bits == 1 else "minisblack"
        file.write(
            shown,
            photometric=kind,
            subfiletype=4 if bits == 1 else 0,
            metadata=None,
            rowsperstrip=7,
            compression="zlib",
        )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[1].tags[254].overwrite(4)
    image = both(tmp_path / "a.tif")
    assert np.array_equal(image.pixels, pixels)
    assert np.array_equal(image.alpha, mask * np.iinfo(dtype).max)


@pytest.mark.parametrize("dng", [False, True])
def test_the_full_size_is_the_image(tmp_path, dng):
    """Whether a thumbnail comes first, or a tag says DNG of what is developed."""
    tags = [(50706, 1, 4, b"\1\4\0\0", True)] if dng else []
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PIXELS[::4, ::4], photometric="rgb", subfiletype=1, metadata=None, extratags=tags)
        file.write(PIXELS, photometric="rgb", metadata=None)
    assert np.array_equal(both(tmp_path / "a.tif").pixels, PIXELS)
    tifffile.imwrite(tmp_path / "b.tif", PIXELS, photometric="rgb", subfiletype=1, metadata=None, extratags=tags)
    assert np.array_equal(both(tmp_path / "b.tif").pixels, PIXELS)


@pytest.mark.parametrize("what", ["OME-XML", "tifffile", "ImageJ"])
def test_descriptions_of_the_old_size_go(tmp_path, what):
    if what == "OME-XML":
        tifffile.imwrite(tmp_path / "a.ome.tif", PIXELS, photometric="rgb")
    else:
        tifffile.imwrite(tmp_path / "a.ome.tif", PIXELS, photometric="rgb", imagej=what == "ImageJ")
    metadata = both(tmp_path / "a.ome.tif").metadata
    assert not any(text in (metadata.exif or b"") for text in (b"OME", b"shape", b"ImageJ"))
    assert any(what in warning for warning in metadata.warnings) or what == "tifffile"


def test_iptc_is_carried(tmp_path):
    records = b"\x1c\x02\x05\x00\x05title\x1c\x02\x78\x00\x03cap"
    for tag, data in ((33723, records), (34377, b"8BIM\4\4\0\0\0\0\0\x12" + records)):
        tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", extratags=[(tag, 7, len(data), data, True)])
        image = read(tmp_path / "a.tif")
        assert image.metadata.iptc == records
        assert read(image.save(tmp_path / "b.tif", overwrite=True)).metadata.iptc == records


def test_large_strips_need_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_LARGE", 1000)
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", compression="zlib", rowsperstrip=45)
    header = read_headers(tmp_path / "a.tif")[0]
    with (
        pytest.raises(ReadError, match=r"TIFF in strips or tiles of .*\n.*--max-memory"),
        opened(tmp_path / "a.tif", header, 0, tmp_path / "a.tif", 1000),
    ):
        pass
