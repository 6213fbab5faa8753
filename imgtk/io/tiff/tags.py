"""Metadata of a TIFF page."""

from __future__ import annotations

import re
import struct
from typing import Any, BinaryIO

import PIL.Image

from imgtk.image import Metadata
from imgtk.io import exif, geotiff, iptc
from imgtk.io.metadata import valid_profile
from imgtk.io.quiet import without_warnings
from imgtk.io.tiff.layout import CONVERTED, Page

_DESCRIPTION, _ICC, _XMP, _IPTC, _PHOTOSHOP = 270, 34675, 700, 33723, 34377
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_WHITE_POINT, _PRIMARIES, _TRANSFER = 318, 319, 301
_INCH, _CENTIMETRE = 2, 3

# Descriptions that programs write for themselves; all of them tell of the size, which will not be true any more.
_TECHNICAL = {
    "OME-XML": re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<([\w.]+:)?OME[\s>]", re.DOTALL),
    "the description for tifffile": re.compile(r'\s*\{"shape"\s*:'),
    "the description for ImageJ": re.compile(r"ImageJ=\d"),
    "the description for Aperio's viewers": re.compile(r"Aperio "),
    "the description for SCIFIO": re.compile(r"SCIFIO="),
}


def metadata(file: BinaryIO, page: Page) -> Metadata:
    """Return the metadata of a page; the EXIF block states no orientation."""
    ifd, warnings = page.ifd, list(page.warnings)
    tags = _descriptive(file, ifd)
    if ifd is not page.first and page.first.is_reduced:  # a preview, with what is said of all
        tags = _descriptive(file, page.first) | tags
    for what, form in _TECHNICAL.items():
        if form.match(str(tags.get(_DESCRIPTION, ""))):
            del tags[_DESCRIPTION]
            if what != "the description for tifffile":  # which has the shape only
                warnings.append(f"{what} is left out")
    if further := ifd.samplesperpixel - page.stored - (page.alpha[0] > 0):
        warnings.append("a further channel is left out" if further == 1 else f"{further} further channels are left out")
    icc = valid_profile(ifd.tags.valueof(_ICC))
    if _beyond_pillow(ifd) and (exif.EXIF_IFD in ifd.tags or exif.GPS_IFD in ifd.tags):
        warnings.append("EXIF of big-endian BigTIFF is left out")
    if ifd.photometric not in CONVERTED and {_WHITE_POINT, _PRIMARIES, _TRANSFER} & {*ifd.tags.keys()} and not icc:
        warnings.append("white point, primaries or transfer function of the colours are left out")
    xmp = ifd.tags.valueof(_XMP)
    return Metadata(
        icc=icc if icc and icc[16:20] == (b"GRAY" if page.colours == 1 else b"RGB ") else None,
        exif=exif.from_tags(tags),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp or None,
        iptc=_iptc(ifd),
        dpi=_dpi(ifd),
        compression=int(ifd.compression),
        pyramid=_has_pyramid(ifd),
        geo=geotiff.reference(ifd) if page.orientation == 1 else None,
        warnings=tuple(warnings),
    )


def _descriptive(file: BinaryIO, ifd: Any) -> dict[int, Any]:
    if _beyond_pillow(ifd):
        texts = {tag: ifd.tags.valueof(tag) for tag in exif.DESCRIPTIVE}
        return {tag: value for tag, value in texts.items() if isinstance(value, str)}
    tags = PIL.Image.Exif()
    tags.endian, tags.bigtiff = ifd.parent.byteorder, ifd.parent.is_bigtiff
    with without_warnings():
        tags.load_from_fp(file, ifd.offset)
    return exif.descriptive_tags(tags)


def _beyond_pillow(ifd: Any) -> bool:
    """Return whether it is a big-endian BigTIFF, whose directories Pillow 13 takes for those of a smaller file."""
    return bool(ifd.parent.is_bigtiff and ifd.parent.byteorder == ">")


def _iptc(ifd: Any) -> bytes | None:
    value = ifd.tags.valueof(_IPTC)
    if isinstance(value, tuple) and all(isinstance(number, int) and 0 <= number < 2**32 for number in value):
        value = struct.pack(f"{ifd.parent.byteorder}{len(value)}I", *value)  # often stated as words of 32 bits
    if isinstance(value, bytes) and value:
        return value
    resources = ifd.tags.valueof(_PHOTOSHOP)
    return iptc.from_resources(resources) if isinstance(resources, bytes) else None


def _dpi(ifd: Any) -> tuple[float, float] | None:
    unit = ifd.tags.valueof(_UNIT, default=_INCH)
    if unit not in (_INCH, _CENTIMETRE) or _X_RESOLUTION not in ifd.tags or _Y_RESOLUTION not in ifd.tags:
        return None
    dpi = ifd.get_resolution("INCH")
    return dpi if min(dpi) > 0 else None


def _has_pyramid(ifd: Any) -> bool:
    """Return whether reduced versions of the page follow it in the file, or are in it."""
    following = ifd.parent.pages
    if ifd.is_subifd:
        return False
    return bool(ifd.subifds) or (ifd.index + 1 < len(following) and bool(following[ifd.index + 1].is_reduced))
