"""PNG with 8 or 16 bits per sample and metadata.

Pillow writes no 16-bit colour and OpenCV no metadata, so imgtk writes its PNG files here. Section numbers are those of
the PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from imgtk.errors import ReadError
from imgtk.image import Metadata
from imgtk.io import iptc
from imgtk.io.png_chunks import METRES_PER_INCH, SIGNATURE, chunk, raw_profile
from imgtk.io.quiet import without_native_messages
from imgtk.io.rows import Rows

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels; 11.2.1
_INDEXED = 3
_STRIP_BYTES = 1 << 20
_COMPRESSION_LEVEL = 4  # a tenth larger than zlib's default of 6, in half the time


def bit_depth(head: bytes) -> int:
    """Return bits per sample of the PNG file that starts with `head`."""
    return head[24]


def is_gray(head: bytes) -> bool:
    """Return whether the PNG file that starts with `head` is gray, with or without alpha (11.2.1)."""
    return head[25] in (0, 4)


def scaled_key(key: int, depth: int) -> int:
    """Return the transparent gray value in 8 bits; Pillow widens pixels of fewer bits, but not this value."""
    return key * 255 // (2**depth - 1)


def decode_deep(data: bytes, key: int | tuple[int, ...] | None) -> np.ndarray:
    """Return the pixels of a 16-bit PNG file.

    Args:
        data: the whole file, known to be sound.
        key: the colour that stands for transparency (tRNS chunk).

    Returns:
        (H, W, C) uint16 with C from 1 to 4; the second or fourth channel is alpha.
    """
    import cv2

    with without_native_messages():
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ReadError("the image in it is damaged or cut short")
    pixels = np.atleast_3d(pixels)
    colours = [0] if is_gray(data) else [2, 1, 0]
    if data[25] in (4, 6):
        return np.ascontiguousarray(pixels[..., [*colours, 3]])
    pixels = np.ascontiguousarray(pixels[..., colours])
    if key is None:
        return pixels
    opaque = (pixels != np.asarray(key, np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([pixels, opaque * np.uint16(65535)], axis=2)


def write(file: BinaryIO, pixels: Rows, metadata: Metadata) -> None:
    """Write (H, W, C), uint8 or uint16, C from 1 to 4; the second or fourth channel is alpha. With a palette, if
    `metadata.indexed` asks for it, and there are few enough colours."""
    height, width, channels = pixels.shape
    colours = palette_of(pixels) if metadata.indexed else None
    depth, colour_type = 8 * pixels.dtype.itemsize, _COLOUR_TYPES[channels]
    if colours is not None:
        depth, colour_type = next(bits for bits in (1, 2, 4, 8) if len(colours) <= 2**bits), _INDEXED
    file.write(SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)))
    for kind, data in metadata_chunks(metadata):
        file.write(chunk(kind, data))
    if colours is not None:
        file.write(chunk(b"PLTE", colours[:, :3].tobytes()))
        file.write(chunk(b"tRNS", colours[:, 3].tobytes()) if channels == 4 else b"")
    strategy = zlib.Z_FILTERED if colours is None else zlib.Z_DEFAULT_STRATEGY
    compressor = zlib.compressobj(_COMPRESSION_LEVEL, strategy=strategy)
    for strip in _filtered(pixels) if colours is None else _indices(pixels, colours, depth):
        if data := compressor.compress(strip):
            file.write(chunk(b"IDAT", data))
    file.write(chunk(b"IDAT", compressor.flush()) + chunk(b"IEND", b""))


def metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield kinds and contents of chunks (11.3): colour space, resolution, EXIF, XMP, IPTC and texts, in an order that
    suits before the pixels."""
    if metadata.cicp:
        yield b"cICP", bytes(metadata.cicp)
    if metadata.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        x, y = (min(round(dpi / METRES_PER_INCH), 2**31 - 1) for dpi in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp
    if metadata.iptc:
        yield raw_profile(b"iptc", iptc.as_resource(metadata.iptc))
    for key, value in metadata.text.items():
        keyword = key.encode("latin-1", "replace")[:79].replace(b"\0", b"")
        if keyword:
            yield b"iTXt", keyword + b"\0\0\0\0\0" + value.replace("\0", "").encode("utf-8", "replace")


def palette_of(pixels: Rows) -> np.ndarray | None:
    """Return the colours (n, C) of 8-bit RGB with or without alpha, sorted; None of other pixels, and of more
    than 256."""
    if pixels.dtype != np.uint8 or pixels.shape[2] < 3:
        return None
    found = np.empty(0, np.uint32)
    for strip in _strips(pixels):
        found = np.union1d(found, _codes(strip))
        if len(found) > 256:
            return None
    return found[:, None].astype(">u4").view(np.uint8)[:, : pixels.shape[2]]


def _codes(pixels: np.ndarray) -> np.ndarray:
    """Return a number for each pixel (h, w, 3 or 4) that is less where its colour comes first; (h, w), uint32."""
    parts = np.pad(pixels, ((0, 0), (0, 0), (0, 4 - pixels.shape[2])))
    return np.ascontiguousarray(parts).view(">u4")[..., 0].astype(np.uint32)


def _indices(pixels: Rows, colours: np.ndarray, depth: int) -> Iterator[bytes]:
    """Yield the strips of rows, of indices of so many bits, unfiltered, as 12.7 recommends."""
    codes = _codes(colours[None])[0]
    for strip in _strips(pixels):
        indices = np.searchsorted(codes, _codes(strip)).astype(np.uint8)
        bits = np.unpackbits(indices[..., None], axis=2)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(len(strip), -1), axis=1)
        yield np.pad(packed, ((0, 0), (1, 0))).tobytes()


def _strips(pixels: Rows) -> Iterator[np.ndarray]:
    """Yield the pixels by about a megabyte of rows."""
    height, width, channels = pixels.shape
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.dtype.itemsize))
    for top in range(0, height, rows):
        yield np.ascontiguousarray(pixels[top : top + rows])


def _filtered(pixels: Rows) -> Iterator[bytes]:
    """Yield the strips of rows, each row under the filter (9.2) whose bytes have the least sum of absolute values, as
    signed numbers (12.7 recommends this choice)."""
    _, width, channels = pixels.shape
    step = channels * pixels.dtype.itemsize  # from a byte to the same byte of the pixel on its left
    above = np.zeros((1, width * step + step), np.uint8)
    for strip in _strips(pixels):
        strip = strip.astype(strip.dtype.newbyteorder(">")).view(np.uint8).reshape(len(strip), -1)
        current = np.pad(strip, ((0, 0), (step, 0)))
        upper = np.concatenate([above, current[:-1]])
        above = current[-1:]
        left, up, corner = current[:, :-step], upper[:, step:], upper[:, :-step]
        candidates = np.stack([strip - left, strip - up, strip - _paeth(left, up, corner)])
        cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        choice = cost.argmin(axis=0)
        filters = np.array([1, 2, 4], np.uint8)[choice]
        yield np.column_stack([filters, candidates[choice, np.arange(len(strip))]]).tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return 9.4: whichever neighbour is nearest to left + up - corner."""
    a, b, c = (side.astype(np.int16) for side in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    use_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(use_left, left, np.where(to_up <= to_corner, up, corner))
