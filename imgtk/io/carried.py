"""Metadata that a file of another format or size keeps, and those that it drops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgtk.file_format import FileFormat
from imgtk.geometry import Affine, Size
from imgtk.image import Metadata
from imgtk.io import colour, exif
from imgtk.io.formats import JPEG, WEBP, format_of
from imgtk.io.metadata import valid_profile
from imgtk.io.options import WriteOptions
from imgtk.io.stripped import stripped

_SEGMENT_BYTES = 65533  # what a segment of JPEG holds (ITU-T T.81, B.1.1.4)
_XMP_HEADER = 29  # bytes of it that name the packet (XMP Specification Part 3, 1.1.3)
_IPTC_HEADER = 32  # bytes that name the segment and the resource, at most
_HAS_EXTENSION = re.compile(
    rb"\s+xmpNote:HasExtendedXMP\s*=\s*(\"[^\"]*\"|'[^']*')"
    rb"|<xmpNote:HasExtendedXMP[^>]*>[^<]*</xmpNote:HasExtendedXMP>"
)
_WORDS = {
    "icc": "the ICC profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "the resolution",
    "iptc": "IPTC",
    "geo": "the place on Earth",
}


def fitting(metadata: Metadata, size: Size, gray: bool, target: FileFormat) -> Metadata:
    """Return the metadata that a file can hold, updated for its image.

    Args:
        metadata: what the image carries.
        size: of the image that is written.
        gray: whether it is gray.
        target: the format of the file.

    Returns:
        The metadata to write, whose `warnings` name what is left out of `metadata`, and only that.
    """
    kept = replace(
        metadata,
        exif=metadata.exif and exif.resized(metadata.exif, size),
        icc=valid_profile(metadata.icc, colours=b"GRAY" if gray and target is not WEBP else b"RGB "),
        geo=metadata.geo and metadata.geo.resized(size),
        warnings=(),
    )
    lost = [] if not metadata.icc or kept.icc else ["an ICC profile of other colours is left out"]
    held = target.metadata
    lost += [f"{what} is left out" for name, what in _WORDS.items() if getattr(kept, name) and name not in held]
    if kept.dpi and "exif" in held and exif.states_resolution(kept.exif or b""):
        lost = [words for words in lost if not words.startswith(_WORDS["dpi"])]
    if "text" not in held and (others := [key for key in kept.text if target is not JPEG or key != "Comment"]):
        lost.append(f"{'a text is' if len(others) == 1 else f'{len(others)} texts are'} left out")
    if kept.cicp and "cicp" not in held and (what := colour.described(*kept.cicp[:2])):
        lost.append(f"the meaning of colours ({what}) is left out")
    nothing: dict[str, Any] = {name: None for name in _WORDS if name not in held}
    kept = replace(kept, **nothing)
    if target is JPEG:
        kept, too_large = _in_segments(kept)
        lost += too_large
    if kept.xmp_extension and (target is not JPEG or not kept.xmp):
        kept = replace(kept, xmp=kept.xmp and _HAS_EXTENSION.sub(b"", kept.xmp), xmp_extension=None)
        lost.append("XMP beyond 64 kB is left out")
    return replace(kept, warnings=tuple(lost))


def wanted(metadata: Metadata, options: WriteOptions) -> Metadata:
    """Return the metadata as `options` ask for them: with another resolution, also where EXIF states one; without what
    is private."""
    metadata, dpi = stripped(metadata, options.metadata), options.dpi
    if dpi is None:
        return metadata
    return replace(metadata, dpi=(dpi, dpi), exif=metadata.exif and exif.with_resolution(metadata.exif, dpi))


def moved(metadata: Metadata, matrix: Affine | None, size: Size) -> Metadata:
    """Return what an image carried, true for one of `size` that was made of it by moving its pixels.

    Args:
        matrix: where the pixels lie in the image that carried it; None if no matrix tells: what it says of places is
            left out then.
    """
    geo, dpi, warnings = metadata.geo, metadata.dpi, metadata.warnings
    if matrix is None:
        warnings += (f"{_WORDS['geo']} is left out",) if geo else ()
        return replace(metadata, geo=None, warnings=warnings)
    if dpi and abs(matrix.d) > abs(matrix.a):
        dpi = (dpi[1], dpi[0])
    return replace(metadata, geo=geo and geo.mapped(matrix, size), dpi=dpi)


def left_out(
    metadata: Metadata, size: Size, gray: bool, path: Path, options: WriteOptions = WriteOptions()
) -> tuple[str, ...]:
    """Return what of an image is not in the file `path` that it is written to, in words, because of reading or
    the format, not of `options`."""
    metadata = wanted(metadata, options)
    return (*metadata.warnings, *fitting(metadata, size, gray, format_of(path)).warnings)


def _in_segments(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Return the metadata without what exceeds a segment of JPEG."""
    limits = {
        "exif": _SEGMENT_BYTES - len(b"Exif\0\0"),
        "xmp": _SEGMENT_BYTES - _XMP_HEADER,
        "iptc": _SEGMENT_BYTES - 100,
    }
    sizes = {name: len(getattr(metadata, name) or b"") for name in limits}
    large = {name: size for name, size in sizes.items() if size > limits[name]}
    nothing: dict[str, Any] = dict.fromkeys(large)
    return replace(metadata, **nothing), list(_told(large))


def _told(large: dict[str, int]) -> Iterator[str]:
    for name, size in large.items():
        yield f"{_WORDS[name]} of {size} bytes is too large for JPEG and left out"
