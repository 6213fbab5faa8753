"""Between the arrays of an image and the tensors of the engine, and what transparency needs on the way."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from imgtk.geometry import Box, Size, Window
from imgtk.image import Image
from imgtk.nn.colour import luma
from imgtk.nn.resample import resample, support

if TYPE_CHECKING:
    from imgtk.io.large import DiskImage

FAINT = 0.05
"""Opacity up to which a pixel's colour is not trusted when an image changes its size."""

REACH = 128
"""Pixels around a region of an image on the disk in which colours for hidden pixels are looked for."""


def read_region(pixels: np.ndarray, box: Box) -> Tensor:
    """Region `box` of (H, W, 1|3) pixels as (1, 3, h, w), float32, 0..1. Float pixels are not copied."""
    region = pixels[box.top : box.bottom, box.left : box.right]
    if pixels.dtype != np.float32:
        region = region.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    tensor = torch.from_numpy(region).permute(2, 0, 1)[None]
    return tensor if tensor.shape[1] == 3 else tensor.expand(-1, 3, -1, -1)


def read_regions(images: Sequence[np.ndarray], box: Box) -> Tensor:
    """Region `box` of N images of one size and sample format as (N, 3, h, w); see `read_region`."""
    regions = [read_region(pixels, box) for pixels in images]
    return regions[0] if len(regions) == 1 else torch.cat(regions)


def quantised(tensor: Tensor, dtype: np.dtype[Any], gray: bool) -> np.ndarray:
    """(1, 3, H, W) as (H, W, 1|3) of `dtype`; integers are clipped and rounded, float32 is left as it is."""
    tensor = tensor.float()
    if gray:
        tensor = luma(tensor)
    if dtype.kind != "f":
        top = float(np.iinfo(dtype).max)
        tensor = tensor.mul(top).round_().clamp_(0, top)
        tensor = tensor.to(torch.uint8) if dtype == np.uint8 else tensor.to(torch.int32)
    pixels = tensor[0].permute(1, 2, 0).cpu().numpy()
    return pixels if pixels.dtype == dtype else pixels.astype(dtype)


def region_of(image: DiskImage, opacity: float, box: Box) -> Tensor:
    """As `read_region`, of an image on the disk, whose hidden pixels `Image.without_holes` replaces by those at most
    `REACH` away."""
    if not image.has_alpha:
        return read_region(image.read(box), Box.of(box.size))
    wide = _grown(box, REACH, REACH, image.size)
    filled = _image(image.read(wide)).without_holes(opacity)
    return read_region(filled.pixels, box.shifted(-wide.left, -wide.top))


def shrunk(image: DiskImage, opacity: float, size: Size) -> np.ndarray:
    """The colours (H, W, 1|3) of an image on the disk at a smaller size, without the holes that are left there."""
    samples = image.shrunk(size)
    return _image(samples).without_holes(opacity).pixels if image.has_alpha else samples


def alpha_region(image: DiskImage, box: Box, size: Size) -> np.ndarray:
    """Region `box` (h, w) of what `resized_alpha` makes of the opacity of an image on the disk."""
    if image.size == size:
        return image.read(box)[..., -1]
    across, down = (Fraction(out, length) for out, length in zip(size, image.size, strict=True))
    under = Box(floor(box.left / across), floor(box.top / down), ceil(box.right / across), ceil(box.bottom / down))
    source = _grown(under, support("bicubic", across), support("bicubic", down), image.size)
    plane = read_region(image.read(source)[..., -1:], Box.of(source.size))[:, :1]
    resized = resample(plane, size, window=Window(box, size, source, image.size)).clamp(0, 1)
    return quantised(resized, image.dtype, gray=False)[..., 0]


def _image(samples: np.ndarray) -> Image:
    """(H, W, C) samples whose last channel is alpha."""
    return Image(samples[..., :-1], np.ascontiguousarray(samples[..., -1]))


def _grown(box: Box, across: int, down: int, size: Size) -> Box:
    """`box` with so many pixels more on each side, within an image of `size`."""
    right, bottom = min(size.width, box.right + across), min(size.height, box.bottom + down)
    return Box(max(0, box.left - across), max(0, box.top - down), right, bottom)


def resized_alpha(alpha: np.ndarray, size: Size, periodic: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Opacity (H, W) at another size: bicubic, antialiased; `periodic` as in `Geometry`."""
    if (alpha.shape[1], alpha.shape[0]) == size:
        return alpha
    plane = read_region(alpha[..., None], Box(0, 0, alpha.shape[1], alpha.shape[0]))[:, :1]
    resized = resample(plane, size, periodic=periodic).clamp(0, 1)
    return quantised(resized, alpha.dtype, gray=False)[..., 0]
