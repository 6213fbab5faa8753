"""libvips, which decodes and encodes images by rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtk.errors import ReadError
from imgtk.io.large.raster import Raster

_STRIP_BYTES = 1 << 24
_TYPES = {"uchar": np.uint8, "ushort": np.uint16}


def installed() -> bool:
    return find_spec("pyvips") is not None


def check_installed(path: str | Path) -> None:
    """Raise ReadError if there is no library to read the image `path` by rows with."""
    if not installed():
        raise ReadError(
            f"cannot read {path} in pieces: that needs libvips", hint="Install it: pip install 'imgtk[large]'"
        )


@lru_cache
def _library() -> Any:
    os.environ.setdefault("VIPS_WARNING", "0")  # what is wrong with a file is ours to report
    try:
        import pyvips
    except (ImportError, OSError) as error:
        raise ReadError(
            f"libvips, which keeps images on disk, does not work: {error}",
            hint="Reinstall it: pip install --force-reinstall 'imgtk[large]'",
        ) from error
    pyvips.cache_set_max(0)  # files change, and kept ones would stay open
    return pyvips


def message(error: Exception) -> str:
    """Return what libvips says, in one line."""
    return str(error).strip().rpartition("\n")[2].strip()


def decoded(path: Path, kind: str) -> Iterator[np.ndarray]:
    """Yield the samples (h, W, C) in a file by strips of rows, top to bottom, neither turned nor with their colours
    changed.

    Args:
        kind: "jpeg" or "png".

    Raises:
        ReadError: if the file is damaged.
    """
    pyvips = _library()
    options = {"unlimited": True} if kind == "png" else {}
    try:
        image = getattr(pyvips.Image, f"{kind}load")(os.fsencode(path), access="sequential", fail_on="error", **options)
        dtype, region = np.dtype(_TYPES[image.format]), pyvips.Region.new(image)
        rows = max(1, _STRIP_BYTES // (image.width * image.bands * dtype.itemsize))
        for top in range(0, image.height, rows):
            height = min(rows, image.height - top)
            data = region.fetch(0, top, image.width, height)
            yield np.frombuffer(data, dtype).reshape(height, image.width, image.bands)
    except pyvips.Error as error:
        raise ReadError(f"the image in it is damaged or cut short ({message(error)})") from error


def encode_jpeg(file: BinaryIO, raster: Raster, quality: int) -> None:
    """Append the baseline JPEG of an 8-bit raster of 1 or 3 channels, without its first marker (SOI) and without
    metadata, as Pillow writes it at 4:4:4.

    Raises:
        OSError: if writing fails.
    """
    pyvips = _library()
    raster.flush()
    height, width, channels = raster.shape
    failures: list[OSError] = []
    skip = 2

    def write(data: Any) -> int:
        nonlocal skip
        try:
            file.write(data[skip:])
        except OSError as error:  # which would be lost in the library
            failures.append(error)
            return -1
        skip = 0
        return len(data)

    target = pyvips.TargetCustom()
    target.on_write(write)
    image = pyvips.Image.rawload(os.fsencode(raster.path), width, height, channels, access="sequential")
    image = image.copy(interpretation="b-w" if channels == 1 else "srgb")
    try:
        image.jpegsave_target(target, Q=quality, subsample_mode="off", keep="none")
    except pyvips.Error as error:
        raise failures[0] if failures else OSError(message(error)) from error
