"""File formats that plugins bring, by the hook `imgtk_formats`."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from imgtk.errors import ImgtkError, PluginError, WriteError
from imgtk.file_format import FileFormat
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io.header import Header, check_size
from imgtk.io.options import WriteOptions

__all__ = ["Codec", "by_start", "decoded", "encode", "formats", "header"]

_BUILT_IN = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What files begin with that no plugin is asked for."""


class Codec(Protocol):
    """Reads and writes files of one format. It is made without arguments.

    What it raises becomes an error that names the file. Files are open in binary mode, at their beginning.
    """

    def size(self, file: BinaryIO) -> Size:
        """Return the size that a file states. imgtk refuses what is too large before it is decoded."""

    def read(self, file: BinaryIO) -> Image:
        """Return the image in a file, upright: uint8, uint16 or float32."""

    def write(self, file: BinaryIO, image: Image, options: WriteOptions) -> None:
        """Write an image, in one of the depths of the format, with the metadata that the format holds."""


def formats() -> tuple[FileFormat, ...]:
    """Return the formats of the plugins."""
    from imgtk.registry import default  # above this package, as nothing else that `io` asks for

    return tuple(default().brought("imgtk_formats").values())


def by_start(head: bytes) -> FileFormat | None:
    """Return the format of a plugin whose files begin like `head`; None where there is none."""
    if head.startswith(_BUILT_IN):
        return None
    return next((known for known in formats() if known.starts and head.startswith(known.starts)), None)


def decoded(file: BinaryIO, form: FileFormat, path: Path, max_pixels: int) -> Image:
    """Return the image in a file. Raises ReadError; PluginError if what the codec gives is no image."""
    codec = _codec(form)
    size = codec.size(file)
    check_size(*size, max_pixels)
    file.seek(0)
    image = codec.read(file)
    if not isinstance(image, Image) or (reason := _wrong(image, size)):
        what = reason if isinstance(image, Image) else f"gave {type(image).__name__}, not an Image"
        raise PluginError(f"cannot read {path}: the codec of {form.name} ({form.codec}) {what}")
    return replace(image, path=path)


def header(file: BinaryIO, form: FileFormat, path: Path, max_pixels: int) -> Header:
    """Return what a file says of its image, which is decoded for it."""
    image = decoded(file, form, path, max_pixels)
    channels = image.pixels.shape[2] + (image.alpha is not None)
    return Header(image.size, channels, 8 * image.pixels.itemsize, image.metadata, 1, form.name)


def encode(file: BinaryIO, samples: np.ndarray, metadata: Metadata, form: FileFormat, options: WriteOptions) -> None:
    """Write `samples` (H, W, C), whose second or fourth channel is alpha. Raises WriteError."""
    has_alpha = samples.shape[2] in (2, 4)
    pixels, alpha = (samples[..., :-1], samples[..., -1]) if has_alpha else (samples, None)
    try:
        _codec(form).write(file, Image(pixels, alpha, metadata), options)
    except (ImgtkError, OSError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise WriteError(f"cannot write {form.name}: its codec ({form.codec}) failed with {reason}") from error


def _wrong(image: Image, size: Size) -> str:
    """Return what is wrong with an image that a codec gave; "" if nothing is."""
    pixels, alpha = image.pixels, image.alpha
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return f"gave pixels {pixels.shape} of {pixels.dtype}, not (H, W, 1 or 3) of uint8, uint16 or float32"
    if image.size != size:
        return f"gave {image.size} pixels where the file states {size}"
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        return f"gave alpha {alpha.shape} of {alpha.dtype}, which does not fit the pixels"
    return ""


@lru_cache
def _codec(form: FileFormat) -> Codec:
    module, _, attribute = form.codec.partition(":")
    try:
        codec: Codec = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"cannot import the codec of {form.name}, {form.codec}: {error}") from error
    return codec
