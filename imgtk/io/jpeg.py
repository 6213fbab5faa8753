"""Facts about JPEG files that Pillow does not provide: extended XMP, and whether a file without an end is complete.

Sections are those of ITU-T T.81 and of the XMP Specification, Part 3 (Adobe, 2020).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image

from imgtk.image import Metadata
from imgtk.io import iptc

_EOI = b"\xff\xd9"
_SOS, _APP1, _APP13 = 0xDA, 0xE1, 0xED
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # B.1.1.3: SOF0 to SOF15
SOF55 = 0xF7  # of JPEG-LS (ITU-T T.87, C.1.1)
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
SEGMENT_BYTES = 65533  # B.1.1.4
_FILLERS = (b"\x00", b"\x55", b"\xaa", b"\xfe")


def completed(data: bytes) -> bytes | None:
    """Return the file with the end marker that it lacks; None if pixels are missing, too.

    All scans must be there, and what stands for missing bits must not change a pixel.
    """
    data = data.rstrip(b"\xff")
    if not _has_all_scans(data):
        return None
    images = []
    for filler in _FILLERS:
        with PIL.Image.open(BytesIO(data + filler * 64 + _EOI), formats=("JPEG",)) as image:
            images.append(np.asarray(image))
    same = all(np.array_equal(image, images[0]) for image in images[1:])
    return data + _EOI if same else None


def quality(tables: Mapping[int, Sequence[int]]) -> int:
    """Return the quality, 1 to 100, at which libjpeg's tables are no coarser than these on average, that is the one it
    has used if it wrote the file.

    Args:
        tables: quantisation tables (B.2.4.1), as Pillow gives them; the first one is that of brightness.
    """
    steps = sum(next(iter(tables.values())))
    return next(quality for quality, usual in enumerate(_usual_steps(), 1) if usual <= steps or quality == 100)


@lru_cache
def _usual_steps() -> tuple[int, ...]:
    """Return the sum of libjpeg's table for brightness, at each quality from 1 to 100."""
    sums = []
    for quality in range(1, 101):
        file = BytesIO()
        PIL.Image.new("L", (1, 1)).save(file, "JPEG", quality=quality)
        with PIL.Image.open(file) as image:
            sums.append(sum(image.quantization[0]))
    return tuple(sums)


def frame(data: bytes) -> tuple[int, bytes]:
    """Return the marker and the contents of the frame header (B.2.2): bits per sample, height, width, components. The
    contents are empty if there is none."""
    headers = ((marker, payload) for marker, payload in _segments(data) if marker in (*_FRAMES, SOF55))
    return next(headers, (0, b""))


def _has_all_scans(data: bytes) -> bool:
    """Return whether every coefficient of every component is there with all its bits (G.1.1.1)."""
    missing: dict[int, list[int]] = {}
    for marker, payload in _segments(data):
        if marker in _FRAMES:
            missing = {payload[6 + 3 * index]: [1] * 64 for index in range(payload[5])}
        elif marker == _SOS:
            count = payload[0]
            first, last, approximation = payload[1 + 2 * count : 4 + 2 * count]
            for index in range(count):
                left = approximation & 15
                if payload[1 + 2 * index] in missing:
                    missing[payload[1 + 2 * index]][first : last + 1] = [left] * (last + 1 - first)
    return bool(missing) and not any(any(left) for left in missing.values())


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield markers and what belongs to them (B.1.1.4), without compressed data."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker in _ALONE:  # stuffed, filled up, or without a length
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _EOI[1]:
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def extended_xmp(segments: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Return the XMP that exceeds a segment, put together (1.1.3.1); None if there is none, or a part is missing.

    Args:
        segments: application markers and their contents, as Pillow lists them.
    """
    parts: dict[bytes, dict[int, bytes]] = {}
    sizes: dict[bytes, int] = {}
    for name, data in segments:
        head = len(_EXTENSION)
        if name == "APP1" and data.startswith(_EXTENSION) and len(data) > head + 40:
            guid, (size, offset) = data[head : head + 32], struct.unpack_from(">II", data, head + 32)
            parts.setdefault(guid, {})[offset] = data[head + 40 :]
            sizes[guid] = size
    for guid, found in parts.items():
        whole = b"".join(part for _, part in sorted(found.items()))
        if (
            len(whole) == sizes[guid]
            and hashlib.md5(whole, usedforsecurity=False).hexdigest().upper().encode() == guid.upper()
        ):
            return whole
    return None


def segments(metadata: Metadata) -> bytes:
    """Return the segments of XMP and its extension, and of IPTC, for behind those that Pillow writes."""
    found = []
    if metadata.iptc:
        found.append((_APP13, iptc.HEADER + iptc.as_resource(metadata.iptc)))
    if metadata.xmp:
        found.append((_APP1, _XMP + metadata.xmp))
    if metadata.xmp and metadata.xmp_extension:
        whole, step = metadata.xmp_extension, SEGMENT_BYTES - len(_EXTENSION) - 40
        for offset in range(0, len(whole), step):
            head = _EXTENSION + _digest(whole) + struct.pack(">II", len(whole), offset)
            found.append((_APP1, head + whole[offset : offset + step]))
    return b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data for marker, data in found)


def _digest(whole: bytes) -> bytes:
    """Return what names an extension (1.1.3.1)."""
    return hashlib.md5(whole, usedforsecurity=False).hexdigest().upper().encode()


def resources(info: Any) -> bytes | None:
    """Return the IPTC records among the image resources that Pillow found."""
    found = info.get("photoshop")
    value = found.get(0x0404) if isinstance(found, dict) else None
    return bytes(value) if value else None
