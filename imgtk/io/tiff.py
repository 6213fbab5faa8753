"""TIFF with 8, 16 or 32 (float) bits per sample and metadata.

tifffile decodes what Pillow would reduce to 8 bits or does not know, OpenCV (with libtiff) the compressions that
tifffile leaves out, and Pillow everything of 8 bits. Tag numbers are those of TIFF 6.0 (Adobe, 1992).
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate
from math import prod
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import tifffile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from imgtk.errors import ReadError
from imgtk.image import Metadata
from imgtk.io import exif
from imgtk.io.depth import unpremultiplied
from imgtk.io.metadata import valid_profile
from imgtk.io.quiet import without_native_messages, without_warnings

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings are ours to report

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_STRIP_BYTES = 1 << 20
_COMPRESSION_LEVEL = 4
_BIG = 2**32 - 2**24  # files from this size on need BigTIFF's 64-bit offsets
_ICC, _XMP, _ORIENTATION, _OFFSETS, _LENGTHS = 34675, 700, 274, 273, 279
_LONG, _LONG8 = 4, 16  # types of tags


def pages(file: BinaryIO) -> list[Any]:
    """The pictures in the file, without reduced versions of others.

    Raises:
        ReadError: if it starts with a preview, as camera raw files do.
    """
    found: list[Any] = list(tifffile.TiffFile(file).pages)
    if found and (found[0].is_reduced or found[0].is_dng):
        raise ReadError(
            "it is a camera raw file, which imgtk cannot develop", hint="Develop it, and give the developed picture."
        )
    return [page for page in found if not page.is_reduced]


def check_segments(file: BinaryIO, page: Any) -> None:
    """Raise ReadError where a strip or tile is missing: decoders would leave its pixels black without a word."""
    size = file.seek(0, 2)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(segments) < prod(page.chunked) or not all(0 < length <= size - at for at, length in segments):
        raise ReadError("the picture in it is damaged or cut short")


def is_deep(page: Any) -> bool:
    """Whether Pillow would lose something of it."""
    simple = page.photometric in (
        tifffile.PHOTOMETRIC.MINISBLACK,
        tifffile.PHOTOMETRIC.MINISWHITE,
        tifffile.PHOTOMETRIC.RGB,
    )
    return simple and (page.bitspersample > 8 or page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP)


def orientation(page: Any) -> int:
    stated = int(page.tags.valueof(_ORIENTATION, default=1))
    return stated if 1 <= stated <= 8 else 1


def decode_deep(file: BinaryIO, page: Any) -> tuple[np.ndarray, bool]:
    """Samples of more than 8 bits.

    Returns:
        (H, W, C), uint16 or float32, C from 1 to 4, and whether the last channel is alpha.
    """
    samples = _samples(file, page)
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    elif samples.dtype != np.uint16:
        raise ReadError(
            f"its samples are {samples.dtype} numbers", hint="imgtk reads samples of 8 or 16 bits, or floats."
        )
    elif page.bitspersample < 16:
        samples = (samples.astype(np.uint32) * 65535 // (2**page.bitspersample - 1)).astype(np.uint16)
    colours = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
    pixels = samples[..., :colours]
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = (65535 if samples.dtype == np.uint16 else np.float32(1)) - pixels
    extra = [int(kind) for kind in page.extrasamples]
    kinds = extra or [2] * (samples.shape[2] - colours)  # writers that forget the tag mean alpha
    for index, kind in enumerate(kinds):
        if kind in (1, 2) and colours + index < samples.shape[2]:
            alpha = samples[..., colours + index]
            pixels = unpremultiplied(pixels, alpha) if kind == 1 else pixels
            return np.dstack([pixels, alpha]), True
    return np.ascontiguousarray(pixels), False


def _samples(file: BinaryIO, page: Any) -> np.ndarray:
    """(H, W, S)"""
    try:
        samples = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _samples_by_opencv(file)
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    elif page.axes not in ("YX", "YXS"):
        raise ReadError("it is not a flat picture")
    return np.atleast_3d(samples)


def _samples_by_opencv(file: BinaryIO) -> np.ndarray:
    import cv2

    file.seek(0)
    with without_native_messages():
        samples = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ReadError("the picture in it is damaged or cut short")
    samples = np.atleast_3d(samples)
    return samples[..., [2, 1, 0, 3][: samples.shape[2]]] if samples.shape[2] > 1 else samples


def metadata(file: BinaryIO, page: Any) -> Metadata:
    """Metadata of a page; the EXIF block states no orientation."""
    tags = PIL.Image.Exif()
    tags.endian, tags.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    with without_warnings():
        tags.load_from_fp(file, page.offset)
    unit = page.tags.valueof(296, default=2)
    xmp = page.tags.valueof(_XMP)
    dpi = page.get_resolution("INCH") if unit in (2, 3) and 282 in page.tags and 283 in page.tags else None
    return Metadata(
        icc=valid_profile(page.tags.valueof(_ICC)),
        exif=exif.from_tags(exif.descriptive_tags(tags)),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp or None,
        dpi=dpi if dpi and min(dpi) > 0 else None,
    )


def write(file: BinaryIO, pixels: np.ndarray, metadata: Metadata) -> None:
    """Write (H, W, C), uint8, uint16 or float32, C from 1 to 4; the second or fourth channel is alpha.

    Strips of about a megabyte, compressed with Deflate, integers after horizontal differencing.
    """
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if pixels.nbytes >= _BIG else b"II*\0" + struct.pack("<I", 8)
    strips = list(_strips(pixels))
    directory = ImageFileDirectory_v2(head)
    directory.tagtype |= {_OFFSETS: _LONG8 if len(head) == 16 else _LONG, _LENGTHS: _LONG, _ICC: 7, _XMP: 1}
    for tag, value in (_layout(pixels) | _metadata_tags(metadata)).items():
        directory[tag] = value
    directory[_OFFSETS] = directory[_LENGTHS] = (0,) * len(strips)
    room = len(directory.tobytes(len(head)))
    file.write(head + bytes(room))
    lengths = [file.write(zlib.compress(_differences(strip), _COMPRESSION_LEVEL)) for strip in strips]
    directory[_LENGTHS] = tuple(lengths)
    directory[_OFFSETS] = tuple(accumulate(lengths[:-1], initial=0))  # Pillow adds where the directory ends
    file.seek(len(head))
    file.write(directory.tobytes(len(head)))


def _layout(pixels: np.ndarray) -> dict[int, Any]:
    height, width, channels = pixels.shape
    floating = pixels.dtype.kind == "f"
    layout: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * pixels.itemsize,) * channels,
        259: 8,  # Deflate
        262: 2 if channels > 2 else 1,  # RGB or gray
        _ORIENTATION: 1,
        277: channels,
        278: _rows_per_strip(pixels),
        284: 1,  # the channels of a pixel lie together
        317: 1 if floating else 2,  # predictor: none, or horizontal differences
        339: (3 if floating else 1,) * channels,
    }
    return layout | ({338: 2} if channels in (2, 4) else {})  # straight alpha


def _metadata_tags(metadata: Metadata) -> dict[int, Any]:
    tags: dict[int, Any] = exif.descriptive_tags(exif.parse(metadata.exif)) if metadata.exif else {}
    if metadata.dpi:
        tags |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    tags |= {_ICC: metadata.icc} if metadata.icc else {}
    tags |= {_XMP: metadata.xmp} if metadata.xmp else {}
    return tags


def _rows_per_strip(pixels: np.ndarray) -> int:
    return min(len(pixels), max(1, _STRIP_BYTES // pixels[0].nbytes))


def _strips(pixels: np.ndarray) -> Iterator[np.ndarray]:
    rows = _rows_per_strip(pixels)
    return (pixels[top : top + rows] for top in range(0, len(pixels), rows))


def _differences(strip: np.ndarray) -> bytes:
    """Little-endian bytes of a strip: of integers, each pixel's difference from the one on its left."""
    coded = np.array(strip, dtype=strip.dtype.newbyteorder("<"))
    if coded.dtype.kind == "u":
        coded[:, 1:] -= strip[:, :-1]
    return coded.tobytes()
