"""What colours gray images get, and how they get them without a change of lightness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from imgtk.nn.arrays import on_arrays
from imgtk.nn.border import to_multiple
from imgtk.nn.colour import from_srgb, to_srgb
from imgtk.nn.guided import guided_filter, guided_lines
from imgtk.nn.lab import to_lab, to_rgb
from imgtk.nn.resample import with_longest_side
from imgtk_restore.colour_network import ColouriseNet

__all__ = ["SIDE", "alike", "colour_lines", "colours_of", "gray_of", "on_lines", "painted"]

SIDE = 320
"""Longer side in pixels of the version of an image that the network sees."""
RADIUS = 12
"""Radius in pixels of the windows, in that version, within which colours follow the lightness."""
EPSILON = 1e-3
"""Variance of gray values, 0..1, below which colours do not follow them."""


def gray_of(x: Tensor) -> Tensor:
    """Return the gray images (N, 1, H, W) that are as light (L*) as images in colour (N, 3, H, W), 0..1."""
    lab = to_lab(x.float().movedim(1, -1))
    lab[..., 1:] = 0
    return to_rgb(lab).movedim(-1, 1)[:, :1]


def colours_of(x: Tensor) -> Tensor:
    """Return a* and b* (N, 2, H, W) of images (N, 3, H, W), 0..1."""
    return to_lab(x.float().movedim(1, -1))[..., 1:].movedim(-1, 1)


def alike(gray: Tensor) -> Tensor:
    """Return gray images (N, 1, H, W) with three equal channels, in channels_last."""
    return gray.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def colour_lines(network: Callable[[Tensor], Tensor], gray: Tensor) -> Tensor:
    """Return likely colours of gray images, as lines: how a* and b* follow from the gray value near each pixel.

    Args:
        network: as `Colouriser`.
        gray: (N, 1, H, W), 0..1, of any size.

    Returns:
        (N, 4, H', W'), of a longer side of `SIDE` pixels: the slopes of a* and b*, and their offsets. See `on_lines`.
    """
    small = with_longest_side(gray, SIDE)
    rows, columns = small.shape[2:]
    ab = network(alike(to_multiple(small, ColouriseNet.multiple))).to(gray.dtype)
    ab = interpolate(ab, scale_factor=float(ColouriseNet.scale_of_result), mode="bilinear")[..., :rows, :columns]

    def follow(planes: np.ndarray) -> np.ndarray:
        guide, colours = planes[..., :1].repeat(2, 2), planes[..., 1:]
        smooth = guided_filter(guide, colours, RADIUS, EPSILON)
        return np.concatenate(guided_lines(guide, smooth, RADIUS, EPSILON), 2)

    return on_arrays(follow, torch.cat((small, ab), 1))


def on_lines(lines: Tensor, gray: Tensor) -> Tensor:
    """Return a* and b* (N, 2, H, W) of gray images (N, 1, H, W), on lines (N, 4, H, W) as `colour_lines` has them."""
    slopes, offsets = lines.chunk(2, 1)
    return slopes * gray + offsets


def painted(gray: Tensor, ab: Tensor) -> Tensor:
    """Return gray images in colours, (N, 3, H, W), and as light as they are.

    Colours that sRGB does not have at that lightness become paler: the light moves towards gray, which keeps the
    luminance, a sum of it.

    Args:
        gray: (N, 1, H, W), 0..1.
        ab: a* and b*, (N, 2, H, W).
    """
    lab = to_lab(gray.expand(-1, 3, -1, -1).movedim(1, -1))
    lab[..., 1:] = ab.movedim(1, -1)
    luminance = from_srgb(gray)
    excess = from_srgb(to_rgb(lab).movedim(-1, 1)) - luminance
    room = torch.where(excess > 0, 1 - luminance, luminance) / excess.abs().clamp_min(1e-9)
    return to_srgb(luminance + excess * room.amin(1, keepdim=True).clamp(0, 1))
