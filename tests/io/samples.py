"""Small images for the tests of imgtk.io."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import ImageCms
from PIL.Image import Exif

from imgtk.geometry import Box
from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions
from imgtk.io.large import output, raster

KINDS = {"gray": (1, False), "gray+alpha": (1, True), "rgb": (3, False), "rgba": (3, True)}


def sample_image(kind: str = "rgb", dtype: str = "uint8", size: tuple[int, int] = (13, 7), **more: object) -> Image:
    """Noise over a slope, `size` = (width, height), the same at every call."""
    channels, has_alpha = KINDS[kind]
    width, height = size
    rng = np.random.default_rng(width * 1000 + height)
    slope = np.linspace(0, 1, width)[None, :, None] * 0.5
    samples = slope + rng.random((height, width, channels + has_alpha)) * 0.5
    samples = (samples if dtype == "float32" else np.rint(samples * np.iinfo(dtype).max)).astype(dtype)
    alpha = np.ascontiguousarray(samples[..., -1]) if has_alpha else None
    return Image(np.ascontiguousarray(samples[..., :channels]), alpha, **more)


def same(a: Image, b: Image) -> bool:
    """Equal in every bit of pixels and alpha."""
    if a.pixels.dtype != b.pixels.dtype or not np.array_equal(a.pixels, b.pixels):
        return False
    return (a.alpha is None) == (b.alpha is None) and (a.alpha is None or np.array_equal(a.alpha, b.alpha))


def exif(orientation: int | None = None) -> bytes:
    """An EXIF block with a camera, dates, a place, and dimensions to be corrected."""
    block = Exif()
    block[271], block[272], block[306] = "Maker", "Model 1", "2024:05:06 07:08:09"
    if orientation is not None:
        block[274] = orientation
    block[0x8769] = {0x829A: 0.01, 0x9003: "2024:05:06 07:08:09", 0x927C: b"maker\0note", 0xA002: 13, 0xA003: 7}
    block[0x8825] = {1: "N", 2: (48.0, 51.0, 24.0)}
    return block.tobytes().removeprefix(b"Exif\0\0")


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # holds the time of its making


def profile(colours: str = "RGB") -> bytes:
    """An ICC profile that claims a colour space."""
    return _SRGB[:16] + colours.encode().ljust(4) + _SRGB[20:]


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="a title"/></x:xmpmeta>'


def metadata(colours: str = "RGB") -> Metadata:
    return Metadata(profile(colours), exif(), XMP, (300.0, 150.0), {"Comment": "gr\u00fcn", "Title": "\u732b"})


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: bytes, width: int, height: int, depth: int, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG file of raw rows, each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def in_pieces(image: Image, path: Path, options: WriteOptions | None = None) -> Path:
    """Write an image as large ones are written: row by row, from a file of raw pixels."""
    samples = np.atleast_3d(image.numpy())
    with (
        output(path, samples.nbytes, 10**9, options=options or WriteOptions()) as result,
        raster(path, samples.shape, samples.dtype) as on_disk,
    ):
        on_disk.write(Box.of(image.size), samples)
        result.add(on_disk, image.metadata)
    return path
