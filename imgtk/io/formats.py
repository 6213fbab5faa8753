"""The file formats that imgtk writes, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from imgtk.errors import WriteError


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: as Pillow calls it.
        suffixes: of file names, lower case, with the dot.
        depths: bits per sample that it holds; 32 means floating point.
        alpha: whether it holds transparency.
        max_side: longest side in pixels.
        lossy: whether it takes `quality`.
        metadata: the attributes of `Metadata` that it holds.
    """

    name: str
    suffixes: tuple[str, ...]
    depths: tuple[int, ...] = (8,)
    alpha: bool = False
    max_side: int = 2**31 - 1
    lossy: bool = False
    metadata: tuple[str, ...] = ()


# The longest side is libjpeg's limit.
JPEG = Format(
    "JPEG",
    (".jpg", ".jpeg", ".jfif", ".jpe"),
    max_side=65_500,
    lossy=True,
    metadata=("icc", "exif", "xmp", "dpi", "iptc"),
)
PNG = Format(
    "PNG", (".png",), depths=(8, 16), alpha=True, metadata=("icc", "exif", "xmp", "dpi", "iptc", "text", "cicp")
)
WEBP = Format("WebP", (".webp",), alpha=True, max_side=16_383, lossy=True, metadata=("icc", "exif", "xmp"))

# libavif reads no longer sides, unless told to (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT).
AVIF = Format("AVIF", (".avif",), alpha=True, max_side=32_768, lossy=True, metadata=("icc", "exif", "xmp"))
TIFF = Format(
    "TIFF", (".tif", ".tiff"), depths=(8, 16, 32), alpha=True, metadata=("icc", "exif", "xmp", "dpi", "iptc", "geo")
)
BMP = Format("BMP", (".bmp",), metadata=("dpi",))

FORMATS = (JPEG, PNG, WEBP, AVIF, TIFF, BMP)

WRITABLE = tuple(suffix for form in FORMATS for suffix in form.suffixes)
_OTHERS = (".apng", ".gif", ".mpo", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm")
READABLE = (*WRITABLE, *_OTHERS)
"""Suffixes of the files that are taken for images in folders; a file that is named is read whatever its suffix."""


def suffix_of(path: PurePath) -> str:
    """Return the suffix of an image's name, as written; of backup copies, such as a.JPG~, that of the original."""
    return path.suffix.rstrip("~")


def format_of(path: Path) -> Format:
    """Return the format that the suffix of `path` asks for. Raises WriteError if there is none."""
    for candidate in FORMATS:
        if path.suffix.lower() in candidate.suffixes:
            return candidate
    what = "the name has no suffix that tells the format"
    if path.suffix:
        what = f"a single image cannot be written as {path.suffix}"
    raise WriteError(f"cannot write {path}: {what}", hint=f"imgtk writes {', '.join(WRITABLE)}.")
