"""EXIF blocks: small TIFF structures that describe an image.

Blocks are changed in place, so that no offset inside them moves: maker notes, whose inner structure only their maker
knows, stay valid. Tag numbers are those of the Exif 2.32 standard (CIPA DC-008).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import PIL.Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from imgtk.geometry import Size
from imgtk.io.quiet import without_warnings

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
_WIDTHS = (0x0100, 0xA002)  # ImageWidth, PixelXDimension
_HEIGHTS = (0x0101, 0xA003)  # ImageLength, PixelYDimension
_THUMBNAIL_START, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_INCH = 2
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # types of whole numbers, whatever a tag should have
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value of each type
_JPEG = b"\xff\xd8"

# Tags of the main directory that tell of the image, not of how one file stores it: descriptions, camera, software,
# dates, artist, copyright, rating, and the Windows title, comment, author, keywords and subject.
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))


@dataclass
class _Entry:
    tag: int
    type: int
    at: int  # where the value field lies


class _Block:
    """A block under change. Broken parts are skipped, so that the rest stays readable."""

    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4], "")
        self.first = self._get("I", 4) if self.order else 0

    def _get(self, code: str, at: int) -> int:
        """Return the number at `at`; 0 beyond the end."""
        if at + struct.calcsize(code) > len(self.data):
            return 0
        value: int = struct.unpack_from(self.order + code, self.data, at)[0]
        return value

    def entries(self, directory: int) -> Iterator[_Entry]:
        if not directory:
            return
        for at in range(directory + 2, directory + 2 + 12 * self._get("H", directory), 12):
            if at + 12 > len(self.data):
                return
            yield _Entry(self._get("H", at), self._get("H", at + 2), at + 8)

    def value(self, entry: _Entry) -> int:
        code = _WHOLE.get(entry.type)
        return self._get(code, entry.at) if code else 0

    def set(self, entry: _Entry, value: int) -> None:
        struct.pack_into(self.order + "HII", self.data, entry.at - 6, _LONG, 1, value)

    def find(self, directory: int, tag: int) -> _Entry | None:
        return next((entry for entry in self.entries(directory) if entry.tag == tag), None)

    def number(self, directory: int, tag: int) -> int:
        entry = self.find(directory, tag)
        return self.value(entry) if entry else 0

    def drop_thumbnail(self) -> None:
        link = self.first + 2 + 12 * self._get("H", self.first)
        directory = self._get("I", link)
        if not directory:
            return
        start, length = self.number(directory, _THUMBNAIL_START), self.number(directory, _THUMBNAIL_LENGTH)
        struct.pack_into(self.order + "I", self.data, link, 0)
        if self.data[start : start + 2] != _JPEG:
            return
        stop = min(start + length, len(self.data))
        if any(first < stop and start < last for first, last in self._used()):
            return
        if stop == len(self.data):
            del self.data[start:]
        else:
            self.data[start:stop] = bytes(stop - start)

    def _used(self) -> Iterator[tuple[int, int]]:
        """Yield where the header, the directories that are kept and their values lie."""
        yield 0, 8
        camera = self.number(self.first, EXIF_IFD)
        inner = (camera, self.number(self.first, GPS_IFD), self.number(camera, INTEROP_IFD))
        for directory in (self.first, *inner):
            if directory:
                yield directory, directory + 6 + 12 * self._get("H", directory)
            for entry in self.entries(directory):
                size = self._get("I", entry.at - 4) * _SIZES.get(entry.type, 1)
                if size > 4:
                    place = self._get("I", entry.at)
                    yield place, place + size


def is_block(data: bytes) -> bool:
    """Return whether `data` starts like an EXIF block and holds the count of its first directory."""
    first = _Block(data).first
    return 8 <= first <= len(data) - 2


def orientation(block: bytes) -> int | None:
    """Return 1 (upright) to 8; None where the block states none."""
    parsed = _Block(block)
    value = parsed.number(parsed.first, ORIENTATION)
    return value if 1 <= value <= 8 else None


def states_resolution(block: bytes) -> bool:
    parsed = _Block(block)
    return parsed.find(parsed.first, X_RESOLUTION) is not None


def upright(block: bytes) -> bytes:
    """Return `block` for the upright image: with orientation 1, and without the thumbnail."""
    parsed = _Block(block)
    if not parsed.first:
        return block
    parsed.drop_thumbnail()
    entry = parsed.find(parsed.first, ORIENTATION)
    if entry:
        struct.pack_into(parsed.order + "HIHH", parsed.data, entry.at - 6, _SHORT, 1, 1, 0)
    return bytes(parsed.data)


def resized(block: bytes, size: Size) -> bytes:
    """Return `block` for an image of `size`: the dimensions it states are corrected."""
    parsed = _Block(block)
    for directory in (parsed.first, parsed.number(parsed.first, EXIF_IFD)):
        for entry in parsed.entries(directory):
            if entry.tag in _WIDTHS:
                parsed.set(entry, size.width)
            elif entry.tag in _HEIGHTS:
                parsed.set(entry, size.height)
    return bytes(parsed.data)


def with_resolution(block: bytes, dpi: float) -> bytes:
    """Return `block` with the resolution that it states, if it does, changed to `dpi` pixels per inch."""
    parsed = _Block(block)
    for entry in parsed.entries(parsed.first):
        if entry.tag in (X_RESOLUTION, Y_RESOLUTION) and entry.type == _RATIONAL:
            place = parsed._get("I", entry.at)
            if 0 < place <= len(parsed.data) - 8:
                struct.pack_into(parsed.order + "II", parsed.data, place, round(dpi * 1000), 1000)
        elif entry.tag == RESOLUTION_UNIT:
            struct.pack_into(parsed.order + "HIHH", parsed.data, entry.at - 6, _SHORT, 1, _INCH, 0)
    return bytes(parsed.data)


def parse(block: bytes) -> PIL.Image.Exif:
    """Return Pillow's view of a block; empty if the block is none."""
    exif = PIL.Image.Exif()
    if is_block(block):
        with without_warnings():
            exif.load(block)
    return exif


def descriptive_tags(exif: PIL.Image.Exif) -> dict[int, Any]:
    """Return the tags that belong to the image in whatever file it lies, directories of tags as dictionaries."""
    with without_warnings():
        tags = {tag: exif[tag] for tag in DESCRIPTIVE if tag in exif}
        camera, position = dict(exif.get_ifd(EXIF_IFD)), dict(exif.get_ifd(GPS_IFD))
        if INTEROP_IFD in camera:
            camera[INTEROP_IFD] = dict(exif.get_ifd(INTEROP_IFD))
    tags |= {EXIF_IFD: camera} if camera else {}
    tags |= {GPS_IFD: position} if position else {}
    return {tag: value for tag, value in tags.items() if _storable(tag, value)}


def _storable(tag: int, value: Any) -> bool:
    """Return whether the tag is sound enough to be written again; damaged files hold others."""
    directory = ImageFileDirectory_v2()
    try:
        directory[tag] = value
        directory.tobytes()
    except Exception:  # the values are whatever a damaged file held, and so are Pillow's complaints
        return False
    return True


def from_tags(tags: dict[int, Any]) -> bytes | None:
    """Return a block of descriptive tags; None of none."""
    if not tags:
        return None
    exif = PIL.Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif.tobytes().removeprefix(b"Exif\0\0")
