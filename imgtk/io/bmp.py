"""BMP with channels at unusual places of a pixel, which Pillow does not read.

The header is that of Microsoft's documentation: BITMAPFILEHEADER, BITMAPINFOHEADER and BITMAPV4HEADER.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from imgtk.errors import ReadError
from imgtk.geometry import Size

_BITFIELDS, _ALPHABITFIELDS = 3, 6
_METRES_PER_INCH = 0.0254


@dataclass(frozen=True)
class Bitmap:
    """The header of a BMP file."""

    size: Size
    bits: int
    masks: tuple[int, int, int, int]
    start: int
    upside_down: bool
    dpi: tuple[float, float] | None

    @property
    def depth(self) -> int:
        """Bits of a sample in memory: 8, or 16 where a channel of the file has more."""
        return 16 if any(bin(mask).count("1") > 8 for mask in self.masks) else 8


def header(file: BinaryIO) -> Bitmap | None:
    """Return the header of a BMP file with masks; None of other files."""
    file.seek(0)
    head = file.read(14 + 56)
    file.seek(0)
    if len(head) < 66 or head[:2] != b"BM":
        return None
    (start,) = struct.unpack_from("<I", head, 10)
    length, width, height, _, bits, compression, _, x, y = struct.unpack_from("<IiiHHIIii", head, 14)
    if compression not in (_BITFIELDS, _ALPHABITFIELDS) or bits not in (16, 32) or length < 40:
        return None
    has_alpha = compression == _ALPHABITFIELDS or length >= 56
    red, green, blue, alpha = struct.unpack("<4I", head[54:70].ljust(16, b"\0"))
    dpi = (x * _METRES_PER_INCH, y * _METRES_PER_INCH) if x > 0 and y > 0 else None
    masks = (red, green, blue, alpha if has_alpha else 0)
    return Bitmap(Size(width, abs(height)), bits, masks, start, height > 0, dpi)


def decoded(file: BinaryIO, bitmap: Bitmap) -> np.ndarray:
    """Return (H, W, 3 or 4), uint8 or uint16 as `depth` says, with alpha as the last channel if it has a mask."""
    width, height = bitmap.size
    line = -(-width * bitmap.bits // 32) * 4  # rows are filled up to four bytes
    file.seek(bitmap.start)
    data = file.read(line * height)
    if len(data) < line * height or not all(bitmap.masks[:3]):
        raise ReadError("the image in it is damaged or cut short")
    rows = np.frombuffer(data, f"<u{bitmap.bits // 8}").reshape(height, -1)[:, :width].astype(np.uint64)
    full, dtype = 2**bitmap.depth - 1, np.uint8 if bitmap.depth == 8 else np.uint16
    samples = np.dstack([_channel(rows, mask, full) for mask in bitmap.masks if mask]).astype(dtype)
    return samples[::-1] if bitmap.upside_down else samples


def _channel(rows: np.ndarray, mask: int, full: int) -> np.ndarray:
    lowest = (mask & -mask).bit_length() - 1
    largest = mask >> lowest
    if largest & (largest + 1):
        raise ReadError(f"the bits of a channel are not side by side ({mask:#x})")
    values = (rows & np.uint64(mask)) >> np.uint64(lowest)
    result: np.ndarray = (values * np.uint64(full) + np.uint64(largest // 2)) // np.uint64(largest)
    return result
