"""Images with alpha, (N, 4, H, W): opacity 0..1, straight. What is transparent has no say in mixed colours."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import torch
from torch import Tensor

from imgtk.geometry import Box, Size, Window, cut
from imgtk.nn.resample import resample, support

__all__ = ["multiplied", "region_under", "resized", "straight"]

FAINT = 1e-3
"""Opacity below which a pixel has no colour."""


def multiplied(x: Tensor) -> Tensor:
    """Multiply colours by their opacity, so that they may be mixed; images without alpha are left as they are."""
    return torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1) if x.shape[1] == 4 else x


def straight(x: Tensor) -> Tensor:
    """Invert `multiplied`. What mixing made overshoot is cut off where it is not opaque."""
    if x.shape[1] == 3:
        return x
    alpha = x[:, 3:]
    colour = x[:, :3] / alpha.clamp(min=FAINT)
    opaque = (alpha - 1).abs() < FAINT
    return torch.cat([torch.where(opaque, colour, colour.clamp(0, 1) * (alpha >= FAINT)), alpha.clamp(0, 1)], 1)


def resized(x: Tensor, box: Box, size: Size, covers: Box, whole: Size) -> Tensor:
    """Return region `box` of an image at `size`: bicubic, antialiased.

    Args:
        x: (N, 3 or 4, H, W), region `covers` of the image, which reaches `region_under` the box.
        whole: size of the image that `x` is a region of.
    """
    if size == whole:
        return cut(x, box.shifted(-covers.left, -covers.top))
    return straight(resample(multiplied(x), size, window=Window(box, size, covers, whole)))


def region_under(box: Box, size: Size, whole: Size) -> Box:
    """Return the region of an image of size `whole` that `resized` makes `box` of; it may reach beyond the image."""
    if box.empty:
        return Box(0, 0, 0, 0)
    across, down = Fraction(size.width, whole.width), Fraction(size.height, whole.height)
    wide, high = support("bicubic", across), support("bicubic", down)
    return Box(
        floor(box.left / across) - wide,
        floor(box.top / down) - high,
        ceil(box.right / across) + wide,
        ceil(box.bottom / down) + high,
    )
