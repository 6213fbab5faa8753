"""Context for images beyond their borders."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["at_least", "continued", "to_multiple"]


def continued(x: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Continue images (N, C, H, W) by so many pixels on each side, in channels_last.

    They are mirrored about their border pixels, or these are repeated where the image is too small for that.
    """
    sides = (left, right, top, bottom)
    mode = "reflect" if min(x.shape[2:]) > max(sides) else "replicate"
    return pad(x, sides, mode=mode).contiguous(memory_format=torch.channels_last)


def at_least(x: Tensor, side: int) -> Tensor:
    """Return images (N, C, H, W) with sides of at least `side` pixels: their last row and column are repeated."""
    height, width = x.shape[2:]
    return pad(x, (0, max(0, side - width), 0, max(0, side - height)), mode="replicate")


def to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Return images (N, C, H, W) with sides that are multiples: their last row and column are repeated."""
    height, width = x.shape[2:]
    return pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
