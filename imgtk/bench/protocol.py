"""The protocol of super-resolution papers: how inputs are made, and how results are scored.

Inputs: crop, then MATLAB's `imresize(image, 1 / scale)`, which rounds to 8 bits. Scores: 8-bit results, a border as
wide as the scale cut off, luma of BT.601 in limited range (16 to 235).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imgtk.geometry import Size
from imgtk.metrics import feature_distance, psnr, psnr_y, ssim_y
from imgtk.nn.degradation import Fixed
from imgtk.nn.features import Features
from imgtk.nn.resample import resample

__all__ = ["CROP", "SMALLEST", "crop_to_multiple", "degrade", "downsample", "score"]

CROP = 12
"""Sides are cropped to multiples of this, which x2, x3 and x4 divide, so that all scales see the same image."""

SMALLEST = 11
"""SSIM's window: sides of an image without its border are at least this."""


def crop_to_multiple(pixels: np.ndarray, multiple: int) -> np.ndarray:
    """Return (H, W, C) without the rows and columns at the bottom and the right that exceed multiples of `multiple`."""
    height, width = (side // multiple * multiple for side in pixels.shape[:2])
    return pixels[:height, :width]


def downsample(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Map (H, W, 3) uint8 to (H / scale, W / scale, 3) uint8, as MATLAB's `imresize` does it: antialiased bicubic with
    a = -0.5, first along columns, then along rows, each rounded to 8 bits, edge pixels repeated.

    The benchmarks' public files come out bit for bit.
    """
    height, width = (side // scale for side in pixels.shape[:2])
    x = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    for size in (Size(pixels.shape[1], height), Size(width, height)):
        x = (resample(x, size, kernel="bicubic", a=-0.5).clamp(0, 255) + 0.5).floor()
    return x[0].permute(1, 2, 0).to(torch.uint8).numpy()


def degrade(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Map (H, W, 3) uint8 to (H / scale, W / scale, 3) uint8, as images get by use: a Gaussian blur of 1 pixel,
    antialiased bicubic, noise of 5 levels and JPEG of quality 40. The noise is the same at each call."""
    x = Fixed()(_tensor(pixels), scale, torch.Generator().manual_seed(0))
    return x[0].permute(1, 2, 0).mul(255).round().to(torch.uint8).numpy()


def score(
    output: np.ndarray, target: np.ndarray, source: np.ndarray, scale: int, features: Features | None
) -> dict[str, float]:
    """Return how alike a result and the ground truth are.

    Args:
        output, target: (H, W, 3) uint8.
        source: (H / scale, W / scale, 3) uint8, what `output` was made of.
        scale: also the width of the border that PSNR and SSIM leave out.
        features: network for the feature distance, which is left out without it.

    Returns:
        `psnr_y` and `ssim_y` of luma, `psnr` of RGB (dB), `feature_distance` (see `imgtk.metrics`), and `mean_colour`:
        the largest shift of a channel's mean from `source`, in 8-bit steps.
    """
    x, y, small = (_tensor(pixels) for pixels in (output, target, source))
    inner = (..., slice(scale, -scale), slice(scale, -scale))
    scores = {
        "psnr_y": psnr_y(x, y, border=scale),
        "ssim_y": ssim_y(x, y, border=scale),
        "psnr": psnr(x[inner], y[inner]),
    }
    if features is not None:
        device = features.mean.device
        scores["feature_distance"] = feature_distance(x.to(device), y.to(device), features)
    scores["mean_colour"] = 255 * (x.mean((0, 2, 3)) - small.mean((0, 2, 3))).abs().max().item()
    return scores


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255
