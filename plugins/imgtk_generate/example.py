"""The colours of an example, made Gaussian and back, so that mixtures of its parts have its colours, too."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from imgtk.nn.blur import gaussian_blur

__all__ = ["Example", "analysed"]

LEVELS = 1024
"""Steps of the table by which values are made Gaussian and back."""
FARTHEST = 3.0
"""Largest absolute value of what is Gaussian."""


@dataclass(frozen=True)
class Example:
    """An image whose values along each axis of its colours are normally distributed, with variance 1.

    Attributes:
        gaussian: (C, H, W), with C of 1 for gray images, else 3.
        mean, axes: of the colours, (C,) and (C, C), an axis a row.
        quantiles: values of the image along each axis, (C, LEVELS + 1), from the lowest to the highest.
    """

    gaussian: Tensor
    mean: Tensor
    axes: Tensor
    quantiles: Tensor

    def colours(self, x: Tensor) -> Tensor:
        """Return the colours of Gaussian values, both (C, H, W)."""
        place = (1 + torch.erf(x / sqrt(2))) / 2 * LEVELS
        below = place.floor().clamp(0, LEVELS - 1)
        values = []
        for table, at, share in zip(self.quantiles, below.long(), place - below, strict=True):
            values.append(torch.lerp(table[at], table[at + 1], share))
        return torch.einsum("kc,khw->chw", self.axes, torch.stack(values)) + self.mean[:, None, None]


def analysed(image: Tensor, slow: float) -> Example:
    """Make the values of an image Gaussian along the principal axes of its colours.

    Args:
        image: (1, 3, H, W), 0..1.
        slow: standard deviation in pixels of the Gaussian by which slow changes, those of light, are found and taken
            out: patches from a dark and a bright corner would not fit.
    """
    pixels = image[0].double()
    pixels = pixels - gaussian_blur(pixels[None], slow)[0] + pixels.mean((1, 2), keepdim=True)
    if torch.equal(pixels, pixels[:1].expand_as(pixels)):
        pixels = pixels[:1]
    mean = pixels.mean((1, 2))
    centred = pixels.flatten(1) - mean[:, None]
    _, axes = torch.linalg.eigh(centred @ centred.T / centred.shape[1])
    values = axes.T @ centred
    ordered = values.sort(1).values
    places = torch.linspace(0, ordered.shape[1] - 1, LEVELS + 1).round().long()
    quantiles = ordered[:, places].contiguous()
    lowest, highest = (torch.searchsorted(quantiles, values.contiguous(), right=right) for right in (False, True))
    middle = (lowest + highest).double() / (2 * (LEVELS + 1))  # of equal values
    shares = middle.clamp(0.5 / LEVELS, 1 - 0.5 / LEVELS)
    gaussian = (sqrt(2) * torch.erfinv(2 * shares - 1)).clamp(-FARTHEST, FARTHEST)
    return Example(gaussian.view_as(pixels).float(), mean.float(), axes.T.float(), quantiles.float())
