"""The file formats that imgtk writes, and what each can hold."""

from __future__ import annotations

from pathlib import Path, PurePath

from imgtk.errors import WriteError
from imgtk.file_format import FileFormat

# The longest side is libjpeg's limit.
JPEG = FileFormat(
    "JPEG",
    (".jpg", ".jpeg", ".jfif", ".jpe"),
    max_side=65_500,
    lossy=True,
    metadata=("icc", "exif", "xmp", "dpi", "iptc"),
)
PNG = FileFormat(
    "PNG", (".png",), depths=(8, 16), alpha=True, metadata=("icc", "exif", "xmp", "dpi", "iptc", "text", "cicp")
)
WEBP = FileFormat("WebP", (".webp",), alpha=True, max_side=16_383, lossy=True, metadata=("icc", "exif", "xmp"))

# libavif reads no longer sides, unless told to (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT).
AVIF = FileFormat("AVIF", (".avif",), alpha=True, max_side=32_768, lossy=True, metadata=("icc", "exif", "xmp"))
TIFF = FileFormat(
    "TIFF", (".tif", ".tiff"), depths=(8, 16, 32), alpha=True, metadata=("icc", "exif", "xmp", "dpi", "iptc", "geo")
)
BMP = FileFormat("BMP", (".bmp",), metadata=("dpi",))

FORMATS = (JPEG, PNG, WEBP, AVIF, TIFF, BMP)

_READ_ONLY = (".apng", ".gif", ".mpo", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".pbm", ".pgm", ".ppm", ".pnm")


def writable() -> tuple[str, ...]:
    """Return the suffixes of the files that are written, those of plugins' formats last."""
    return tuple(suffix for form in _all() for suffix in form.suffixes)


def readable() -> tuple[str, ...]:
    """Return the suffixes of the files that are taken for images in folders; a file that is named is read whatever its
    suffix."""
    return (*writable(), *_READ_ONLY)


def _all() -> tuple[FileFormat, ...]:
    from imgtk.io import foreign  # which imports what reads files

    return (*FORMATS, *foreign.formats())


def suffix_of(path: PurePath) -> str:
    """Return the suffix of an image's name, as written; of backup copies, such as a.JPG~, that of the original."""
    return path.suffix.rstrip("~")


def format_of(path: Path) -> FileFormat:
    """Return the format that the suffix of `path` asks for. Raises WriteError if there is none."""
    for candidate in _all():
        if path.suffix.lower() in candidate.suffixes:
            return candidate
    what = "the name has no suffix that tells the format"
    if path.suffix:
        what = f"a single image cannot be written as {path.suffix}"
    raise WriteError(f"cannot write {path}: {what}", hint=f"imgtk writes {', '.join(writable())}.")
