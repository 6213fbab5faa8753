"""Measure what is wrong with an image: noise, the blocks of JPEG, blur, darkness and haze."""

from __future__ import annotations

from math import log2, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.blur import gaussian_blur
from imgtk.nn.colour import from_srgb, luma
from imgtk_restore import MOST_STOPS

__all__ = ["blockiness", "blur_width", "haziness", "noise_level", "stops_needed"]

BLOCK = 8
"""Side of the blocks of JPEG, and of those in which noise is measured."""
QUIETEST = 0.1
"""Share of the blocks that are taken for noise alone, without texture."""
BIAS = 0.73
"""What the quietest blocks of pure noise show of it: measured on Gaussian noise."""
CLIPPED = 0.02
"""Share of black or white pixels from which the noise of a block was cut off."""

REBLUR = 1.0
"""Standard deviation in pixels of the blur that reveals how sharp edges are."""
STRONGEST, SHARPEST = 0.02, 0.75
"""Share of the pixels that are taken for edges, and the quantile of these that counts: not all are in focus."""
FAINTEST = 4 / 255
"""Slope per pixel below which there is no edge."""
KEY = 0.12
"""Mean light of an image that is neither dark nor bright, where white is 1. The paper's 0.18 makes night day."""
BLACK = 1e-4
"""Light that counts where there is none."""


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


def stops_needed(x: Tensor) -> Tensor:
    """Return how much darker images are than photographs should be: (N,), binary logarithms, 0 to `MOST_STOPS`.

    The mean of the logarithm of the light is compared with `KEY`, as in Reinhard et al. 2002, "Photographic tone
    reproduction for digital images", section 3.1.

    Args:
        x: (N, 3, H, W), sRGB, 0..1.
    """
    light = luma(from_srgb(x.float().clamp(0, 1)))
    mean = light.clamp_min(BLACK).log2().mean((1, 2, 3))
    return (log2(KEY) - mean).clamp(0, MOST_STOPS)


def blur_width(x: Tensor) -> float:
    """Estimate how wide the sharpest edges are.

    Blurring an edge once more makes it the flatter, the sharper it was (Zhuo and Sim 2011, "Defocus map estimation from
    a single image", section 3).

    Args:
        x: (1, 3, H, W), 0..1.

    Returns:
        The standard deviation of the blur in pixels, as if it were Gaussian; 0 for images without edges.
    """
    if min(x.shape[2:]) < 2 * BLOCK:
        return 0.0
    gray = luma(x.float())
    before, after = _slope(gray), _slope(gaussian_blur(gray, REBLUR))
    strongest = before.topk(max(1, int(STRONGEST * len(before))))
    edges = strongest.values > FAINTEST
    if not edges.any():
        return 0.0
    ratio = strongest.values[edges] / after[strongest.indices][edges].clamp_min(1e-6)
    sharp = float(ratio.quantile(SHARPEST))
    return REBLUR / sqrt(max(sharp * sharp - 1, 1e-2))


def _slope(gray: Tensor) -> Tensor:
    """Return the lengths of the gradients of (1, 1, H, W) between pixels, as one row."""
    across, down = gray[..., :-1, :].diff(dim=3), gray[..., :-1].diff(dim=2)
    return (across.square() + down.square()).sqrt().flatten()


def haziness(x: Tensor) -> float:
    """Return the mean dark channel: the darkest value of R, G and B within blocks of 16x16 pixels, 0..1. It is nearly 0
    outdoors without haze (He, Sun and Tang 2009, "Single image haze removal using dark channel prior", section 3)."""
    darkest = -F.max_pool2d(-x.float().amin(1, keepdim=True), 2 * BLOCK, ceil_mode=True)
    return float(darkest.clamp(0, 1).mean())
