"""Functions of single pixels, computed in bands of an image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["in_bands"]

AT_ONCE = 1 << 18
"""Pixels of a band: what is computed in between then stays in the cache of a processor."""


def in_bands(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function of several steps to an image: on the CPU band by band, which is quicker.

    Args:
        function: maps (N, C, h, W), some rows of `x`, to (N, C', h, W), each pixel for itself.
        x: (N, C, H, W).

    Returns:
        (N, C', H, W), in channels_last.
    """
    rows = max(1, AT_ONCE // (len(x) * x.shape[3]))
    if x.device.type != "cpu" or rows >= x.shape[2]:
        return function(x).contiguous(memory_format=torch.channels_last)
    first = function(x[:, :, :rows])
    shape = (len(x), first.shape[1], *x.shape[2:])
    result = torch.empty(shape, dtype=first.dtype, memory_format=torch.channels_last)
    result[:, :, :rows] = first
    for top in range(rows, x.shape[2], rows):
        result[:, :, top : top + rows] = function(x[:, :, top : top + rows])
    return result
