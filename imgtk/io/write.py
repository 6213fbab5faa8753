"""Writing image files, completely or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from imgtk.errors import WriteError
from imgtk.file_format import FileFormat
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import foreign, jpeg, png, tiff
from imgtk.io.carried import fitting, wanted
from imgtk.io.depth import to_depth
from imgtk.io.formats import AVIF, BMP, JPEG, PNG, TIFF, WEBP, format_of
from imgtk.io.options import WriteOptions
from imgtk.io.quiet import audible
from imgtk.io.temporary import temporary

QUALITY = 95
EXISTS_HINT = "Choose another name, or replace it with --overwrite (overwrite=True)."
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk that is full, or cannot be written to at all."""


def check_target(
    path: str | Path,
    options: WriteOptions = WriteOptions(),
    *,
    has_alpha: bool = False,
    sixteen_bit: bool = False,
    size: Size | None = None,
) -> Path:
    """Check, before anything is computed, that an image can be written.

    Args:
        path: the file to write; its suffix sets the format.
        options: how it is to be written.
        has_alpha: whether the image has transparency.
        sixteen_bit: whether its pixels are 16-bit.
        size: of the image, if it is known.

    Returns:
        `path` as a Path.

    Raises:
        WriteError: what is wrong, and what to do.
    """
    path = Path(path)
    format_of(path)
    check_place(path, options.overwrite)
    check_image(path, options, has_alpha=has_alpha, sixteen_bit=sixteen_bit, size=size)
    return path


def check_image(
    path: Path,
    options: WriteOptions,
    *,
    has_alpha: bool = False,
    sixteen_bit: bool = False,
    size: Size | None = None,
) -> None:
    """Check as `check_target` does, but not whether a file can be written to `path`."""
    target = format_of(path)
    _check_options(path, target, options)
    if has_alpha and not target.alpha:
        raise WriteError(
            f"cannot write {path}: the image has transparency, which {target.name} cannot hold",
            hint="Write .png, .webp or .tif.",
        )
    if sixteen_bit and options.depth is None and max(target.depths) < 16:
        raise WriteError(
            f"cannot write {path}: the image has 16 bits per sample, and {target.name} holds 8",
            hint="Write .png or .tif, or allow 8 bits with --depth 8 (depth=8 in Python).",
        )
    if size and max(size.width, size.height) > target.max_side:
        raise WriteError(
            f"cannot write {path}: {size.width}x{size.height} is too large for {target.name}, "
            f"whose sides have at most {target.max_side} pixels",
            hint="Write .png or .tif.",
        )


def write(image: Image, path: str | Path, options: WriteOptions = WriteOptions()) -> Path:
    """Write an image with its metadata. The suffix of `path` sets the format.

    The file appears complete or not at all: it is written under a temporary name in the same folder, then renamed.

    Args:
        image: the image.
        path: .jpg, .jpeg, .jfif, .jpe, .png, .webp, .avif, .tif, .tiff, .bmp, or a suffix of a plugin's format.
        options: how to write it.

    Returns:
        `path` as a Path.

    Raises:
        WriteError: if the format cannot hold the image, or the file cannot be written.
    """
    path = check_target(
        path,
        options,
        has_alpha=image.alpha is not None,
        sixteen_bit=image.pixels.dtype == np.uint16,
        size=image.size,
    )
    if image.pixels.dtype.kind == "f" and np.isnan(image.pixels).any():
        raise WriteError(f"cannot write {path}: {np.isnan(image.pixels).sum()} values of the image are not numbers")
    target = format_of(path)
    samples = image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])
    samples = to_depth(samples, options.depth or natural_depth(samples.dtype, target))
    metadata = fitting(wanted(image.metadata, options), image.size, image.gray, target)
    warn(path, metadata)
    with replacing(path) as file:
        if target is PNG:
            png.write(file, samples, metadata)
        elif target is TIFF:
            tiff.write(file, samples, metadata)
        else:
            write_whole(file, samples, metadata, target, options)
    return path


def write_whole(
    file: BinaryIO, samples: np.ndarray, metadata: Metadata, target: FileFormat, options: WriteOptions
) -> None:
    """Write `samples` (H, W, C) and `metadata` as `fitting` gives it to `file`, in a format that is encoded at once."""
    if target.codec:
        foreign.encode(file, samples, metadata, target, options)
    else:
        write_by_pillow(file, samples, metadata, target, options)


def check_place(path: Path, overwrite: bool, *, folder: bool = False) -> None:
    """Check that a file of any kind, or a folder, can be written to `path`. Raises WriteError."""
    directory = path.parent
    if os.path.isdir(path) and not folder:
        raise WriteError(f"cannot write {path}: it is a directory", hint="Give the name of a file.")
    if os.path.isfile(path) and folder:
        raise WriteError(f"cannot write {path}: it is a file, and the result is a folder", hint="Choose another name.")
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise WriteError(f"cannot write {path}: {directory} is a file, not a directory")
    if not os.path.isdir(directory):
        raise WriteError(f"cannot write {path}: the directory {directory} does not exist", hint="Create it first.")
    if os.path.exists(path) and not overwrite:
        raise WriteError(
            f"cannot write {path}: it exists",
            hint=EXISTS_HINT,
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        if _is_read_only(directory):
            cause = OSError(errno.EROFS, os.strerror(errno.EROFS))
            raise WriteError(f"cannot write {path}: {directory.resolve()} is on a read-only disk") from cause
        raise WriteError(f"cannot write {path}: the directory {directory.resolve()} is not writable")


def _is_read_only(directory: Path) -> bool:
    """Return whether the directory is on a disk that nobody can write to."""
    return hasattr(os, "statvfs") and bool(os.statvfs(directory).f_flag & os.ST_RDONLY)


def _check_options(path: Path, target: FileFormat, options: WriteOptions) -> None:
    quality, depth = options.quality, options.depth
    if quality is not None and not target.lossy:
        raise WriteError(f"cannot write {path}: {target.name} is lossless and has no quality")
    if quality is not None and not 1 <= quality <= 100:
        raise WriteError(f"cannot write {path}: quality {quality} is not in 1..100")
    if options.lossless and target in (JPEG, AVIF):
        raise WriteError(
            f"cannot write {path}: imgtk does not write lossless {target.name}", hint="Write .png, .webp or .tif."
        )
    if options.dpi is not None and "dpi" not in target.metadata:
        raise WriteError(
            f"cannot write {path}: {target.name} does not store a resolution", hint="Leave out --dpi (dpi=)."
        )
    if depth is not None and depth not in target.depths:
        depths = " or ".join(map(str, target.depths))
        raise WriteError(f"cannot write {path}: {target.name} holds {depths} bits per sample, not {depth}")


def natural_depth(dtype: np.dtype[Any], target: FileFormat) -> int:
    """Return bits per sample of a file, unless others are wanted, for samples of `dtype`."""
    depth = 8 * dtype.itemsize
    return depth if depth in target.depths else min(target.depths)


def quality_of(metadata: Metadata, target: FileFormat, options: WriteOptions) -> int:
    """Return the quality of a file that loses something: as asked for; else the usual one, or a JPEG's own if
    better."""
    return options.quality or max(QUALITY, (metadata.quality or 0) if target is JPEG else 0)


def is_lossless(metadata: Metadata, options: WriteOptions) -> bool:
    """Return whether a WebP file keeps every pixel: as asked for; else as the input does."""
    return options.lossless or (metadata.lossless and options.quality is None)


def warn(path: Path, metadata: Metadata) -> None:
    """Warn of what did not fit into a file; of what its format never holds, `Metadata.warnings` tell."""
    for warning in metadata.warnings:
        if "too large" in warning:
            with audible():
                warnings.warn(f"{path}: {warning}", stacklevel=3)


def write_by_pillow(
    file: BinaryIO, samples: np.ndarray, metadata: Metadata, target: FileFormat, options: WriteOptions
) -> None:
    """Write `samples` (H, W, C) and `metadata` as `fitting` gives it to `file`, as JPEG, WebP, AVIF or BMP."""
    image = PIL.Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    params: dict[str, Any] = {"dpi": metadata.dpi or (0, 0)}  # Pillow would state 96 in BMP
    if target is not BMP:
        params |= {"icc_profile": metadata.icc, "quality": quality_of(metadata, target, options)}
        params |= {"exif": metadata.exif and b"Exif\0\0" + metadata.exif}
    if target is JPEG:
        comment = metadata.text.get("Comment", "").encode()[: jpeg.SEGMENT_BYTES]
        params |= {"subsampling": "4:4:4", "comment": comment}
        params |= {"extra": jpeg.segments(metadata)}
    if target is AVIF:
        gray = samples.shape[2] < 3
        params |= {"xmp": metadata.xmp, "subsampling": "4:0:0" if gray else "4:4:4"}
    if target is WEBP:
        lossless = is_lossless(metadata, options)
        params |= {"xmp": metadata.xmp, "lossless": lossless, "exact": lossless}
    image.save(Stream(file), target.name, **{name: value for name, value in params.items() if value})  # type: ignore[arg-type]


class Stream:
    """A file for Pillow to write to. It shows no descriptor: where there is one, Pillow writes to that, and does not
    notice when the disk has taken only a part (Pillow 13, `_encode_to_file` in encode.c)."""

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush = file.write, file.flush


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` if the block succeeds; otherwise nothing changes.

    Raises:
        WriteError: if writing fails.
    """
    final = Path(os.path.realpath(path))  # a link goes on pointing to the file
    draft = temporary(final)
    try:
        with draft.open("xb") as file:
            yield file
        if final.exists():
            shutil.copymode(final, draft)
        os.replace(draft, final)
    except BaseException as error:
        with suppress(OSError):  # a disk that cannot be written to has no draft either
            draft.unlink()
        if isinstance(error, OSError):
            raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
        raise
