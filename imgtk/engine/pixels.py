"""Conversion between the arrays of an image and the tensors of the engine, including transparency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from imgtk.engine.plan import Plan
from imgtk.engine.planes import Pixels
from imgtk.geometry import Box, Size
from imgtk.image import Image
from imgtk.nn.colour import luma
from imgtk.op import Planes

if TYPE_CHECKING:
    from imgtk.io.large import DiskImage

FAINT = 0.05
"""Opacity up to which a pixel's colour is not trusted when an image changes its size."""

REACH = 128
"""Pixels around a region of an image on disk in which colours for hidden pixels are looked for."""


def read_region(pixels: np.ndarray, box: Box) -> Tensor:
    """Return region `box` of (H, W, 1|3) pixels as (1, 3, h, w), float32, 0..1. Float pixels are not copied."""
    region = pixels[box.top : box.bottom, box.left : box.right]
    if pixels.dtype != np.float32:
        region = np.divide(region, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)
    tensor = torch.from_numpy(region).permute(2, 0, 1)[None]
    return tensor if tensor.shape[1] == 3 else tensor.expand(-1, 3, -1, -1)


def read_regions(images: Sequence[Image], box: Box) -> Pixels:
    """Return region `box` of N images of one size and sample format; they have alpha if one has. See `read_region`."""
    colours = [read_region(image.pixels, box) for image in images]
    colour = colours[0] if len(colours) == 1 else torch.cat(colours)
    if all(image.alpha is None for image in images):
        return Pixels(colour)
    opaque = torch.ones(1, 1, *colour.shape[2:])
    alphas = [opaque if image.alpha is None else read_plane(image.alpha, box) for image in images]
    return Pixels(colour, torch.cat(alphas))


def read_plane(alpha: np.ndarray, box: Box) -> Tensor:
    """Return region `box` of (H, W) opacity as (1, 1, h, w), float32, 0..1."""
    return read_region(alpha[..., None], box)[:, :1]


def quantised(tensor: Tensor, dtype: np.dtype[Any], gray: bool) -> np.ndarray:
    """Return (1, 3, H, W) as (H, W, 1|3) of `dtype`; integers are clipped and rounded, float32 is left as it is."""
    tensor = tensor.float()
    if gray:
        tensor = luma(tensor)
    if dtype.kind != "f":
        top = float(np.iinfo(dtype).max)
        tensor = tensor.mul(top).round_().clamp_(0, top)
        tensor = tensor.to(torch.uint8) if dtype == np.uint8 else tensor.to(torch.int32)
    pixels = tensor[0].permute(1, 2, 0).cpu().numpy()
    return pixels if pixels.dtype == dtype else pixels.astype(dtype)


def region_of(image: DiskImage, opacity: float | None, box: Box) -> Pixels:
    """Return a region of an image on disk, as `read_regions` does. Hidden pixels get the colours of visible ones at
    most `REACH` away, as in `Image.without_holes`."""
    inner = Box.of(box.size)
    if not image.has_alpha:
        return Pixels(read_region(image.read(box), inner))
    if opacity is None:
        return read_regions([_image(image.read(box))], inner)
    wide = box.grown(REACH).within(image.size)
    samples = _image(image.read(wide))
    inner = box.shifted(-wide.left, -wide.top)
    assert samples.alpha is not None
    return Pixels(read_region(samples.without_holes(opacity).pixels, inner), read_plane(samples.alpha, inner))


def shrunk(image: DiskImage, opacity: float | None, size: Size) -> Image:
    """Return an image on disk at a smaller size, without the holes that are left there."""
    samples = image.shrunk(size)
    if not image.has_alpha:
        return Image(samples)
    found = _image(samples)
    return found if opacity is None else found.without_holes(opacity)


def opacity_trusted(plan: Plan) -> float | None:
    """Return the opacity up to which the colour of a pixel of the input is replaced by that of its neighbours, so
    that what hides there is not seen: `FAINT` if an operator mixes pixels that alpha does not weigh; None if none
    looks at colours without alpha."""
    blind = [stage for stage in plan.stages if stage.op and stage.op.facts.planes is Planes.COLOUR]
    if not blind:
        return None
    sizes = {plan.stages[i].size for stage in blind for i in stage.inputs[:1]} | {stage.size for stage in blind}
    return FAINT if len(sizes) > 1 else 0.0


def _image(samples: np.ndarray) -> Image:
    """Return (H, W, C) samples whose last channel is alpha."""
    return Image(samples[..., :-1], np.ascontiguousarray(samples[..., -1]))
