"""The pixels of a TIFF page as gray or RGB with straight alpha, by rows.

There is one way for all pages, whether the image is decoded into memory or onto the disk: tifffile decodes strips and
tiles (with imagecodecs), those of a few rows at a time. Only YCbCr without JPEG is decoded by Pillow, as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from tifffile import PHOTOMETRIC

from imgtk.errors import ReadError
from imgtk.io.depth import to_depth, unpremultiplied, widened
from imgtk.io.quiet import without_native_messages, without_warnings
from imgtk.io.srgb import from_cmyk, from_lab
from imgtk.io.tiff.layout import PIECE, Page, planes, segment_shape

_ICC = 34675


def strips(file: BinaryIO, page: Page) -> Iterator[np.ndarray]:
    """Yield the rows of the page from top to bottom, neither turned nor mirrored.

    Yields:
        (h, W, C), uint8, uint16 or float32 as `page.depth` says, with C = `page.colours`, and one more for alpha.
    """
    if page.by_pillow:
        yield _by_pillow(file, page)
        return
    rows = _rows(file, page.ifd)
    if page.mask is None:
        yield from (_arranged(samples, page) for samples in rows)
        return
    for samples, mask in _together(rows, _rows(file, page.mask)):
        colours = _arranged(samples, page)
        opacity = to_depth(_scaled(mask[..., :1], page.mask.bitspersample), page.depth)
        if page.mask.photometric == PHOTOMETRIC.MINISWHITE:
            opacity = to_depth(np.array([255], np.uint8), page.depth) - opacity
        yield np.concatenate([colours, opacity], axis=2)


def decoded(file: BinaryIO, page: Page) -> np.ndarray:
    """Return (H, W, C): all that `strips` yields."""
    width, height = page.size
    dtype = np.dtype({8: np.uint8, 16: np.uint16, 32: np.float32}[page.depth])
    samples, top = np.empty((height, width, page.colours + page.has_alpha), dtype), 0
    for strip in strips(file, page):
        samples[top : top + len(strip)] = strip
        top += len(strip)
    return samples


def _rows(file: BinaryIO, ifd: Any) -> Iterator[np.ndarray]:
    """Yield the samples of a directory as they are stored, (h, W, S), by rows of strips or tiles."""
    height, width = segment_shape(ifd)
    if not height or not width or ifd.dtype is None:
        raise ReadError("the image in it is damaged")
    count, down, across = planes(ifd), -(-ifd.imagelength // height), -(-ifd.imagewidth // width)
    options = {"jpegtables": ifd.jpegtables, "jpegheader": ifd.jpegheader}
    decode = ifd.decode

    def segment(index: int, data: bytes) -> tuple[Any, Any, Any]:
        result: tuple[Any, Any, Any] = decode(data, index, **options)
        return result

    line = ifd.imagewidth * ifd.samplesperpixel * ifd.dtype.itemsize
    at_once = max(1, PIECE // (height * line))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, down, at_once):
            stop = min(down, start + at_once)
            top = start * height
            lines = min(stop * height, ifd.imagelength) - top
            samples = np.empty((lines, ifd.imagewidth, ifd.samplesperpixel), ifd.dtype)
            indices = [
                (plane * down + row) * across + column
                for plane in range(count)
                for row in range(start, stop)
                for column in range(across)
            ]
            stored = [_stored(file, ifd, index) for index in indices]
            for data, (plane, _, y, x, _), _ in pool.map(segment, indices, stored):
                target = samples[y - top : y - top + height, x : x + width]
                target = target[..., plane : plane + 1] if count > 1 else target
                target[...] = data[0, : target.shape[0], : target.shape[1]]
            yield samples


def _stored(file: BinaryIO, ifd: Any, index: int) -> bytes:
    file.seek(ifd.dataoffsets[index])
    return file.read(ifd.databytecounts[index])


def _together(first: Iterable[np.ndarray], second: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of two images of the same height, as many of each."""
    others, waiting = iter(second), np.empty((0,))
    for rows in first:
        while len(rows):
            if not len(waiting):
                waiting = next(others)
            count = min(len(rows), len(waiting))
            yield rows[:count], waiting[:count]
            rows, waiting = rows[count:], waiting[count:]


def _arranged(samples: np.ndarray, page: Page) -> np.ndarray:
    """Return gray or RGB, and alpha if a channel is, of samples (h, W, S) as they are stored."""
    ifd = page.ifd
    index, premultiplied = page.alpha
    if ifd.photometric == PHOTOMETRIC.PALETTE:
        pixels = _palette(ifd)[samples[..., 0].astype(np.intp)]  # of 1 bit they are booleans
    else:
        pixels = _converted(samples[..., : page.stored], page)
    if not index:
        return np.ascontiguousarray(pixels)
    opacity = _scaled(samples[..., index], ifd.bitspersample)
    opacity = to_depth(opacity, page.depth)
    if premultiplied:
        pixels = unpremultiplied(pixels, opacity)
    return np.dstack([pixels, opacity])


def _converted(pixels: np.ndarray, page: Page) -> np.ndarray:
    kind, bits = page.ifd.photometric, page.ifd.bitspersample
    if kind in (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB):
        return from_lab(pixels, signed=kind == PHOTOMETRIC.CIELAB)
    pixels = _scaled(pixels, bits)
    if kind == PHOTOMETRIC.MINISWHITE:
        return (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max) - pixels
    if kind == PHOTOMETRIC.SEPARATED:
        return from_cmyk(pixels, page.ifd.tags.valueof(_ICC))
    return pixels


def _scaled(samples: np.ndarray, bits: int) -> np.ndarray:
    """Return the samples of so many bits in 8 or 16 bits, or 32 for floats."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == bool:
        return samples.astype(np.uint8) * np.uint8(255)
    return widened(samples, bits)


def _palette(ifd: Any) -> np.ndarray:
    """Return (colours, 3), uint8. A map with no value above 255 is one of 8 bits, whatever TIFF 6.0 says of it."""
    colours = np.asarray(ifd.colormap if ifd.colormap is not None else ())
    if colours.ndim != 2 or colours.shape[0] != 3:
        raise ReadError("the image in it is damaged: it has no palette")
    missing = 2 ** int(ifd.bitspersample) - colours.shape[1]
    colours = np.pad(colours, ((0, 0), (0, max(0, missing))))
    return np.ascontiguousarray((colours >> 8 if colours.max() > 255 else colours).astype(np.uint8).T)


def _by_pillow(file: BinaryIO, page: Page) -> np.ndarray:
    if page.ifd.is_subifd or page.ifd.bitspersample != 8:
        raise ReadError(f"imgtk does not read TIFF with YCbCr colours of {page.ifd.bitspersample} bits")
    file.seek(0)
    with without_native_messages(), without_warnings(), PIL.Image.open(file, formats=("TIFF",)) as image:
        image.seek(page.ifd.index)
        del image.tag_v2[274]  # which Pillow would turn it by
        image.load()
        samples = np.asarray(image.convert("RGB"))
    return samples
