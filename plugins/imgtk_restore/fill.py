"""Fill holes from small to large: a smooth filling where the hole is small, improved at each doubling of the size."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from imgtk.geometry import Box
from imgtk.nn.noise import grain_in
from imgtk.upscaling.consistency import flatness
from imgtk_restore.tiles import in_tiles

__all__ = ["NEAR", "doubled", "enlarged_into", "fill", "halved", "improver", "smooth", "with_holes"]

NEAR = 24
"""Depth of a hole in pixels up to which a network fills it at once; deeper ones are first filled at half the size."""

FLAT = 4
"""Pixels around a pixel that must be alike for it to count as flat."""

Improve = Callable[[Tensor, Tensor, bool, int], Tensor]
"""Returns better fillings for images (N, 3, H, W) with holes (N, 1, H, W), whether those in them are already a
network's, and the size as a power of a half."""


def fill(x: Tensor, holes: Tensor, improve: Improve, level: int = 0) -> Tensor:
    """Return an image whose holes are filled, and which is otherwise the same.

    Args:
        x: (1, 3, H, W).
        holes: (1, 1, H, W), true where to fill; not everywhere.
        improve: what is done at each size.
        level: of the size; 0 for the whole image.
    """
    if not holes.any():
        return x
    near = max(x.shape[2:]) == 1 or _depth(holes) <= NEAR
    filled = smooth(x, holes) if near else enlarged_into(x, holes, fill(*halved(x, holes), improve, level + 1))
    return torch.where(holes, improve(filled, holes, not near, level), x)


def smooth(x: Tensor, holes: Tensor) -> Tensor:
    """Fill holes by averages of what is known, at ever smaller sizes until nothing is missing (Gortler et al. 1996,
    "The lumigraph", section 3.4, pull and push)."""
    if max(x.shape[2:]) == 1 or not holes.any():
        return x
    return enlarged_into(x, holes, smooth(*halved(x, holes)))


def halved(x: Tensor, holes: Tensor) -> tuple[Tensor, Tensor]:
    """Return images and holes at half the size, rounded up. A pixel is the average of what is known of four; where
    nothing is, there is a hole."""
    right, bottom = x.shape[3] % 2, x.shape[2] % 2
    known = pad((~holes).to(x.dtype), (0, right, 0, bottom))
    share = avg_pool2d(known, 2)
    mean = avg_pool2d(pad(x, (0, right, 0, bottom)) * known, 2) / share.clamp_min(0.25)
    return mean, share == 0


def enlarged_into(x: Tensor, holes: Tensor, small: Tensor) -> Tensor:
    """Put an image of half the size into the holes of `x`."""
    return torch.where(holes, doubled(small, x), x)


def doubled(small: Tensor, like: Tensor, mode: str = "bilinear") -> Tensor:
    """Return (N, C, h, w) at twice the size, or a pixel less, which is that of (N, D, H, W)."""
    return interpolate(small, scale_factor=2.0, mode=mode)[..., : like.shape[2], : like.shape[3]]


def improver(network: Callable[[Tensor], Tensor], multiple: int, halo: int) -> Improve:
    """Return what an `InpaintNet` does at each size of an image, for `fill`.

    It computes only the tiles with holes. Where the surroundings are flat, so is the result.

    Args:
        network: as `InpaintNet.forward`.
        multiple, halo: its own.
    """

    def improve(filled: Tensor, holes: Tensor, refined: bool, level: int) -> Tensor:
        noise = grain_in(Box(0, 0, filled.shape[3], filled.shape[2]), 0, seed=level)
        improved = in_tiles(network, with_holes(filled, holes, float(refined), noise), multiple, halo, holes)
        return torch.lerp(improved, filled, smooth(flatness(filled, FLAT), holes))

    return improve


def with_holes(filled: Tensor, holes: Tensor, refined: float, noise: Tensor) -> Tensor:
    """Return the input of an `InpaintNet`, (N, 6, H, W)."""
    maps = holes.to(filled.dtype)
    return torch.cat((filled, maps, torch.full_like(maps, refined), maps * noise.to(filled)), 1)


def _depth(holes: Tensor) -> float:
    """Return how far a pixel of a hole (1, 1, H, W) lies from what is known, at most, in pixels."""
    marked = holes[0, 0].cpu().numpy().astype(np.uint8)
    return float(cv2.distanceTransform(marked, cv2.DIST_L2, 3).max())
