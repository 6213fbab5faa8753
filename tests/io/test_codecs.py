"""Formats with a library of their own: read where it is there, named where it is not."""

from __future__ import annotations

import struct
from importlib.util import find_spec

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from heic import heic
from samples import KINDS, metadata, profile, same, sample_image

from imgtk.errors import ReadError, WriteError
from imgtk.geometry import Box
from imgtk.image import Image
from imgtk.io import WriteOptions, exif, read, read_size, signatures, write
from imgtk.io.large import opened
from imgtk.io.read import read_headers


def both(path) -> Image:
    image = read(path)
    assert read_size(path) == image.size
    with opened(path, read_headers(path)[0], 0, path, 10**9) as kept:
        assert np.array_equal(kept.read(Box.of(kept.size)), np.atleast_3d(image.numpy()))
    return image


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("size", [(13, 7), (64, 40), (300, 200), (160, 90)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", ["gray", "rgb", "rgba"])
def test_jpeg_xl(tmp_path, kind, dtype, size, container):
    image = sample_image(kind, dtype, size)
    data = imagecodecs.jpegxl_encode(image.numpy(), lossless=True, usecontainer=container)
    (tmp_path / "a.jxl").write_bytes(data)
    assert same(both(tmp_path / "a.jxl"), image)
    with pytest.raises(ReadError, match="above the limit"):
        read(tmp_path / "a.jxl", max_pixels=20)


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("kind", ["gray", "rgb", "rgba"])
def test_jpeg_2000(tmp_path, kind, bits, codec):
    samples = sample_image(kind, "uint8" if bits == 8 else "uint16", (61, 45)).numpy()
    samples = samples >> 4 if bits == 12 else samples
    options = {"reversible": True, "level": 0, "bitspersample": bits, "codecformat": codec}
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(samples, **options))
    image = both(tmp_path / "a.jp2")
    wanted = np.rint(samples.astype(float) * ((255 if bits == 8 else 65535) / (2**bits - 1)))
    assert np.array_equal(image.numpy(), wanted)
    with pytest.raises(ReadError, match="above the limit"):
        read(tmp_path / "a.jp2", max_pixels=20)


def test_jpeg_of_12_bits(tmp_path):
    slope = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(slope, bitspersample=12, level=98))
    image = both(tmp_path / "a.jpg")
    assert image.pixels.dtype == np.uint16
    assert np.abs(image.pixels[..., 0] / 65535 - slope / 4095).max() < 0.01


@pytest.mark.parametrize("suffix", ["jxl", "jp2"])
def test_damage(tmp_path, suffix):
    samples = sample_image("rgb", "uint8", (61, 45)).pixels
    data = imagecodecs.jpegxl_encode(samples) if suffix == "jxl" else imagecodecs.jpeg2k_encode(samples, level=0)
    for cut in (3, 14, 40, len(data) // 2):
        (tmp_path / "a").write_bytes(data[:cut])
        with pytest.raises(ReadError):
            read(tmp_path / "a")


NAMED = {
    "an HEIC image": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
    "a camera raw file": (b"FUJIFILMCCD-RAW 0201", "raw"),
    "a PDF document": (b"%PDF-1.7", ""),
    "a Photoshop document": (b"8BPS\0\1", ""),
    "an HTML page": (b"<!DOCTYPE html>", ""),
    "an OpenEXR image": (b"\x76\x2f\x31\x01\2\0\0\0", ""),
}


@pytest.mark.parametrize("name", NAMED)
def test_others_are_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr(signatures, "find_spec", lambda module: None)
    data, extra = NAMED[name]
    (tmp_path / "a.heic").write_bytes(data + bytes(100))
    with pytest.raises(ReadError, match=f"it is {name}") as caught:
        read(tmp_path / "a.heic")
    assert (f"imgtk[{extra}]" if extra else "Convert it") in caught.value.hint


def test_camera_raw_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "find_spec", lambda module: None)
    samples = sample_image("gray", "uint16").pixels[..., 0]
    tifffile.imwrite(tmp_path / "a.dng", samples, photometric=32803, metadata=None)
    with pytest.raises(ReadError, match="camera raw") as caught:
        read(tmp_path / "a.dng")
    assert "imgtk[raw]" in caught.value.hint


@pytest.mark.skipif(not find_spec("rawpy"), reason="needs rawpy")
def test_camera_raw_is_developed(tmp_path):
    mosaic = np.full((64, 96), 20_000, np.uint16)
    tags = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, b"\0\1\1\2", True),
        (50706, 1, 4, b"\1\4\0\0", True),
        (50708, 2, 0, "Model", True),
        (50714, 3, 1, 0, True),
        (50717, 3, 1, 65535, True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
    ]
    tifffile.imwrite(tmp_path / "a.dng", mosaic, photometric=32803, metadata=None, extratags=tags)
    image = both(tmp_path / "a.dng")
    assert (image.size.width, image.size.height, image.pixels.dtype) == (96, 64, np.uint16)


@pytest.mark.skipif(not find_spec("pi_heif"), reason="needs pi-heif")
def test_heic_that_is_damaged(tmp_path):
    (tmp_path / "a.heic").write_bytes(NAMED["an HEIC image"][0] + bytes(100))
    with pytest.raises(ReadError, match="damaged"):
        read(tmp_path / "a.heic")


@pytest.mark.parametrize("kind", KINDS)
def test_lossless_webp_stays_lossless(tmp_path, kind):
    image = sample_image(kind, size=(61, 45))
    write(image, tmp_path / "a.webp", WriteOptions(lossless=True))
    read_image = read(tmp_path / "a.webp")
    assert read_image.metadata.lossless
    again = read(write(read_image, tmp_path / "b.webp"))
    assert np.array_equal(again.numpy(), read_image.numpy())
    lossy = read(write(read_image, tmp_path / "c.webp", WriteOptions(quality=80)))
    assert not lossy.metadata.lossless
    assert not read(write(lossy, tmp_path / "d.webp")).metadata.lossless


def nclx(path, primaries: int, transfer: int) -> Image:
    PIL.Image.fromarray(sample_image().pixels).save(path, quality=100)
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx")
    struct.pack_into(">HH", data, at + 8, primaries, transfer)
    path.write_bytes(data)
    return read(path)


def test_the_colours_of_avif(tmp_path):
    assert nclx(tmp_path / "a.avif", 1, 13).metadata.icc is None
    image = nclx(tmp_path / "b.avif", 12, 13)
    assert image.metadata.icc
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        assert read(write(image, tmp_path / f"a{suffix}")).metadata.icc == image.metadata.icc
    image = nclx(tmp_path / "c.avif", 9, 16)
    assert image.metadata.icc is None
    assert read(write(image, tmp_path / "c.png")).metadata.cicp == (9, 16, 0, 1)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_avif(tmp_path, kind, bits):
    samples = sample_image(kind, "uint8" if bits == 8 else "uint16", (61, 45)).numpy()
    samples = samples if bits == 8 else samples >> (16 - bits)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(samples, level=100, bitspersample=bits))
    image = both(tmp_path / "a.avif")
    top = 255 if bits == 8 else 65535
    assert np.array_equal(image.numpy(), np.rint(samples.astype(float) * (top / (2**bits - 1))))
    assert not image.metadata.warnings


def test_avif_is_written(tmp_path):
    for kind in KINDS:
        image = sample_image(kind, size=(61, 45), metadata=metadata("GRAY" if "gray" in kind else "RGB"))
        again = both(write(image, tmp_path / f"{kind}.avif", WriteOptions(quality=100)))
        assert (again.gray, again.alpha is None) == (image.gray, image.alpha is None)
        assert np.abs(again.numpy().astype(int) - image.numpy()).max() < 6
        carried = again.metadata
        assert carried.icc == image.metadata.icc
        assert carried.xmp == image.metadata.xmp
        assert exif.parse(carried.exif)[271] == "Maker"
    coarse = write(image, tmp_path / "coarse.avif", WriteOptions(quality=20))
    assert coarse.stat().st_size < (tmp_path / "rgba.avif").stat().st_size / 2
    with pytest.raises(WriteError, match="does not write lossless AVIF"):
        write(image, tmp_path / "b.avif", WriteOptions(lossless=True))
    with pytest.raises(WriteError, match="16 bits"):
        write(sample_image(dtype="uint16"), tmp_path / "b.avif")


@pytest.mark.skipif(not find_spec("pi_heif"), reason="needs pi-heif")
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_of_heic(tmp_path, bits):
    samples = sample_image("rgb", "uint8" if bits == 8 else "uint16", (96, 72)).pixels
    samples = samples if bits == 8 else samples >> (16 - bits)
    (tmp_path / "a.heic").write_bytes(heic(samples, bits, points=(12, 13)))
    image = both(tmp_path / "a.heic")
    assert image.metadata.cicp == (12, 13, 0, 1)
    assert image.metadata.icc
    top = 255 if bits == 8 else 65535
    assert np.array_equal(image.numpy(), np.rint(samples.astype(float) * (top / (2**bits - 1))))


def test_profiles_of_jpeg_2000(tmp_path):
    data = imagecodecs.jpeg2k_encode(sample_image().pixels, level=0, reversible=True)
    at = data.index(b"colr")
    icc = profile()
    box = struct.pack(">I", 11 + len(icc)) + b"colr\2\0\0" + icc
    grown = data[: at - 4] + box + data[at + 11 :]
    head = grown.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", grown, head)
    grown = grown[:head] + struct.pack(">I", length + len(box) - 15) + grown[head + 4 :]
    (tmp_path / "a.jp2").write_bytes(grown)
    assert read(tmp_path / "a.jp2").metadata.icc == icc
