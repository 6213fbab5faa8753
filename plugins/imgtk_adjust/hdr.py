"""`adjust:tonemap`: high dynamic range for screens.

It is computed in torch, because OpenCV 5's tone mappers return NaN for flat and narrow images, and need the whole
image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from imgtk.nn.bands import in_bands
from imgtk.nn.colour import from_srgb, to_srgb
from imgtk_adjust.base import LUMINANCE, MeasuredAdjustment

__all__ = ["Tonemap"]

DARKEST = 1e-6
"""Luminance that is as good as none; logarithms start here."""
MIDDLE_GRAY = 0.18
"""Target of the mean luminance (Reinhard et al., "Photographic tone reproduction for digital images", 2002)."""
BIAS = 0.85
"""The bias of Drago et al., "Adaptive logarithmic mapping for displaying high contrast scenes" (2003)."""


def reinhard(light: Tensor, mean: Tensor, white: Tensor) -> Tensor:
    """Apply equation 4 of the paper, with which `white` becomes 1."""
    scaled, white = light * (MIDDLE_GRAY / mean), white * (MIDDLE_GRAY / mean)
    return scaled * (1 + scaled / white.square()) / (1 + scaled)


def drago(light: Tensor, mean: Tensor, white: Tensor) -> Tensor:
    """Apply equation 4 of the paper: a logarithm whose base rises with the light from 2 to 10."""
    scaled, white = light / mean, white / mean
    base = 2 + 8 * (scaled / white).pow(log(BIAS) / log(0.5))
    return scaled.log1p() / base.log() * (log(10) / white.log1p())


def filmic(light: Tensor, mean: Tensor, white: Tensor) -> Tensor:
    """Apply the curve that Hable made for "Uncharted 2" (GDC 2010), with its toe and shoulder."""

    def curve(v: Tensor) -> Tensor:
        return (v * (0.15 * v + 0.05) + 0.004) / (v * (0.15 * v + 0.5) + 0.06) - 0.02 / 0.3

    scaled = 2 * MIDDLE_GRAY / mean
    return curve(light * scaled) / curve(white * scaled)


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "reinhard": reinhard,
    "drago": drago,
    "filmic": filmic,
}
"""Each takes luminance, its logarithmic mean and the brightest of it; the brightest becomes 1."""


@dataclass(eq=False)
class Tonemap(MeasuredAdjustment):
    """Map the luminance, and keep the hue.

    Args:
        method: one of `METHODS`.
        input: "linear" if the pixels are light, "srgb" if they are coded; the result is coded.
    """

    method: str
    input: str

    def light(self, x: Tensor) -> Tensor:
        return (from_srgb(x) if self.input == "srgb" else x).clamp(min=0)

    def measure(self, x: Tensor) -> Tensor:
        """Return the logarithmic mean and maximum of the luminance, (2, N, 1, 1, 1)."""
        bright = _luminance(self.light(x)).clamp(min=DARKEST)
        return torch.stack([bright.log().mean((1, 2, 3), keepdim=True).exp(), bright.amax((1, 2, 3), keepdim=True)])

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        def mapped(x: Tensor) -> Tensor:
            light = self.light(x)
            bright = _luminance(light).clamp(min=DARKEST)
            return to_srgb(light * (METHODS[self.method](bright, *statistics) / bright)).clamp(0, 1)

        return in_bands(mapped, x)


def _luminance(light: Tensor) -> Tensor:
    return sum(weight * channel for weight, channel in zip(LUMINANCE, light.split(1, 1), strict=True))
