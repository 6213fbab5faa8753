"""Gaussian blur of tensors."""

from __future__ import annotations

from math import ceil

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.arrays import on_arrays

__all__ = ["blur_radius", "gaussian_blur"]


def blur_radius(sigma: float) -> int:
    """Return the reach of the blur in pixels: beyond 4 sigma a Gaussian holds less than 1e-4 of its weight."""
    return ceil(4 * sigma)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Return the Gaussian blur of (N, C, H, W) with a standard deviation of `sigma` pixels; the edge pixels repeat
    beyond the border.

    >>> bool(gaussian_blur(torch.ones(1, 3, 8, 8), 2.0).allclose(torch.ones(1)))
    True
    """
    radius = blur_radius(sigma)
    if radius == 0:
        return x
    if x.device.type == "cpu" and x.shape[1] <= 4 and not (x.requires_grad or torch.jit.is_tracing()):
        side = (2 * radius + 1, 2 * radius + 1)  # OpenCV's is ten times as fast there
        return on_arrays(lambda pixels: cv2.GaussianBlur(pixels, side, sigma, borderType=cv2.BORDER_REPLICATE), x)
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    line = torch.exp(steps.square() / (-2 * sigma**2))
    line = (line / line.sum()).expand(x.shape[1], 1, -1)
    padded = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    with torch.autocast(x.device.type, enabled=False):  # a convolution per channel takes minutes in bf16 on a CPU
        across = F.conv2d(padded, line[:, :, None, :], groups=x.shape[1])
        return F.conv2d(across, line[:, :, :, None], groups=x.shape[1])
