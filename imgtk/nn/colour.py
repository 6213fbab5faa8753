"""What colours weigh in brightness."""

from __future__ import annotations

from torch import Tensor

__all__ = ["LUMA", "luma"]

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601, full range)."""


def luma(x: Tensor) -> Tensor:
    """Brightness (N, 1, H, W) of RGB (N, 3, H, W), in its range."""
    red, green, blue = x.split(1, 1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
