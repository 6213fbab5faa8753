"""Consistency of an upscaling network's output with its input."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.arrays import on_arrays
from imgtk.nn.blur import blur_radius, gaussian_blur

__all__ = ["REACH", "consistent", "context", "flatness"]

REACH = 2
"""Pixels around an input pixel that must be alike for it to count as flat."""
FLAT, UNEVEN = 0.5 / 255, 2.0 / 255
"""Local range of values up to which the input is flat, and from which it is not at all; fractions of it between."""


def context(sigma: float) -> int:
    """Return how far in input pixels `consistent` sees."""
    return max(REACH, blur_radius(sigma)) + 2


def consistent(enlarged: Tensor, x: Tensor, scale: int, sigma: float) -> Tensor:
    """Return `enlarged`, changed to agree with its input `x` in low frequencies, and flat where `x` is flat.

    The difference between `x` and the enlarged image, reduced again, is blurred, enlarged and added: one step of
    iterative back-projection (Irani and Peleg 1991; Bahat and Michaeli 2020, "Explorable super resolution", have a
    strict form). It bounds every colour shift. Where `x` does not vary, no network knows more than `x`.

    Args:
        enlarged: (N, 3, H * scale, W * scale).
        x: (N, 3, H, W).
        sigma: standard deviation of the blur in input pixels: finer details are left to the network.

    Returns:
        As `enlarged`, in float32.
    """
    enlarged, x = enlarged.float(), x.float()
    difference = gaussian_blur(x - _reduced(enlarged, scale), sigma)
    result = enlarged + _enlarged(difference, scale)
    flat = flatness(x)
    if not flat.any():
        return result
    return torch.lerp(result, _enlarged(x, scale), _enlarged(flat, scale))


def _enlarged(x: Tensor, scale: int) -> Tensor:
    """Return bilinear, which leaves constants exact."""
    if scale == 1:
        return x
    if x.device.type == "cpu":  # OpenCV's is eight times as fast there
        return on_arrays(lambda pixels: cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), x)
    return F.interpolate(x, scale_factor=float(scale), mode="bilinear")


def _reduced(x: Tensor, scale: int) -> Tensor:
    """Return means of blocks."""
    if scale == 1:
        return x
    if x.device.type == "cpu":  # OpenCV's are five times as fast there
        side = 1 / scale
        return on_arrays(lambda pixels: cv2.resize(pixels, None, fx=side, fy=side, interpolation=cv2.INTER_AREA), x)
    return F.avg_pool2d(x, scale)


def flatness(x: Tensor, reach: int = REACH) -> Tensor:
    """Tell where images are flat.

    Args:
        x: (N, C, H, W).
        reach: pixels around a pixel that must be alike.

    Returns:
        (N, 1, H, W), from 0 where the neighbourhood varies to 1 where it does not.
    """
    spread = (_local(torch.maximum, x, reach) - _local(torch.minimum, x, reach)).amax(1, keepdim=True)
    return ((UNEVEN - spread) / (UNEVEN - FLAT)).clamp(0, 1)


def _local(extreme: Callable[[Tensor, Tensor], Tensor], x: Tensor, reach: int) -> Tensor:
    """Return the largest or smallest value within `reach` of each pixel; a pooling takes twenty times as long."""
    x = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    for axis in (2, 3):
        length = x.shape[axis] - 2 * reach
        x = reduce(extreme, (x.narrow(axis, start, length) for start in range(2 * reach + 1)))
    return x
