"""The schemes by which strips and tiles of TIFF are compressed when they are written.

Numbers are those of the tag Compression (259): TIFF 6.0 (Adobe, 1992), and of libtiff where that has none.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np

_LEVEL = 4  # of Deflate


@dataclass(frozen=True)
class Scheme:
    """How segments are compressed.

    Attributes:
        number: in the file.
        encode: compresses the rows of a segment, (H, bytes), uint8.
        differences: whether integers are stored as differences from their left neighbours.
        growth: bytes of the largest result for a byte.
    """

    number: int
    encode: Callable[[np.ndarray], bytes]
    differences: bool = True
    growth: float = 1.01


def _packed(rows: np.ndarray) -> bytes:
    """Return PackBits, of which no run goes beyond a row (TIFF 6.0, section 9)."""
    return b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in rows)


NONE = Scheme(1, np.ndarray.tobytes, differences=False)
LZW = Scheme(5, lambda rows: bytes(imagecodecs.lzw_encode(rows.tobytes())), growth=1.5)
DEFLATE = Scheme(8, lambda rows: zlib.compress(rows.tobytes(), _LEVEL))
PACK_BITS = Scheme(32773, _packed, differences=False)
LZMA = Scheme(34925, lambda rows: bytes(imagecodecs.lzma_encode(rows.tobytes(), level=1)))
ZSTD = Scheme(50000, lambda rows: bytes(imagecodecs.zstd_encode(rows.tobytes())))

_SCHEMES = {scheme.number: scheme for scheme in (NONE, LZW, DEFLATE, PACK_BITS, LZMA, ZSTD)}


def scheme_of(number: int | None) -> Scheme:
    """Return the scheme of that number, or Deflate in its place: for images from other formats, and for schemes that
    are lossy or are not written."""
    return _SCHEMES.get(number or 0, DEFLATE)


def compressed(segment: np.ndarray, scheme: Scheme) -> bytes:
    """Return the bytes of a strip or tile (H, W, C), little-endian, compressed."""
    coded = np.array(segment, dtype=segment.dtype.newbyteorder("<"))
    if scheme.differences and coded.dtype.kind == "u":
        coded[:, 1:] -= segment[:, :-1]
    return scheme.encode(coded.view(np.uint8).reshape(len(coded), -1))
