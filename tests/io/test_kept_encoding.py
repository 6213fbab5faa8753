"""How a file was encoded counts for the result: quality, losslessness, palette, compression."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import tifffile
from samples import in_pieces, png, same, sample_image

from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions, jpeg, read, write


def quality_of(path) -> int:
    with PIL.Image.open(path) as image:
        return jpeg.quality(image.quantization)


@pytest.mark.parametrize("quality", [1, 75, 96, 100])
def test_the_quality_of_jpeg_is_a_floor(tmp_path, quality):
    pixels = sample_image(size=(61, 45)).pixels
    for subsampling in (0, 2):
        PIL.Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
        image = read(tmp_path / "a.jpg")
        assert image.metadata.quality == quality
        for make in (write, in_pieces):
            assert quality_of(make(image, tmp_path / f"{make.__name__}{subsampling}.jpg")) == max(95, quality)
            coarse = make(image, tmp_path / f"{make.__name__}{subsampling}.jpeg", WriteOptions(quality=80))
            assert quality_of(coarse) == 80


def test_the_quality_of_tables_that_libjpeg_does_not_make():
    assert jpeg.quality({0: [1] * 64}) == 100
    assert jpeg.quality({0: [255] * 64, 1: [1] * 64}) == 1
    fine = [2] * 64
    assert 95 <= jpeg.quality({0: fine}) < 100


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 256])
@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (13, 7), (301, 1203)])
def test_palettes_of_png_stay(tmp_path, count, opaque, size):
    rng = np.random.default_rng(count)
    colours = rng.permutation(256)[:count].astype(np.uint8)
    colours = np.stack([colours, colours[::-1], 255 - colours, colours], axis=1)[:, : 3 + (not opaque)]
    samples = colours[rng.integers(0, count, size[::-1])]
    alpha = None if opaque else samples[..., 3].copy()
    image = Image(samples[..., :3].copy(), alpha, Metadata(indexed=True))
    for make in (write, in_pieces):
        path = make(image, tmp_path / f"{make.__name__}.png")
        again = read(path)
        assert again.metadata.indexed
        assert np.array_equal(again.pixels, image.pixels)
        assert opaque or np.array_equal(again.numpy()[..., 3:], samples[..., 3:])
        with PIL.Image.open(path) as other:
            assert other.mode == "P"
            assert np.array_equal(np.asarray(other.convert("RGBA"))[..., :3], image.pixels)
    if size[0] > 100 and count > 2:
        assert path.stat().st_size < write(replace(image, metadata=Metadata()), tmp_path / "rgb.png").stat().st_size


def test_no_palette_where_the_result_has_more_colours(tmp_path):
    image = sample_image(size=(61, 45), metadata=Metadata(indexed=True))
    again = read(write(image, tmp_path / "a.png"))
    assert same(again, image)
    assert not again.metadata.indexed
    deep = sample_image(dtype="uint16", metadata=Metadata(indexed=True))
    assert same(read(write(deep, tmp_path / "b.png")), deep)
    gray = Image(np.zeros((3, 4, 1), np.uint8), None, Metadata(indexed=True))
    assert same(read(write(gray, tmp_path / "c.png")), gray)


def test_which_files_have_a_palette(tmp_path):
    (tmp_path / "a.png").write_bytes(png(b"\0\0", 4, 1, 1, 0))
    assert not read(tmp_path / "a.png").metadata.indexed
    PIL.Image.new("P", (3, 2)).save(tmp_path / "b.png")
    PIL.Image.new("P", (3, 2)).save(tmp_path / "b.gif")
    assert read(tmp_path / "b.png").metadata.indexed
    assert read(tmp_path / "b.gif").metadata.indexed


@pytest.mark.parametrize("scheme", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("kind", ["gray", "rgba"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_compression_of_tiff_stays(tmp_path, scheme, kind, dtype):
    image = sample_image(kind, dtype, (61, 45) if scheme == "lzma" else (401, 330))
    options = {"photometric": "minisblack" if "gray" in kind else "rgb", "metadata": None}
    options |= {"extrasamples": ["unassalpha"]} if image.alpha is not None else {}
    samples = image.numpy()[:45, :61]
    tifffile.imwrite(tmp_path / "a.tif", samples, compression=scheme, **options)
    given = replace(image, metadata=read(tmp_path / "a.tif").metadata)
    for make in (write, in_pieces):
        path = make(given, tmp_path / f"{make.__name__}.tif")
        again = read(path)
        assert same(again, image)
        assert again.metadata.compression == given.metadata.compression
        with tifffile.TiffFile(path) as file:
            assert np.array_equal(file.asarray(), image.numpy())
    assert read(write(given, tmp_path / "a.png", WriteOptions(depth=8))).metadata.compression is None


@pytest.mark.parametrize("scheme", ["jpeg", "webp", "jpegxl", "ccittfax4"])
def test_what_is_not_written_becomes_deflate(tmp_path, scheme):
    pixels = sample_image(size=(64, 48)).pixels
    if scheme == "ccittfax4":
        PIL.Image.fromarray(pixels).convert("1").save(tmp_path / "a.tif", compression="group4")
    else:
        tifffile.imwrite(tmp_path / "a.tif", pixels, compression=scheme, photometric="rgb", metadata=None)
    image = read(tmp_path / "a.tif")
    again = read(write(image, tmp_path / "b.tif"))
    assert again.metadata.compression == 8
    assert same(again, image)


def test_pyramids_keep_the_compression(tmp_path):
    image = sample_image(size=(1100, 700), metadata=Metadata(pyramid=True, compression=5))
    for make in (write, in_pieces):
        with tifffile.TiffFile(make(image, tmp_path / f"{make.__name__}.tif")) as file:
            assert [page.compression for page in file.pages] == [5, 5, 5]


def test_noise_that_grows_is_still_read(tmp_path):
    noise = Image(np.random.default_rng(1).integers(0, 256, (500, 600, 3), np.uint8), None, Metadata(compression=5))
    path = write(noise, tmp_path / "a.tif")
    assert path.stat().st_size > noise.pixels.nbytes
    assert same(read(path), noise)


def test_iptc_in_png(tmp_path):
    records = b"\x1c\2\x74\0\6(c) me" * 50
    image = sample_image(metadata=Metadata(iptc=records))
    path = write(image, tmp_path / "a.png")
    again = read(path)
    assert again.metadata.iptc == records
    assert not again.metadata.text
    with PIL.Image.open(path) as other:
        text = other.text["Raw profile type iptc"]
    name, length, *digits = text.strip().split("\n")
    assert (name, int(length)) == ("iptc", len(bytes.fromhex("".join(digits))))
    assert bytes.fromhex("".join(digits)).startswith(b"8BIM\4\4")
    assert read(write(again, tmp_path / "b.jpg")).metadata.iptc == records
    assert read(write(again, tmp_path / "b.tif")).metadata.iptc == records
    plain = io.BytesIO(path.read_bytes())
    assert b"iTXt" not in plain.getvalue()
