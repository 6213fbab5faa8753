"""Measure what is wrong with an image: noise, and the blocks of JPEG."""

from __future__ import annotations

from math import pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.colour import luma

__all__ = ["blockiness", "noise_level"]

BLOCK = 8
"""Side of the blocks of JPEG, and of those in which noise is measured."""
QUIETEST = 0.1
"""Share of the blocks that are taken for noise alone, without texture."""
BIAS = 0.73
"""What the quietest blocks of pure noise show of it: measured on Gaussian noise."""
CLIPPED = 0.02
"""Share of black or white pixels from which the noise of a block was cut off."""


def noise_level(x: Tensor) -> float:
    """Estimate the standard deviation of white noise.

    The filter is that of Immerkaer 1996, "Fast noise variance estimation", which constants and gradients do not pass;
    of its blocks of 8x8 values the quietest tenth counts.

    Args:
        x: (1, 3, H, W), 0..1.

    Returns:
        In 8-bit steps; 0 for images smaller than two blocks.
    """
    if min(x.shape[2:]) < 2 * BLOCK:
        return 0.0
    x = x.float()
    mask = x.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]).expand(3, 1, 3, 3)
    strength = F.avg_pool2d(F.conv2d(x, mask, groups=3).abs(), BLOCK).flatten(2)
    ends = ((x <= 0.5 / 255) | (x >= 1 - 0.5 / 255)).float()
    clipped = F.avg_pool2d(ends[..., 1:-1, 1:-1], BLOCK).flatten(2)
    found = []
    for blocks, share in zip(strength[0], clipped[0], strict=True):
        usable = blocks[share < CLIPPED]
        if len(usable):
            quiet = usable.sort().values[: max(1, int(QUIETEST * len(usable)))]
            found.append(quiet.mean().item())
    return 255 * sqrt(pi / 2) / 6 / BIAS * sum(found) / len(found) if found else 0.0


def blockiness(x: Tensor) -> float:
    """Measure how much stronger steps are at the edges of blocks than elsewhere.

    Args:
        x: (1, 3, H, W), 0..1.

    Returns:
        About 1 for images that were never compressed, and more for those that show the grid of JPEG, wherever it
        begins; 1 for images smaller than two blocks.
    """
    if min(x.shape[2:]) < 2 * BLOCK:
        return 1.0
    gray = luma(x.float())[0, 0]
    return max(1.0, sqrt(_periodicity(gray) * _periodicity(gray.T)))


def _periodicity(gray: Tensor) -> float:
    """Return the mean change of slope at the strongest of the eight columns, relative to the median of the others."""
    steps = gray.diff(dim=1)
    change = (steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2).abs().mean(0)
    phases = torch.stack([change[phase::BLOCK].mean() for phase in range(BLOCK)])
    others = phases.sort().values[:-1].median()
    return float(phases.max() / others.clamp_min(1e-6))
