"""The images in a TIFF file, and what their directories say of them.

Tag numbers are those of TIFF 6.0 (Adobe, 1992); tifffile parses the directories.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, SAMPLEFORMAT

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.io.signatures import RAW

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings are ours to report

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_ORIENTATION, _INK_SET = 274, 332
_LAYOUT = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347}
"""Tags without which pixels are read wrong."""

_GRAY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MASK)
_LAB = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB)
_RAW = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
CONVERTED = (*_LAB, PHOTOMETRIC.SEPARATED)
"""Colours that become sRGB."""

_CHANNELS = {
    **dict.fromkeys((*_GRAY, PHOTOMETRIC.PALETTE), 1),
    **dict.fromkeys((PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR, *_LAB), 3),
    PHOTOMETRIC.SEPARATED: 4,
}
_RGB_INSIDE = (
    COMPRESSION.JPEG,
    COMPRESSION.WEBP,
    COMPRESSION.JPEGXL,
    COMPRESSION.JPEGXL_DNG,
)  # codecs that leave YCbCr
PIECE = 1 << 24  # bytes of pixels that are decoded at a time, more or less
_LARGE = 1 << 28  # bytes of a strip or tile above which it is not a piece any more


class RawError(ReadError):
    """The file is camera raw."""


@dataclass(frozen=True)
class Page:
    """An image in a TIFF file.

    Attributes:
        ifd: its directory, as tifffile knows it.
        first: the first directory of the file, which has what is said of the file as a whole.
        mask: the directory of its transparency mask; None without one.
        warnings: what in the file belongs to it, and is left out, in words.
    """

    ifd: Any
    first: Any
    mask: Any = None
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """Size of the image as stored in the file."""
        return Size(self.ifd.imagewidth, self.ifd.imagelength)

    @property
    def orientation(self) -> int:
        """1 (upright) to 8."""
        stated = self.ifd.tags.valueof(_ORIENTATION, default=1)
        return int(stated) if isinstance(stated, int) and 1 <= stated <= 8 else 1

    @property
    def floating(self) -> bool:
        return bool(self.ifd.sampleformat == SAMPLEFORMAT.IEEEFP)

    @property
    def depth(self) -> int:
        """Bits of a sample in memory: 8, 16, or 32 for floats."""
        palette = self.ifd.photometric == PHOTOMETRIC.PALETTE
        return 32 if self.floating else 8 if palette or self.ifd.bitspersample <= 8 else 16

    @property
    def colours(self) -> int:
        """Channels of colour that the image has in imgtk: 3, or 1 for gray."""
        return 1 if self.ifd.photometric in _GRAY else 3

    @property
    def stored(self) -> int:
        """Channels of the file that tell the colour."""
        return _CHANNELS[self.ifd.photometric]

    @property
    def alpha(self) -> tuple[int, bool]:
        """Which channel of the file is alpha, 0 if none is; and whether the colours are multiplied with it."""
        first, samples = self.stored, self.ifd.samplesperpixel
        kinds = [int(kind) for kind in self.ifd.extrasamples] or [2] * (samples - first)  # no tag means alpha
        for index, kind in enumerate(kinds, first):
            if kind in (1, 2) and index < samples:
                return index, kind == 1
        return 0, False

    @property
    def has_alpha(self) -> bool:
        return self.mask is not None or self.alpha[0] > 0

    @property
    def by_pillow(self) -> bool:
        """Whether Pillow (with libtiff) decodes it: what tifffile does not turn into RGB, or cannot decode."""
        kind, compression = self.ifd.photometric, self.ifd.compression
        return compression == COMPRESSION.OJPEG or (kind == PHOTOMETRIC.YCBCR and compression not in _RGB_INSIDE)

    @property
    def decoded_whole(self) -> str:
        """Why the page can only be decoded as a whole, in words; or empty."""
        if self.by_pillow:
            return f"TIFF with {colours_of(self.ifd)} colours"
        large = any(_segment_bytes(ifd) > _LARGE for ifd in (self.ifd, self.mask) if ifd is not None)
        return f"TIFF in strips or tiles of more than {_LARGE >> 20} MB" if large else ""


def _segment_bytes(ifd: Any) -> int:
    """Return the bytes of a strip or tile, decoded."""
    height, width = segment_shape(ifd)
    return int(height * width * ifd.samplesperpixel * (ifd.dtype.itemsize if ifd.dtype else 8))


def segment_shape(ifd: Any) -> tuple[int, int]:
    """Return the height and width of a strip or tile."""
    if ifd.is_tiled:
        return ifd.tilelength, ifd.tilewidth
    return min(ifd.rowsperstrip, ifd.imagelength), ifd.imagewidth


def planes(ifd: Any) -> int:
    """Return the number of planes, with one channel each, that the pixels are divided into; 1 if the channels of a
    pixel are stored together."""
    return int(ifd.samplesperpixel) if ifd.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1


def pages(file: BinaryIO) -> list[Page]:
    """Return the images in the file, without masks, and without smaller versions of others.

    Raises:
        ReadError: if it is camera raw, damaged where a page should follow, or holds what imgtk does not read.
    """
    chain: list[Any] = list(tifffile.TiffFile(file).pages)
    if not chain:
        return []
    if _next(chain[-1]) not in (0, *(ifd.offset for ifd in chain)):
        raise ReadError(f"it is damaged or cut short after page {len(chain)}")
    inner = [sub for ifd in chain if ifd.subifds for sub in ifd.pages]
    file.seek(8)
    if file.read(2) == b"CR" or any(ifd.photometric in _RAW for ifd in (*chain, *inner)):
        raise RawError(f"it is {RAW.name}", hint=RAW.hint)
    found = list(_with_masks(_full_size(chain, inner), chain[0]))
    for page in found:
        _check(page)
        for ifd in (page.ifd, page.mask):
            if ifd is not None:
                _cut(ifd)
    return found


def _full_size(chain: list[Any], inner: list[Any]) -> list[Any]:
    """Return the directories without smaller versions of others; if there are only such, the largest one."""
    for candidates in (chain, inner):
        full = [ifd for ifd in candidates if not ifd.is_reduced]
        if any(not _is_mask(ifd) for ifd in full):
            return full
    return [max((*chain, *inner), key=lambda ifd: ifd.imagewidth * ifd.imagelength)]


def _is_mask(ifd: Any) -> bool:
    return bool(ifd.is_mask) or ifd.photometric == PHOTOMETRIC.MASK


def _with_masks(ifds: Iterable[Any], first: Any) -> Iterator[Page]:
    page: Page | None = None
    for ifd in ifds:
        if page is None or not _is_mask(ifd):
            if page:
                yield page
            page = Page(ifd, first)
        elif page.has_alpha or ifd.samplesperpixel > 1 or ifd.shape[:2] != (page.size.height, page.size.width):
            page = Page(page.ifd, first, page.mask, (*page.warnings, "a further transparency mask is left out"))
        else:
            page = Page(page.ifd, first, ifd, page.warnings)
    if page:
        yield page


def _next(ifd: Any) -> int:
    """Return where in the file the page says that the next one is; 0 if it is the last."""
    file, form = ifd.parent.filehandle, ifd.parent.tiff
    file.seek(ifd.offset + form.tagnosize + len(_codes(ifd)) * form.tagsize)
    (offset,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    return int(offset)


def _codes(ifd: Any) -> list[int]:
    """Return the numbers of all tags in a directory; tifffile skips those whose values are missing."""
    file, form = ifd.parent.filehandle, ifd.parent.tiff
    file.seek(ifd.offset)
    (count,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    entries = file.read(count * form.tagsize)
    return [struct.unpack_from(form.byteorder + "H", entries, at)[0] for at in range(0, len(entries), form.tagsize)]


def _check(page: Page) -> None:
    """Raise ReadError, naming it, for what imgtk does not read."""
    ifd = page.ifd
    if ifd.photometric not in _CHANNELS:
        raise ReadError(
            f"its colours are {colours_of(ifd)}", hint="imgtk reads gray, RGB, palettes, CMYK, YCbCr and Lab."
        )
    if ifd.imagedepth > 1:
        raise ReadError("it is not a flat image")
    for directory in (ifd, page.mask):
        if directory is not None:
            if _LAYOUT & {*_codes(directory)} - {*directory.tags.keys()}:
                raise ReadError("the image in it is damaged or cut short")
            _check_samples(directory)
    if ifd.photometric == PHOTOMETRIC.SEPARATED and (ifd.tags.valueof(_INK_SET, default=1) != 1):
        raise ReadError("its inks are not cyan, magenta, yellow and black")
    if ifd.samplesperpixel < page.stored:
        raise ReadError(f"the image in it is damaged: {colours_of(ifd)} colours in {ifd.samplesperpixel} channels")


def _check_samples(ifd: Any) -> None:
    hint = "imgtk reads whole numbers of up to 16 bits without sign, and floats."
    bits = ifd.bitspersample
    stated = ifd.tags.valueof(339, default=1)
    formats = set(stated) if isinstance(stated, tuple) else {stated}
    if isinstance(bits, tuple) or len(formats) > 1:
        raise ReadError("its channels differ in their bits", hint=hint)
    kinds = {2: "whole numbers with sign", 5: "complex numbers", 6: "complex numbers"}
    if formats & set(kinds):
        raise ReadError(f"its samples are {kinds[formats.pop()]}, of {bits} bits", hint=hint)
    if formats != {3} and bits > 16:
        raise ReadError(f"its samples are whole numbers of {bits} bits", hint=hint)
    try:
        if ifd.compression != COMPRESSION.NONE:
            tifffile.TIFF.DECOMPRESSORS[ifd.compression]
    except KeyError:
        name = getattr(ifd.compression, "name", ifd.compression)
        raise ReadError(f"imgtk does not read TIFF with the compression {name}") from None


def colours_of(ifd: Any) -> str:
    kind = ifd.photometric
    return getattr(kind, "name", f"of the kind {kind}")


def check_segments(file: BinaryIO, page: Page) -> None:
    """Raise ReadError where a strip or tile is missing: decoders would leave its pixels black silently."""
    size = file.seek(0, 2)
    for ifd in (page.ifd, page.mask):
        if ifd is None:
            continue
        height, width = segment_shape(ifd)
        wanted = planes(ifd) * -(-ifd.imagelength // height) * -(-ifd.imagewidth // width)
        segments = list(zip(ifd.dataoffsets, ifd.databytecounts, strict=True))
        if len(segments) < wanted or not all(0 < length <= size - at for at, length in segments):
            raise ReadError("the image in it is damaged or cut short")


def _cut(ifd: Any) -> None:
    """Divide uncompressed pixels that lie in a single strip (of each plane) into smaller ones, to be read in pieces."""
    if ifd.compression != COMPRESSION.NONE or ifd.is_tiled or not 0 < ifd.imagelength <= ifd.rowsperstrip:
        return
    count = planes(ifd)
    line = -(-ifd.imagewidth * ifd.bitspersample * ifd.samplesperpixel // count // 8)
    rows = PIECE // max(1, line) or 1
    if rows >= ifd.imagelength or len(ifd.dataoffsets) != count or min(ifd.databytecounts) < line * ifd.imagelength:
        return
    tops = range(0, ifd.imagelength, rows)
    ifd.dataoffsets = tuple(start + top * line for start in ifd.dataoffsets for top in tops)
    ifd.databytecounts = tuple(min(rows, ifd.imagelength - top) * line for _ in range(count) for top in tops)
    ifd.rowsperstrip = rows
