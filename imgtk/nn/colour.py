"""Luma, and conversion between coded colours and light."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LUMA", "from_srgb", "luma", "to_srgb"]

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601, full range)."""


def luma(x: Tensor) -> Tensor:
    """Return the brightness (N, 1, H, W) of RGB (N, 3, H, W), in its range.

    >>> luma(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).item()
    0.29899...
    """
    red, green, blue = x.split(1, 1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def from_srgb(x: Tensor) -> Tensor:
    """Return the light of coded values, 0..1 (IEC 61966-2-1); values outside continue along the curve, negative ones
    mirrored.

    >>> round(from_srgb(torch.tensor(0.5)).item(), 4)
    0.214
    """
    size = x.abs()
    return torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055).pow(2.4)).copysign(x)


def to_srgb(light: Tensor) -> Tensor:
    """Return the inverse of `from_srgb`."""
    size = light.abs()
    coded = 1.055 * size.clamp(min=1e-9).pow(1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, size * 12.92, coded).copysign(light)
