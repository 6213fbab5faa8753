"""Reading image files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import bmp, by_pillow, codecs, foreign, jpeg, tiff
from imgtk.io import metadata as meta
from imgtk.io.convert import assembled, oriented
from imgtk.io.header import MAX_PIXELS, Header, check_frames, check_size, upright_size
from imgtk.io.signatures import HEIC, RAW, Signature, signature

_READABLE = "imgtk reads JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG XL, JPEG 2000 and PNM."


def read(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Return the image in a file, upright, with everything the file carries. Its content decides the format, not its
    name.

    Args:
        path: the file.
        max_pixels: width * height above which the image is not decoded.

    Returns:
        8-bit images as uint8, those of 9 to 16 bits as uint16, floating point TIFF as float32. Palettes become RGB,
        CMYK and Lab become sRGB.

    Raises:
        ReadError: if there is no such file, or it holds no image, a damaged one, several, or one that is too large.
    """
    with reading(Path(path)) as file:
        return _decoded(file, Path(path), max_pixels)


def read_size(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Size:
    """Return the size that `read` would give the image in a file, without decoding it: damage to its pixels is not
    found.

    Raises:
        ReadError: as `read` does.
    """
    headers = read_headers(path, max_pixels=max_pixels)
    with reading(Path(path)):
        check_frames(len(headers), "pages")
    return headers[0].size


def read_headers(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> list[Header]:
    """Return the image in a file, or the pages of a TIFF file, without decoding them.

    Raises:
        ReadError: as `read` does, but for damaged pixels and several pages.
    """
    with reading(Path(path)) as file:
        head = _head(file)
        if plugins := foreign.by_start(head):
            return [foreign.header(file, plugins, Path(path), max_pixels)]
        if (other := _other(file, head)) and other != HEIC:
            return [_other_header(file, other, Path(path), max_pixels)]
        if is_tiff(file):
            pages = _tiff_pages(file, max_pixels)
            if not pages:
                return [_other_header(file, RAW, Path(path), max_pixels)]
            return [_tiff_header(file, page) for page in pages]
        if bitmap := bmp.header(file):
            check_size(*bitmap.size, max_pixels)
            channels = 4 if bitmap.masks[3] else 3
            return [Header(bitmap.size, channels, bitmap.depth, Metadata(dpi=bitmap.dpi), 1, "BMP")]
        return [by_pillow.header(file, max_pixels)]


def _other(file: BinaryIO, head: bytes) -> Signature | None:
    """Return the format, if it is one that has a library of its own. Raises ReadError if that is not installed."""
    found = signature(head)
    if found is None and head[:3] == b"\xff\xd8\xff":
        marker, payload = jpeg.frame(file.read(1 << 20))
        found = codecs.JPEG_LS if marker == jpeg.SOF55 else codecs.JPEG_12 if payload[:1] == b"\x0c" else None
    file.seek(0)
    if found and not found.readable:
        raise ReadError(f"it is {found.name}", hint=found.hint)
    return found


def _other_header(file: BinaryIO, kind: Signature, path: Path, max_pixels: int) -> Header:
    image = _decoded_other(file, kind, path, max_pixels)
    channels, depth = np.atleast_3d(image.numpy()).shape[2], 8 * image.pixels.itemsize
    return Header(image.size, channels, depth, image.metadata, 1, kind.name.partition(" ")[2])


def _decoded_other(file: BinaryIO, kind: Signature, path: Path, max_pixels: int) -> Image:
    if kind == RAW:
        check_size(*codecs.raw_size(file), max_pixels)
        file.seek(0)
        metadata = Metadata(warnings=("metadata are left out, as far as there are any",))
        return assembled(codecs.develop(file), has_alpha=False, metadata=metadata, path=path)
    data = file.read()
    check_size(*codecs.size(kind, data), max_pixels)
    samples, metadata = codecs.decode(kind, data)
    return assembled(samples, has_alpha=samples.shape[2] in (2, 4), metadata=metadata, path=path)


def _tiff_header(file: BinaryIO, page: tiff.Page) -> Header:
    size = upright_size(page.size, page.orientation)
    channels = page.colours + page.has_alpha
    return Header(size, channels, page.depth, tiff.metadata(file, page), page.orientation, page.decoded_whole)


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file; errors within the block become a ReadError that names it."""
    with _opened(path) as file:
        try:
            yield file
        except ReadError as error:
            raise ReadError(f"cannot read {path}: {error.message}", hint=error.hint) from error.__cause__
        except UnidentifiedImageError:
            raise ReadError(f"cannot read {path}: it is not an image, or damaged", hint=_READABLE) from None
        except MemoryError:
            raise ReadError(
                f"cannot read {path}: it does not fit into memory",
                hint="`imgtk run` keeps it on disk: pip install 'imgtk[large]'",
            ) from None
        except Exception as error:  # decoders fail in many ways on damaged files
            raise ReadError(f"cannot read {path}: the image in it is damaged or cut short ({error})") from error


def _opened(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ReadError(f"cannot read {path}: it is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"cannot read {path}: it is not a regular file")
        if status.st_size == 0:
            raise ReadError(f"cannot read {path}: the file is empty")
        return path.open("rb")
    except FileNotFoundError:
        if os.path.islink(path):
            raise ReadError(f"cannot read {path}: it is a link to {os.readlink(path)}, which does not exist") from None
        raise ReadError(f"cannot read {path}: there is no such file", hint=_nearest(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        hint = "Check the permissions of the file." if getattr(error, "errno", 0) == errno.EACCES else None
        raise ReadError(f"cannot read {path}: {reason}", hint=hint) from None


def _nearest(path: Path) -> str | None:
    if not os.path.isdir(path.parent):
        return f"The directory {path.parent} does not exist."
    try:
        names = get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        return None
    return f"Did you mean {path.with_name(names[0])}?" if names else None


def _head(file: BinaryIO) -> bytes:
    head = file.read(32)
    file.seek(0)
    return head


def is_tiff(file: BinaryIO) -> bool:
    return _head(file)[:4] in tiff.MAGIC


def _decoded(file: BinaryIO, path: Path, max_pixels: int) -> Image:
    head = _head(file)
    if plugins := foreign.by_start(head):
        return foreign.decoded(file, plugins, path, max_pixels)
    if (other := _other(file, head)) and other != HEIC:
        return _decoded_other(file, other, path, max_pixels)
    if is_tiff(file):
        return _decoded_tiff(file, path, max_pixels)
    if bitmap := bmp.header(file):
        check_size(*bitmap.size, max_pixels)
        samples = bmp.decoded(file, bitmap)
        return assembled(samples, has_alpha=bool(bitmap.masks[3]), metadata=Metadata(dpi=bitmap.dpi), path=path)
    return by_pillow.decoded(file, path, max_pixels)


def _tiff_pages(file: BinaryIO, max_pixels: int) -> list[tiff.Page]:
    """Return the images in a TIFF file, known to be such as imgtk reads, not yet decoded; none of camera raw."""
    try:
        pages = tiff.pages(file)
    except tiff.RawError:
        if not RAW.readable:
            raise
        file.seek(0)
        return []
    if not pages:
        check_frames(0, "pages")
    for page in pages:
        check_size(*page.size, max_pixels)
        tiff.check_segments(file, page)
    return pages


def _decoded_tiff(file: BinaryIO, path: Path, max_pixels: int) -> Image:
    pages = _tiff_pages(file, max_pixels)
    if not pages:
        return _decoded_other(file, RAW, path, max_pixels)
    page, *others = pages
    check_frames(1 + len(others), "pages")
    with by_pillow.without_limit() if page.by_pillow else nullcontext():
        samples = oriented(tiff.decoded(file, page), page.orientation)
    metadata = meta.upright(tiff.metadata(file, page))
    return assembled(samples, has_alpha=page.has_alpha, metadata=metadata, path=path)
