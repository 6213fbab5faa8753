"""Reading image files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from PIL import UnidentifiedImageError
from PIL.ImageFile import ImageFile

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import bmp, codecs, colour, jpeg, png, png_chunks, tiff
from imgtk.io import metadata as meta
from imgtk.io.containers import avif_colours, is_lossless_webp
from imgtk.io.convert import SIDEWAYS, assembled, from_pillow, oriented
from imgtk.io.quiet import without_warnings
from imgtk.io.signatures import HEIC, RAW, Signature, signature

MAX_PIXELS = 250_000_000
"""Images above this size are refused unless the caller raises the limit. 250 megapixels are 750 MB of 8-bit colour:
more than cameras make, less than what files of a few hundred kilobytes can hold."""

# What Pillow may open: formats with one image of 8 bits in them, or known to `png` and `tiff`. Others are either not
# decoded by Pillow itself (EPS starts Ghostscript) or would lose bits without a word (JPEG 2000).
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "AVIF")
_READABLE = "imgtk reads JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG XL, JPEG 2000 and PNM."


def read(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image:
    """The image in a file, upright, with everything the file carries. Its content decides the format, not its name.

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
    """The size that `read` would give the image in a file, without decoding it: damage to its pixels is not found.

    Raises:
        ReadError: as `read` does.
    """
    headers = read_headers(path, max_pixels=max_pixels)
    with reading(Path(path)):
        _check_frames(len(headers), "pages")
    return headers[0].size


@dataclass(frozen=True)
class Header:
    """What a file says of an image in it.

    Attributes:
        size: of the upright image.
        channels: 1 to 4, with alpha.
        depth: bits of a sample in memory: 8, 16 or 32.
        metadata: with the orientation as the file states it.
        orientation: 1 (upright) to 8.
        whole: why it can only be decoded as a whole, in words; empty if it can be decoded by rows.
    """

    size: Size
    channels: int
    depth: int
    metadata: Metadata
    orientation: int
    whole: str

    @property
    def has_alpha(self) -> bool:
        """Whether there is a channel of alpha, which may turn out to hide nothing."""
        return self.channels in (2, 4)

    @property
    def nbytes(self) -> int:
        """Of the decoded image."""
        return self.size.pixels * self.channels * self.depth // 8


def read_headers(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> list[Header]:
    """The image in a file, or the pages of a TIFF file, without decoding them.

    Raises:
        ReadError: as `read` does, but for damaged pixels and several pages.
    """
    with reading(Path(path)) as file:
        head = _head(file)
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
            return [Header(bitmap.size, channels, 8, Metadata(dpi=bitmap.dpi), 1, "BMP")]
        if head.startswith(png.SIGNATURE):
            metadata = png_chunks.metadata(file)
            with pillow_image(BytesIO(png_chunks.without_pixels(file)), max_pixels) as image:
                return [_pillow_header(image, metadata, gray=png.is_gray(head), depth=max(8, png.bit_depth(head)))]
        with pillow_image(file, max_pixels) as image:
            gray = image.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "F")
            return [_pillow_header(image, _metadata(file, image), gray=gray, endless=not _has_end(file, image))]


def _other(file: BinaryIO, head: bytes) -> Signature | None:
    """The format, if it is one that has a library of its own. Raises ReadError if that is not installed."""
    found = signature(head)
    if found is None and head[:3] == b"\xff\xd8\xff" and jpeg.frame(file.read(1 << 20))[:1] == b"\x0c":
        found = codecs.JPEG_12
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


def _pillow_header(
    image: ImageFile, metadata: Metadata, *, gray: bool, depth: int = 8, endless: bool = False
) -> Header:
    turned = meta.orientation(metadata)
    deep = {"F": 32, "I": 16}.get(image.mode.partition(";")[0], depth)
    channels = (1 if gray else 3) + image.has_transparency_data
    kind = str(image.format)
    whole = "" if kind in ("JPEG", "MPO", "PNG") else kind
    if image.info.get("progressive") or image.info.get("interlace"):
        whole = f"progressive {kind}"
    if image.mode in ("CMYK", "LAB"):
        whole = f"{kind} with colours as {image.mode}"
    if endless:
        whole = f"{kind} without an end"
    return Header(_upright(Size(*image.size), turned), channels, deep, metadata, turned, whole)


def _has_end(file: BinaryIO, image: ImageFile) -> bool:
    """Whether the end marker of a JPEG is somewhere in the last megabyte."""
    if image.format not in ("JPEG", "MPO"):
        return True
    at = file.tell()
    file.seek(max(0, file.seek(0, 2) - (1 << 20)))
    found = b"\xff\xd9" in file.read()
    file.seek(at)
    return found


def _tiff_header(file: BinaryIO, page: tiff.Page) -> Header:
    size = _upright(page.size, page.orientation)
    channels = page.colours + page.has_alpha
    return Header(size, channels, page.depth, tiff.metadata(file, page), page.orientation, page.decoded_whole)


def _upright(size: Size, orientation: int) -> Size:
    return Size(size.height, size.width) if orientation in SIDEWAYS else size


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file; whatever goes wrong with it becomes a ReadError that names it."""
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
                hint="`imgtk run` keeps it on the disk: pip install 'imgtk[large]'",
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
    if (other := _other(file, head)) and other != HEIC:
        return _decoded_other(file, other, path, max_pixels)
    if is_tiff(file):
        return _decoded_tiff(file, path, max_pixels)
    if bitmap := bmp.header(file):
        check_size(*bitmap.size, max_pixels)
        samples = bmp.decoded(file, bitmap)
        return assembled(samples, has_alpha=bool(bitmap.masks[3]), metadata=Metadata(dpi=bitmap.dpi), path=path)
    if head.startswith(png.SIGNATURE):
        return _decoded_png(file, head, path, max_pixels)
    with pillow_image(file, max_pixels) as image:
        metadata = _metadata(file, image)
        try:
            return from_pillow(image, path, metadata)
        except OSError:
            file.seek(0)
            data = jpeg.completed(file.read()) if image.format in ("JPEG", "MPO") else None
            if data is None:
                raise
    with pillow_image(BytesIO(data), max_pixels) as image:
        return from_pillow(image, path, meta.warned(metadata, "the end of the file is missing, and no pixel"))


def _metadata(file: BinaryIO, image: ImageFile) -> Metadata:
    metadata = meta.of_pillow(image)
    if image.format == "WEBP":
        return replace(metadata, lossless=is_lossless_webp(file))
    if image.format != "AVIF":
        return metadata
    points, bits = avif_colours(file)
    if points and not metadata.icc:
        metadata = replace(metadata, cicp=(*points[:2], 0, 1), icc=colour.of_code_points(*points[:2]))
    return metadata if bits == 8 else meta.warned(metadata, f"{bits} bits per sample have become 8")


def _decoded_png(file: BinaryIO, head: bytes, path: Path, max_pixels: int) -> Image:
    metadata, depth = png_chunks.metadata(file), png.bit_depth(head)
    data = png_chunks.pixels_alone(file)
    with pillow_image(BytesIO(data), max_pixels) as image:
        if depth in (2, 4) and image.mode == "L" and "transparency" in image.info:
            image.info["transparency"] = png.scaled_key(image.info["transparency"], depth)
        decoded = from_pillow(image, path, metadata)  # also finds damage, which OpenCV would pass over
        if depth < 16:
            return decoded
        samples = png.decode_deep(data, image.info.get("transparency"))
        samples = oriented(samples, meta.orientation(metadata))
        return assembled(samples, has_alpha=samples.shape[2] in (2, 4), metadata=decoded.metadata, path=path)


@contextmanager
def pillow_image(file: BinaryIO, max_pixels: int) -> Iterator[ImageFile]:
    """The image in any file but TIFF, known to be one that imgtk reads, not yet decoded."""
    formats: tuple[str, ...] = _FORMATS
    if signature(_head(file)) == HEIC:
        import pi_heif

        pi_heif.register_heif_opener()
        formats = ("HEIF",)
    with _without_pillows_limit():
        opened = PIL.Image.open(file, formats=formats)
    with opened as image:
        check_size(image.width, image.height, max_pixels)
        frames = 1 if image.format in ("MPO", "HEIF") else getattr(image, "n_frames", 1)  # photos with previews
        _check_frames(frames)
        if image.format == "PPM" and _is_deep_colour(image):
            raise ReadError("imgtk does not read PNM colour of 16 bits", hint="Convert it to PNG or TIFF.")
        yield image


def _tiff_pages(file: BinaryIO, max_pixels: int) -> list[tiff.Page]:
    """The images in a TIFF file, known to be such as imgtk reads, not yet decoded; none of camera raw."""
    try:
        pages = tiff.pages(file)
    except tiff.RawError:
        if not RAW.readable:
            raise
        file.seek(0)
        return []
    if not pages:
        _check_frames(0, "pages")
    for page in pages:
        check_size(*page.size, max_pixels)
        tiff.check_segments(file, page)
    return pages


def _decoded_tiff(file: BinaryIO, path: Path, max_pixels: int) -> Image:
    pages = _tiff_pages(file, max_pixels)
    if not pages:
        return _decoded_other(file, RAW, path, max_pixels)
    page, *others = pages
    _check_frames(1 + len(others), "pages")
    with _without_pillows_limit() if page.by_pillow else nullcontext():
        samples = oriented(tiff.decoded(file, page), page.orientation)
    metadata = meta.upright(tiff.metadata(file, page))
    return assembled(samples, has_alpha=page.has_alpha, metadata=metadata, path=path)


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Ours takes its place: Pillow's is below what cameras make."""
    with without_warnings():  # which also holds a lock, since the limit belongs to the whole process
        limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = limit


def check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ReadError(f"it has no pixels ({width}x{height})")
    if width * height > max_pixels:
        raise ReadError(
            f"it has {width}x{height} = {width * height:,} pixels, above the limit of {max_pixels:,}",
            hint=f"If you trust the file, raise the limit with --max-pixels {width * height} (max_pixels= in Python).",
        )


def _check_frames(frames: int, what: str = "frames") -> None:
    if frames < 1:
        raise ReadError(f"it has no {what}")
    if frames > 1:
        hint = f"Save the {what[:-1]} that you want to a file of its own, and give that file."
        if what == "pages":
            hint += " Or have `imgtk run` do them one by one."
        raise ReadError(f"it has {frames} {what}, and imgtk works on single images", hint=hint)


def _is_deep_colour(image: ImageFile) -> bool:
    """Whether a PNM image, not yet decoded, has RGB samples of more than 8 bits."""
    arguments = image.tile[0][3]
    return image.mode == "RGB" and isinstance(arguments, tuple) and int(arguments[1]) > 255
