"""Simple adjustments, and `blend`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Geometry, Window, cut
from imgtk.nn.blend import BLENDS
from imgtk.nn.blur import blur_radius, gaussian_blur
from imgtk.op import Facts
from imgtk_adjust.base import LUMINANCE, Adjustment


def luminance(x: Tensor) -> Tensor:
    """Map (N, 3, H, W) to (N, 1, H, W)."""
    red, green, blue = x.unbind(1)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue)[:, None]


class Blend(Adjustment):
    """(1 - alpha) * below + alpha * B(below, above), for opaque images."""

    def __init__(self, alpha: float, mode: str) -> None:
        self.alpha, self.blend = alpha, BLENDS[mode]

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.lerp(x, self.blend(x, others[0]), self.alpha)


class BrightnessContrast(Adjustment):
    """(x - 1/2) * contrast + 1/2 + brightness."""

    def __init__(self, brightness: float, contrast: float) -> None:
        self.brightness, self.contrast = brightness, contrast

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * self.contrast + (0.5 - 0.5 * self.contrast + self.brightness)


class Saturation(Adjustment):
    """Away from the gray of equal luminance, or towards it."""

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.lerp(luminance(x), x, self.amount)


class Gamma(Adjustment):
    """x ** (1 / gamma); what overshoots below black becomes black."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.clamp(min=0).pow(1 / self.gamma)


class Grayscale(Adjustment):
    """Luminance in all three channels."""

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return luminance(x).repeat(1, 3, 1, 1)


class Sharpen(Adjustment):
    """Unsharp mask: x + amount * (x - blurred x)."""

    def __init__(self, amount: float, radius: float) -> None:
        self.amount, self.radius = amount, radius

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=blur_radius(self.radius))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.lerp(gaussian_blur(x, self.radius), x, 1 + self.amount)


class Blur(Adjustment):
    """Gaussian blur."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=blur_radius(self.radius))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return gaussian_blur(x, self.radius)


class Vignette(Adjustment):
    """The cos^4 law of natural vignetting: at distance r from the centre the light falls by (1 + (k r)^2)^-2.

    Args:
        strength: light lost in the corners, from which k follows.
    """

    facts = Facts(batched=True, needs_float32=True, position_dependent=True)

    def __init__(self, strength: float) -> None:
        self.slope = (1 - strength) ** -0.5 - 1  # k^2, for r = 1 in the corners

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        box, (width, height) = window.output, window.output_size
        x = cut(inputs[0], window.inner)
        diagonal = (width**2 + height**2) ** 0.5
        across = (torch.arange(box.left, box.right, device=x.device, dtype=x.dtype) * 2 + 1 - width) / diagonal
        down = (torch.arange(box.top, box.bottom, device=x.device, dtype=x.dtype) * 2 + 1 - height) / diagonal
        distance = across.square() + down.square()[:, None]
        return x / (1 + self.slope * distance).square()
