"""IPTC-IIM records within Photoshop's image resources, as JPEG files hold them.

Structure: Adobe Photoshop File Formats Specification, "Image Resource Blocks"; resource 0x0404 has the records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIGNATURE, _IPTC = b"8BIM", 0x0404
HEADER = b"Photoshop 3.0\0"
"""First bytes of the APP13 segment of JPEG."""


def from_resources(data: bytes) -> bytes | None:
    """Return the records among image resources; None if there are none."""
    return next((value for number, value in _resources(data) if number == _IPTC and value), None)


def as_resource(records: bytes) -> bytes:
    """Return an image resource that holds the records."""
    return _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(records)) + records + bytes(len(records) % 2)


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while data[at : at + 4] == _SIGNATURE and at + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, at + 4)
        name = 1 + data[at + 6]  # a length and so many letters, to an even number of bytes
        at += 6 + name + name % 2
        (length,) = struct.unpack(">I", data[at : at + 4].rjust(4, b"\0"))
        yield number, data[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
