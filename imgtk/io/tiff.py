"""TIFF with 8, 16 or 32 (float) bits per sample and metadata.

tifffile decodes what Pillow would reduce to 8 bits or does not know, OpenCV (with libtiff) the compressions that
tifffile leaves out, and Pillow everything of 8 bits. Tag numbers are those of TIFF 6.0 (Adobe, 1992).
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, groupby
from math import prod
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import tifffile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from imgtk.errors import ReadError
from imgtk.geometry import Box, Size
from imgtk.image import Metadata
from imgtk.io import exif, geotiff
from imgtk.io.depth import unpremultiplied
from imgtk.io.metadata import valid_profile
from imgtk.io.quiet import without_native_messages, without_warnings
from imgtk.io.rows import Rows

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings are ours to report

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_EIGHT_BITS = ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR")
_STRIP_BYTES = 1 << 20
_TILE = 512  # pixels of a tile's side, at most
_COMPRESSION_LEVEL = 4
_BIG = 2**32 - 2**24  # files from this size on need BigTIFF's 64-bit offsets
_KIND, _ICC, _XMP, _ORIENTATION, _OFFSETS, _LENGTHS = 254, 34675, 700, 274, 273, 279
_TILE_OFFSETS, _TILE_LENGTHS = 324, 325
_LONG, _LONG8 = 4, 16  # types of tags
_TYPES = {_ICC: 7, _XMP: 1, **geotiff.TYPES}


def pages(file: BinaryIO) -> list[Any]:
    """The images in the file, without reduced versions of others.

    Raises:
        ReadError: if it starts with a preview, as camera raw files do, or is damaged where a page should follow.
    """
    found: list[Any] = list(tifffile.TiffFile(file).pages)
    if found and _next(found[-1]) not in (0, *(page.offset for page in found)):
        raise ReadError(f"it is damaged or cut short after page {len(found)}")
    if found and (found[0].is_reduced or found[0].is_dng):
        raise ReadError(
            "it is a camera raw file, which imgtk cannot develop", hint="Develop it, and give the developed image."
        )
    return [page for page in found if not page.is_reduced]


def _next(page: Any) -> int:
    """Where in the file the page says that the next one is; 0 if it is the last."""
    file, form = page.parent.filehandle, page.parent.tiff
    file.seek(page.offset)
    (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(page.offset + form.tagnosize + tags * form.tagsize)
    (offset,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    return int(offset)


def check_segments(file: BinaryIO, page: Any) -> None:
    """Raise ReadError where a strip or tile is missing: decoders would leave its pixels black without a word."""
    size = file.seek(0, 2)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(segments) < prod(page.chunked) or not all(0 < length <= size - at for at, length in segments):
        raise ReadError("the image in it is damaged or cut short")


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
    pixels = samples[..., : colours(page)]
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = (65535 if samples.dtype == np.uint16 else np.float32(1)) - pixels
    index, premultiplied = alpha(page)
    if not index:
        return np.ascontiguousarray(pixels), False
    opacity = samples[..., index]
    pixels = unpremultiplied(pixels, opacity) if premultiplied else pixels
    return np.dstack([pixels, opacity]), True


def colours(page: Any) -> int:
    """Channels of colour that the image has in imgtk: 3, or 1 for gray."""
    gray = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    return 1 if page.photometric in gray else 3


def alpha(page: Any) -> tuple[int, bool]:
    """Which channel of the file is alpha, 0 if none is; and whether the colours are multiplied with it."""
    first = _channels(page)
    kinds = [int(kind) for kind in page.extrasamples] or [2] * (page.samplesperpixel - first)  # no tag means alpha
    for index, kind in enumerate(kinds, first):
        if kind in (1, 2) and index < page.samplesperpixel:
            return index, kind == 1
    return 0, False


def _channels(page: Any) -> int:
    """Channels of the file that tell the colour."""
    return 1 if page.photometric == tifffile.PHOTOMETRIC.PALETTE else colours(page)


def arranged(samples: np.ndarray, page: Any) -> np.ndarray:
    """Rows (h, W, C) of colours, and alpha if there is any, from the rows of a page as libvips decodes them."""
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:  # of whole numbers it is done
            samples[..., 0] = 1 - samples[..., 0]
    index, _ = alpha(page)
    return samples[..., [*range(colours(page)), *([index] if index else [])]]


def decoded_whole(page: Any) -> str:
    """Why the page cannot be decoded by rows (by libvips, with the result that `read` has), in words; or empty."""
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    deep = page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP
    plain = ("MINISBLACK", "MINISWHITE", "RGB") if deep or page.bitspersample == 16 else (*_EIGHT_BITS, "PALETTE")
    if kind not in plain or (kind == "YCBCR" and page.compression != tifffile.COMPRESSION.JPEG):
        return f"TIFF with colours as {kind}"
    if page.bitspersample not in ((32,) if deep else (1, 8, 16)):
        return f"TIFF of {page.bitspersample} bits"
    if page.samplesperpixel > _channels(page) + (len(page.extrasamples) == 1 and kind != "PALETTE"):
        return f"TIFF of {page.samplesperpixel} channels"
    return "TIFF with premultiplied alpha" if alpha(page)[1] else ""


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
        raise ReadError("it is not a flat image")
    return np.atleast_3d(samples)


def _samples_by_opencv(file: BinaryIO) -> np.ndarray:
    import cv2

    file.seek(0)
    with without_native_messages():
        samples = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ReadError("the image in it is damaged or cut short")
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
        pyramid=has_pyramid(page),
        geo=geotiff.reference(page) if orientation(page) == 1 else None,
    )


def write(file: BinaryIO, pixels: Rows, metadata: Metadata) -> None:
    """Write a file with one image, as `Writer.add` does: in strips, or in tiles if it has a pyramid."""
    writer = Writer(file, pixels.nbytes * 4 // 3 if metadata.pyramid else pixels.nbytes)
    writer.add(pixels, metadata, tiled=metadata.pyramid)
    for _ in range(levels(pixels) if metadata.pyramid else 0):
        pixels = halved(pixels[:])
        writer.add(pixels, Metadata(), tiled=True, reduced=True)


class Writer:
    """Writes images into a TIFF file, a page for each.

    Args:
        file: an empty one.
        size: bytes of all pixels; from about 4 GB on the file is a BigTIFF.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._big = file, size >= _BIG
        self._head = b"II+\0\x08\0\0\0" if self._big else b"II*\0"
        self._link = len(self._head)  # where the file says where the next page starts
        file.write(self._head + self._offset(0))

    def _offset(self, at: int) -> bytes:
        return struct.pack("<Q" if self._big else "<I", at)

    def add(self, pixels: Rows, metadata: Metadata, *, tiled: bool = False, reduced: bool = False) -> None:
        """Write a page: (H, W, C), uint8, uint16 or float32, C from 1 to 4; the second or fourth channel is alpha.

        It is compressed with Deflate, integers after horizontal differencing.

        Args:
            tiled: in tiles of 512 x 512 (or less, for a smaller image) instead of strips of about a megabyte.
            reduced: the page is a smaller version of the one before.
        """
        count = len(_tile_boxes(pixels)) if tiled else -(-pixels.shape[0] // _rows_per_strip(pixels))
        offsets, lengths = (_TILE_OFFSETS, _TILE_LENGTHS) if tiled else (_OFFSETS, _LENGTHS)
        start = self._file.seek(0, 2)
        start += self._file.write(bytes(start % 2))
        directory = ImageFileDirectory_v2(self._head + self._offset(start))
        directory.tagtype |= _TYPES | {offsets: _LONG8 if self._big else _LONG, lengths: _LONG}
        for tag, value in (_layout(pixels, tiled) | _metadata_tags(metadata)).items():
            directory[tag] = value
        if reduced:
            directory[_KIND] = 1
        directory[offsets] = directory[lengths] = (0,) * count
        room = len(directory.tobytes(start))
        self._file.write(bytes(room))
        sizes = tuple(self._file.write(data) for data in (_tiles(pixels) if tiled else _strips(pixels)))
        first = start + room if tiled else 0  # Pillow adds where the directory ends to the offsets of strips
        directory[lengths] = sizes
        directory[offsets] = tuple(accumulate(sizes[:-1], initial=first))
        self._put(start, directory.tobytes(start))
        self._put(self._link, self._offset(start))
        self._link = start + (8 + 20 * len(directory) if self._big else 2 + 12 * len(directory))

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)


def has_pyramid(page: Any) -> bool:
    """Whether reduced versions of the page follow it in the file, or lie in it."""
    following = page.parent.pages
    return bool(page.subifds) or (page.index + 1 < len(following) and bool(following[page.index + 1].is_reduced))


def levels(pixels: Rows) -> int:
    """How many reduced versions a pyramid over an image has, each of half the sides of the one before: down to one
    that fits into a tile."""
    return max(0, (-(-max(pixels.shape[:2]) // _TILE) - 1).bit_length())


def halved(samples: np.ndarray) -> np.ndarray:
    """(H, W, C) at half the size, rounded up: means of 2 x 2 samples."""
    height, width = samples.shape[:2]
    samples = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = samples.astype(np.float32 if samples.dtype.kind == "f" else np.uint32)
    total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
    return total / 4 if samples.dtype.kind == "f" else ((total + 2) // 4).astype(samples.dtype)


def _layout(pixels: Rows, tiled: bool) -> dict[int, Any]:
    height, width, channels = pixels.shape
    floating = pixels.dtype.kind == "f"
    layout: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * pixels.dtype.itemsize,) * channels,
        259: 8,  # Deflate
        262: 2 if channels > 2 else 1,  # RGB or gray
        _ORIENTATION: 1,
        277: channels,
        284: 1,  # the channels of a pixel lie together
        317: 1 if floating else 2,  # predictor: none, or horizontal differences
        339: (3 if floating else 1,) * channels,
    }
    tile = _tile_size(pixels)
    layout |= {322: tile.width, 323: tile.height} if tiled else {278: _rows_per_strip(pixels)}
    return layout | ({338: 2} if channels in (2, 4) else {})  # straight alpha


def _metadata_tags(metadata: Metadata) -> dict[int, Any]:
    tags: dict[int, Any] = exif.descriptive_tags(exif.parse(metadata.exif)) if metadata.exif else {}
    if metadata.dpi:
        tags |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    tags |= {_ICC: metadata.icc} if metadata.icc else {}
    tags |= {_XMP: metadata.xmp} if metadata.xmp else {}
    tags |= metadata.geo.tags if metadata.geo else {}
    return tags


def _rows_per_strip(pixels: Rows) -> int:
    height, width, channels = pixels.shape
    return min(height, max(1, _STRIP_BYTES // (width * channels * pixels.dtype.itemsize)))


def _strips(pixels: Rows) -> Iterator[bytes]:
    """The compressed strips."""
    rows = _rows_per_strip(pixels)
    for top in range(0, pixels.shape[0], rows):
        yield _compressed(pixels[top : top + rows])


def _tile_size(pixels: Rows) -> Size:
    """The sides of tiles: multiples of 16 (TIFF 6.0, section 15) that are not much larger than the image, which
    libvips refuses."""
    height, width, _ = pixels.shape
    return Size(*(min(_TILE, -(-side // 16) * 16) for side in (width, height)))


def _tile_boxes(pixels: Rows) -> list[Box]:
    (height, width, _), tile = pixels.shape, _tile_size(pixels)
    corners = ((left, top) for top in range(0, height, tile.height) for left in range(0, width, tile.width))
    return [Box.of(tile).shifted(left, top) for left, top in corners]


def _tiles(pixels: Rows) -> Iterator[bytes]:
    """The compressed tiles, those at the end filled up with the last pixels; the tiles of a row by several threads."""
    tile = _tile_size(pixels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for top, boxes in groupby(_tile_boxes(pixels), key=lambda box: box.top):
            rows = pixels[top : top + tile.height]
            yield from pool.map(_compressed, [_filled(rows[:, box.left : box.right], tile) for box in boxes])


def _filled(part: np.ndarray, tile: Size) -> np.ndarray:
    return np.pad(part, ((0, tile.height - part.shape[0]), (0, tile.width - part.shape[1]), (0, 0)), mode="edge")


def _compressed(segment: np.ndarray) -> bytes:
    """Little-endian bytes, compressed, of a strip or tile: of integers, each pixel's difference from its left one."""
    coded = np.array(segment, dtype=segment.dtype.newbyteorder("<"))
    if coded.dtype.kind == "u":
        coded[:, 1:] -= segment[:, :-1]
    return zlib.compress(coded.tobytes(), _COMPRESSION_LEVEL)
