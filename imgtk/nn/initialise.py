"""Weights of convolutions at the start of a training."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

__all__ = ["kaiming"]

C = TypeVar("C", bound=nn.Conv2d)


def kaiming(convolution: C, slope: float = 0.0, gain: float = 1.0) -> C:
    """Initialise a convolution that a leaky rectifier follows, and return it (He et al. 2015, equation 15).

    Args:
        convolution: its weights are drawn, and its bias, if it has one, is set to 0.
        slope: of the rectifier for negative values; 0 for ReLU.
        gain: factor of the weights.
    """
    nn.init.kaiming_normal_(convolution.weight, a=slope)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    with torch.no_grad():
        convolution.weight.mul_(gain)
    return convolution
