"""Formats that are known by their first bytes, and read with a library of their own, or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec

_JXL_BOX, _JP2_BOX = b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cjP  \r\n\x87\n"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_RAW = re.compile(rb"FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|FOVb|\0MRM|.{4}ftypcrx ", re.DOTALL)


@dataclass(frozen=True)
class Signature:
    """A format.

    Attributes:
        name: of it, in words: "a camera raw file".
        module: the library that reads it; empty if there is none.
        extra: what installs that library: `pip install 'imgtk[EXTRA]'`.
    """

    name: str
    module: str = ""
    extra: str = ""

    @property
    def readable(self) -> bool:
        return bool(self.module) and find_spec(self.module) is not None

    @property
    def hint(self) -> str:
        if self.extra and not self.readable:
            return f"Install what reads it: pip install 'imgtk[{self.extra}]'"
        return "Convert it to PNG or TIFF, and give that."


JPEG_XL = Signature("a JPEG XL image", "imagecodecs")
JPEG_2000 = Signature("a JPEG 2000 image", "imagecodecs")
HEIC = Signature("an HEIC image", "pi_heif", "heic")
RAW = Signature("a camera raw file", "rawpy", "raw")


_STARTS = {
    b"\xff\xd8\xff": ".jpg",
    b"RIFF....WEBP": ".webp",
    b"....ftypavi[fs]": ".avif",
    b"II[*+]\0|MM\0[*+]": ".tif",
    b"BM.{4}\0{4}": ".bmp",
}


def written_as(head: bytes) -> str:
    """Return the suffix of the format of a file that starts with `head` (32 bytes), if it is one that imgtk writes and
    not PNG; empty otherwise."""
    return next((suffix for start, suffix in _STARTS.items() if re.match(start, head, re.DOTALL)), "")


def signature(head: bytes) -> Signature | None:
    """Return the format of a file that starts with `head` (32 bytes); None if it is none of these."""
    if head.startswith((b"\xff\x0a", _JXL_BOX)):
        return JPEG_XL
    if head.startswith((b"\xff\x4f\xff\x51", _JP2_BOX)):
        return JPEG_2000
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head:
        return HEIC
    if _RAW.match(head):
        return RAW
    others = {
        b"%PDF": "a PDF document",
        b"8BPS": "a Photoshop document",
        b"\x76\x2f\x31\x01": "an OpenEXR image",
        b"qoif": "a QOI image",
        b"DDS ": "a DDS texture",
        b"<svg": "an SVG drawing",
        b"II\xbc\1": "a JPEG XR image",
        b"#?RADIANCE": "a Radiance image",
        b"%!PS": "a PostScript document",
        b"\0\0\1\0": "an icon (ICO)",
        b"icns": "an icon (ICNS)",
        b"gimp xcf": "a GIMP document",
        b"\1\xda": "an SGI image",
        b"<!DOCTYPE": "an HTML page",
        b"<html": "an HTML page",
    }
    return next((Signature(name) for start, name in others.items() if head.startswith(start)), None)
