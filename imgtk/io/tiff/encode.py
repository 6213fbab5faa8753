"""Writing TIFF with 8, 16 or 32 (float) bits per sample and metadata.

Tag numbers are those of TIFF 6.0 (Adobe, 1992).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, groupby
from typing import Any, BinaryIO

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from imgtk.geometry import Box, Size
from imgtk.image import Metadata
from imgtk.io import exif, geotiff
from imgtk.io.rows import Rows
from imgtk.io.tiff.compression import Scheme, compressed, scheme_of

_STRIP_BYTES = 1 << 20
_TILE = 512  # pixels of a tile's side, at most
_BIG = 2**32 - 2**24  # files from this size on need BigTIFF's 64-bit offsets
_KIND, _ICC, _XMP, _IPTC, _ORIENTATION, _OFFSETS, _LENGTHS = 254, 34675, 700, 33723, 274, 273, 279
_TILE_OFFSETS, _TILE_LENGTHS = 324, 325
_LONG, _LONG8 = 4, 16  # types of tags
_TYPES = {_ICC: 7, _XMP: 1, _IPTC: 7, **geotiff.TYPES}


def write(file: BinaryIO, pixels: Rows, metadata: Metadata) -> None:
    """Write a file with one image, as `Writer.add` does: in strips, or in tiles if it has a pyramid."""
    size = int(pixels.nbytes * scheme_of(metadata.compression).growth)
    writer = Writer(file, size * 4 // 3 if metadata.pyramid else size)
    writer.add(pixels, metadata, tiled=metadata.pyramid)
    for _ in range(levels(pixels) if metadata.pyramid else 0):
        pixels = halved(pixels[:])
        writer.add(pixels, Metadata(compression=metadata.compression), tiled=True, reduced=True)


class Writer:
    """Writes images into a TIFF file, a page for each.

    Args:
        file: an empty one.
        size: bytes of all pixels, as they may be compressed; from about 4 GB on the file is a BigTIFF.
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

        It is compressed as `metadata.compression` says, or with Deflate; integers as horizontal differences, where
        that helps.

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
        scheme = scheme_of(metadata.compression)
        for tag, value in (_layout(pixels, tiled, scheme) | _metadata_tags(metadata)).items():
            directory[tag] = value
        if reduced:
            directory[_KIND] = 1
        directory[offsets] = directory[lengths] = (0,) * count
        room = len(directory.tobytes(start))
        self._file.write(bytes(room))
        segments = _tiles if tiled else _strips
        sizes = tuple(self._file.write(data) for data in segments(pixels, scheme))
        first = start + room if tiled else 0  # Pillow adds where the directory ends to the offsets of strips
        directory[lengths] = sizes
        directory[offsets] = tuple(accumulate(sizes[:-1], initial=first))
        self._put(start, directory.tobytes(start))
        self._put(self._link, self._offset(start))
        self._link = start + (8 + 20 * len(directory) if self._big else 2 + 12 * len(directory))

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)


def levels(pixels: Rows) -> int:
    """Return how many reduced versions a pyramid over an image has, each of half the sides of the one before: down to
    one that fits into a tile."""
    return max(0, (-(-max(pixels.shape[:2]) // _TILE) - 1).bit_length())


def halved(samples: np.ndarray) -> np.ndarray:
    """Return (H, W, C) at half the size, rounded up: means of 2 x 2 samples."""
    height, width = samples.shape[:2]
    samples = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = samples.astype(np.float32 if samples.dtype.kind == "f" else np.uint32)
    total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
    return total / 4 if samples.dtype.kind == "f" else ((total + 2) // 4).astype(samples.dtype)


def _layout(pixels: Rows, tiled: bool, scheme: Scheme) -> dict[int, Any]:
    height, width, channels = pixels.shape
    floating = pixels.dtype.kind == "f"
    layout: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * pixels.dtype.itemsize,) * channels,
        259: scheme.number,
        262: 2 if channels > 2 else 1,  # RGB or gray
        _ORIENTATION: 1,
        277: channels,
        284: 1,  # the channels of a pixel lie together
        317: 2 if scheme.differences and not floating else 1,  # predictor: horizontal differences, or none
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
    tags |= {_IPTC: metadata.iptc} if metadata.iptc else {}
    tags |= metadata.geo.tags if metadata.geo else {}
    return tags


def _rows_per_strip(pixels: Rows) -> int:
    height, width, channels = pixels.shape
    return min(height, max(1, _STRIP_BYTES // (width * channels * pixels.dtype.itemsize)))


def _strips(pixels: Rows, scheme: Scheme) -> Iterator[bytes]:
    """Yield the compressed strips."""
    rows = _rows_per_strip(pixels)
    for top in range(0, pixels.shape[0], rows):
        yield compressed(pixels[top : top + rows], scheme)


def _tile_size(pixels: Rows) -> Size:
    """Return the sides of tiles: multiples of 16 (TIFF 6.0, section 15) that are not much larger than the image, which
    libvips refuses."""
    height, width, _ = pixels.shape
    return Size(*(min(_TILE, -(-side // 16) * 16) for side in (width, height)))


def _tile_boxes(pixels: Rows) -> list[Box]:
    (height, width, _), tile = pixels.shape, _tile_size(pixels)
    corners = ((left, top) for top in range(0, height, tile.height) for left in range(0, width, tile.width))
    return [Box.of(tile).shifted(left, top) for left, top in corners]


def _tiles(pixels: Rows, scheme: Scheme) -> Iterator[bytes]:
    """Yield the compressed tiles, those at the end filled up with the last pixels; the tiles of a row by several
    threads."""
    tile = _tile_size(pixels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for top, boxes in groupby(_tile_boxes(pixels), key=lambda box: box.top):
            rows = pixels[top : top + tile.height]
            tiles = [_filled(rows[:, box.left : box.right], tile) for box in boxes]
            yield from pool.map(partial(compressed, scheme=scheme), tiles)


def _filled(part: np.ndarray, tile: Size) -> np.ndarray:
    return np.pad(part, ((0, tile.height - part.shape[0]), (0, tile.width - part.shape[1]), (0, 0)), mode="edge")
