"""Colour transfer by mean and standard deviation (Reinhard et al., "Color transfer between images", 2001, section 3).

The channels are those of CIE L*a*b*, as in most programs, and not of the paper's logarithmic space, in which near-black
pixels outweigh all others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.nn.lab import to_lab, to_rgb

__all__ = ["apply", "mapping", "moments"]

STEEPEST = 4.0
"""Largest factor by which a channel is stretched: beyond, what shows are noise and JPEG blocks."""


def moments(image: Tensor) -> Tensor:
    """Return the mean and standard deviation (2, 3) of L*, a*, b* of (1, 3, H, W)."""
    lab = to_lab(image[0].flatten(1).T)
    return torch.stack([lab.mean(0), lab.std(0, correction=0)])


def mapping(source: Tensor, target: Tensor) -> Tensor:
    """Return factor and offset (2, 3) of each channel that make moments `source` into `target`."""
    factor = (target[1] / source[1].clamp(min=1e-3)).clamp(max=STEEPEST)
    return torch.stack([factor, target[0] - source[0] * factor])


def apply(x: Tensor, mapping: Tensor) -> Tensor:
    """Return (N, 3, H, W) after the mapping, within 0..1."""
    factor, offset = mapping
    return to_rgb(to_lab(x.movedim(1, -1)) * factor + offset).movedim(-1, 1).clamp(0, 1)
