"""What Pillow does not tell of WebP and AVIF files."""

from __future__ import annotations

import struct
from typing import BinaryIO


def is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the pixels of a WebP file are stored without loss (a VP8L chunk; RFC 9649, 2.6)."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return bool(kind == b"VP8L")
        file.seek(length + length % 2, 1)
    return False


def avif_colours(file: BinaryIO) -> tuple[tuple[int, int, int, int] | None, int]:
    """Code points of ITU-T H.273 (the nclx colr box; ISO/IEC 14496-12, 12.1.5), and bits per sample (the av1C box;
    AV1-ISOBMFF, 2.3.3), of an AVIF file: primaries, transfer, matrix, whether the range is full."""
    file.seek(0)
    data = file.read(1 << 20)
    points, at = None, data.find(b"colrnclx")
    if at >= 0 and at + 15 <= len(data):
        primaries, transfer, matrix, full = struct.unpack_from(">HHHB", data, at + 8)
        points = (primaries, transfer, matrix, full >> 7)
    at, bits = data.find(b"av1C"), 8
    if at >= 0 and at + 7 <= len(data) and data[at + 6] & 0x40:
        bits = 12 if data[at + 6] & 0x20 else 10
    return points, bits
