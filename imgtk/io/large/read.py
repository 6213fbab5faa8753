"""Images that are read by regions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgtk.errors import ReadError
from imgtk.geometry import Box, Size
from imgtk.image import Image, Metadata
from imgtk.io import metadata as meta
from imgtk.io import png, tiff
from imgtk.io.convert import SIDEWAYS, oriented
from imgtk.io.header import Header
from imgtk.io.large import vips
from imgtk.io.large.raster import Raster, raster
from imgtk.io.read import is_tiff, read, reading


@dataclass(frozen=True)
class DiskImage:
    """An upright image on disk.

    Attributes:
        size: in pixels.
        channels: 1 (gray) or 3 (RGB).
        has_alpha: whether a channel of alpha, straight, follows those.
        dtype: uint8, uint16 or float32.
        metadata: what else the file carried.
        samples, orientation: its pixels as they are on disk, and how they are turned.
    """

    size: Size
    channels: int
    has_alpha: bool
    dtype: np.dtype[Any]
    metadata: Metadata
    samples: Raster
    orientation: int = 1

    def read(self, box: Box) -> np.ndarray:
        """Return the samples in `box`, (h, w, channels), with alpha as the last one if there is any."""
        left, top, right, bottom = box
        if self.orientation in (2, 3, 6, 7):
            left, right = self.size.width - right, self.size.width - left
        if self.orientation in (3, 4, 7, 8):
            top, bottom = self.size.height - bottom, self.size.height - top
        if self.orientation in SIDEWAYS:
            left, top, right, bottom = top, left, bottom, right
        samples = oriented(self.samples.read(Box(left, top, right, bottom)), self.orientation)
        return np.ascontiguousarray(samples[..., : self.channels + self.has_alpha])

    def shrunk(self, size: Size) -> np.ndarray:
        """Return all samples at a smaller size: means over what each pixel covers, as OpenCV's INTER_AREA takes
        them."""
        import cv2

        wanted = (size.width, 1)
        lines = (self._line(row, size.height) for row in range(size.height))
        shrunk = np.concatenate([cv2.resize(line, wanted, interpolation=cv2.INTER_AREA) for line in lines])
        shrunk = shrunk.reshape(size.height, size.width, -1)
        return shrunk if self.dtype.kind == "f" else np.rint(shrunk).astype(self.dtype)

    def _line(self, row: int, rows: int) -> np.ndarray:
        """Return the mean of what row `row` of `rows` covers, (1, W, C), float32."""
        start, stop = row * self.size.height, (row + 1) * self.size.height  # in units of 1 / rows
        first, last = start // rows, -(-stop // rows)
        lines = np.arange(first, last)
        weights = np.minimum(stop, (lines + 1) * rows) - np.maximum(start, lines * rows)
        samples = self.read(Box(0, first, self.size.width, last)).astype(np.float32)
        return np.tensordot((weights / weights.sum()).astype(np.float32), samples, 1)[None]


@contextmanager
def opened(path: Path, header: Header, page: int, beside: Path, max_memory: int) -> Iterator[DiskImage]:
    """Open an image in a file and decode it to disk, so that damage is found at once.

    Args:
        header: what the file states about it.
        page: its number in the file, from 0.
        beside: its pixels are in the folder of this file meanwhile, uncompressed.
        max_memory: bytes for formats that cannot be decoded by rows.

    Raises:
        ReadError: if it is damaged, or does not fit into memory and cannot be decoded by rows.
        WriteError: if there is no space for the pixels.
    """
    if header.whole and header.nbytes > max_memory:
        raise ReadError(
            f"cannot read {path}: {header.whole} is not decoded in pieces, and all of it takes "
            f"{header.nbytes / 1e6:,.3g} MB",
            hint="Raise --max-memory, or convert it to a TIFF in tiles.",
        )
    metadata, turned, strips = meta.upright(header.metadata), header.orientation, _strips(path, header, page)
    if header.whole and not _in_tiff(path):
        image = read(path, max_pixels=header.size.pixels)
        metadata, turned, strips = image.metadata, 1, _whole(image, header.channels)
        del image
    width, height = header.size[::-1] if turned in SIDEWAYS else header.size
    dtype = np.dtype({8: np.uint8, 16: np.uint16, 32: np.float32}[header.depth])
    with raster(beside, (height, width, header.channels), dtype) as samples:
        opaque, top = True, 0
        for strip in strips:
            if dtype.kind == "f" and not np.isfinite([strip.min(), strip.max()]).all():
                raise ReadError(f"cannot read {path}: some of its values are infinite or not a number")
            samples.write(Box(0, top, width, top + len(strip)), strip)
            opaque &= bool((strip[..., -1] >= _opaque(dtype)).all())
            top += len(strip)
        channels = 1 if header.channels < 3 else 3
        has_alpha = header.channels > channels and not opaque
        yield DiskImage(header.size, channels, has_alpha, dtype, metadata, samples, turned)


def _in_tiff(path: Path) -> bool:
    """Return whether the image is a page of a TIFF file, and not camera raw."""
    with reading(path) as file:
        try:
            return is_tiff(file) and bool(tiff.pages(file))
        except tiff.RawError:
            return False


def _opaque(dtype: np.dtype[Any]) -> float:
    return 1 if dtype.kind == "f" else np.iinfo(dtype).max


def _whole(image: Image, channels: int) -> Iterator[np.ndarray]:
    """Yield an image as one strip of so many channels: alpha that hides nothing, which it does without, is put back."""
    samples = np.atleast_3d(image.numpy())
    if samples.shape[2] < channels:
        samples = np.concatenate([samples, np.full_like(samples[..., :1], _opaque(samples.dtype))], 2)
    yield samples


def _strips(path: Path, header: Header, page: int) -> Iterator[np.ndarray]:
    """Yield the rows of an image by strips, (h, W, C), with `header.channels`."""
    with reading(path) as file:
        if not is_tiff(file):
            yield from vips.decoded(path, "png" if file.read(1) == png.SIGNATURE[:1] else "jpeg")
            return
        yield from tiff.strips(file, tiff.pages(file)[page])
