"""Facts about WebP and AVIF files that Pillow does not provide."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO, NamedTuple


class AvifFacts(NamedTuple):
    """The samples of an AVIF file, as its header states them."""

    points: tuple[int, int, int, int] | None
    bits: int
    gray: bool


def is_lossless_webp(file: BinaryIO) -> bool:
    """Return whether the pixels of a WebP file, of an animation those of its first frame, are stored without loss (in a
    VP8L chunk; RFC 9649, 2.6)."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8L")
        file.seek(16 if kind == b"ANMF" else length + length % 2, 1)  # a frame has its chunks behind 16 bytes (2.7.1)
    return False


def avif_facts(file: BinaryIO) -> AvifFacts:
    """Return what an AVIF file says of its samples, in the av1C boxes (AV1-ISOBMFF, 2.3.3) of colours and alpha."""
    file.seek(0)
    data = file.read(1 << 20)
    points, at = None, data.find(b"colrnclx")
    if at >= 0 and at + 15 <= len(data):
        primaries, transfer, matrix, full = struct.unpack_from(">HHHB", data, at + 8)
        points = (primaries, transfer, matrix, full >> 7)
    flags = [data[found.end() + 2] for found in re.finditer(b"av1C", data[:-3])]
    bits = max((12 if flag & 0x20 else 10 if flag & 0x40 else 8 for flag in flags), default=8)
    return AvifFacts(points, bits, bool(flags) and all(flag & 0x10 for flag in flags))  # alpha has no colours either
