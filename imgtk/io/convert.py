"""`Image` from what Python programs hold images in, and back to Pillow."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from imgtk.errors import ReadError
from imgtk.image import Image, Metadata
from imgtk.io import metadata as meta
from imgtk.io.depth import to_depth
from imgtk.io.srgb import from_cmyk, from_lab

_SUPPORTED = "a path, a PIL image, an array (H, W) or (H, W, 1..4), or a tensor (C, H, W) or (1, C, H, W)"
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_BRIGHTEST = 16  # floats beyond this are not 0..1 with highlights, but 0..255


def convert(obj: Any) -> Image:
    """Return an Image of whatever holds an image; see `Image.of`.

    Arrays are not copied where that can be avoided, so do not change them while the Image is in use.

    Raises:
        ReadError: if `obj` holds no image, saying what it is and what is accepted.
    """
    if isinstance(obj, Image):
        return obj
    if isinstance(obj, (str, Path)):
        from imgtk.io.read import read

        return read(obj)
    if isinstance(obj, PIL.Image.Image):
        try:
            return from_pillow(obj)
        except (OSError, ValueError, SyntaxError) as error:
            raise ReadError(f"cannot read the PIL image: {error}") from error
    if isinstance(obj, np.ndarray):
        return from_array(obj)
    torch = sys.modules.get("torch")  # without torch imported, `obj` is no tensor
    if torch and isinstance(obj, torch.Tensor):
        return _from_tensor(obj)
    raise ReadError(f"a {type(obj).__name__} is not an image", hint=f"imgtk takes {_SUPPORTED}.")


def from_array(array: np.ndarray) -> Image:
    """Return an Image of (H, W) or (H, W, 1..4), uint8, uint16 or floating point 0..1. Raises ReadError for anything
    else."""
    what = f"an array of shape {array.shape} and type {array.dtype}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ReadError(f"{what} is not an image", hint="Expected (H, W) or (H, W, C) with C from 1 to 4.")
    if array.size == 0:
        raise ReadError(f"{what} has no pixels")
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
        if (highest := array.max()) > _BRIGHTEST:
            raise ReadError(f"{what} goes up to {highest:g}", hint="Floating point values lie in 0..1; divide by 255?")
    elif array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise ReadError(f"{what} is not an image", hint="Expected uint8, uint16 or floating point 0..1.")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    samples = array[..., None] if array.ndim == 2 else array
    return assembled(samples, has_alpha=samples.shape[2] in (2, 4), metadata=Metadata())


def _from_tensor(tensor: Any) -> Image:
    import torch

    shape = tuple(tensor.shape)
    if len(shape) == 4 and shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or not 1 <= tensor.shape[0] <= 4:
        raise ReadError(
            f"a tensor of shape {shape} is not an image", hint="Expected (C, H, W) or (1, C, H, W) with C from 1 to 4."
        )
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    return from_array(tensor.permute(1, 2, 0).numpy())


def assembled(samples: np.ndarray, *, has_alpha: bool, metadata: Metadata, path: Path | None = None) -> Image:
    """Return an Image of (H, W, C) samples, the last channel alpha if `has_alpha`. Alpha that hides nothing is left
    out.

    Raises:
        ReadError: if a sample is infinite or not a number.
    """
    if samples.dtype.kind == "f" and not np.isfinite([samples.min(), samples.max()]).all():  # NaN wins both
        raise ReadError("some of its values are infinite or not a number")
    pixels, alpha = samples, None
    if has_alpha:
        pixels, alpha = samples[..., :-1], np.require(samples[..., -1], requirements=["C", "W"])
        if (alpha >= (1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max)).all():
            alpha = None
    return Image(np.require(pixels, requirements=["C", "W"]), alpha, metadata, path)


def from_pillow(image: PIL.Image.Image, path: Path | None = None, metadata: Metadata | None = None) -> Image:
    """Return an Image of the current frame of a PIL image, upright; `metadata` if that is known better than to
    Pillow."""
    image.load()
    metadata = metadata or meta.of_pillow(image)
    samples, has_alpha, converted = _samples(image, metadata.icc)
    if converted:
        metadata = replace(metadata, icc=None)
    if image.format != "TIFF":  # which Pillow turns itself
        samples = oriented(samples, meta.orientation(metadata))
    return assembled(samples, has_alpha=has_alpha, metadata=meta.upright(metadata), path=path)


def oriented(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Return (H, W, C) samples, turned and mirrored from an EXIF orientation (Exif 2.32, 4.6.4) to upright."""
    if orientation in SIDEWAYS:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _samples(image: PIL.Image.Image, icc: bytes | None) -> tuple[np.ndarray, bool, bool]:
    """Return (H, W, C) samples; whether the last channel is alpha; whether the colours left the space of `icc`."""
    mode, key = image.mode, image.info.get("transparency")
    if mode in _DEEP or mode == "I":
        return *_deep_gray(np.asarray(image), key), False
    if mode == "F":
        return np.asarray(image, np.float32)[..., None], False, False
    if mode == "CMYK":
        return from_cmyk(np.asarray(image), icc), False, True
    if mode == "LAB":
        return from_lab(np.asarray(image), signed=False), False, True
    if mode in ("1", "L", "LA", "La"):
        target = "LA" if mode in ("LA", "La") or key is not None else "L"
    else:
        target = "RGBA" if mode in ("RGBA", "RGBa", "PA") or key is not None else "RGB"
    if mode == "1" and target == "LA":
        image = image.convert("L")  # which keeps `transparency`, in the values of L
    samples = np.asarray(image if mode == target else image.convert(target))
    return np.atleast_3d(samples), target.endswith("A"), False


def _deep_gray(values: np.ndarray, key: int | None) -> tuple[np.ndarray, bool]:
    if values.dtype.itemsize > 2 and not 0 <= values.min() <= values.max() <= 65535:
        raise ReadError(
            f"its samples go from {values.min()} to {values.max()}",
            hint="imgtk reads samples of 8 or 16 bits, or floats.",
        )
    gray = values.astype(np.uint16)
    if key is None:
        return gray[..., None], False
    return np.dstack([gray, (gray != key) * np.uint16(65535)]), True


def to_pil(image: Image) -> PIL.Image.Image:
    """Return a PIL image of 8 bits, L, LA, RGB or RGBA, with what `image.metadata` holds in `info`."""
    pil_image = PIL.Image.fromarray(to_depth(image.numpy(), 8))
    metadata = image.metadata
    carried: dict[str, Any] = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif and b"Exif\0\0" + metadata.exif,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
        "comment": metadata.text.get("Comment"),
    }
    pil_image.info.update(metadata.text)
    pil_image.info.update((key, value) for key, value in carried.items() if value)
    return pil_image
