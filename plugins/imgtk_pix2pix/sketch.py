"""Pencil sketches made of photos, by arithmetic: the operator's, and random ones to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imgtk.nn.blur import blur_radius, gaussian_blur
from imgtk.nn.colour import luma

__all__ = ["PAIRS", "Pencil", "random_sketches"]

LINE = 0.35
"""Standard deviation of the blur under an outline, as a part of the pencil's radius, and
WIDER: that of the blur around it as a multiple of it (Winnemöller et al. 2012, "XDoG", section 2.1)."""
WIDER = 1.6
GAIN = 6.0
"""Darkness of an outline by the difference of both blurs."""
DARKEST = 0.04
"""Added to light before it is divided: noise in the dark is not drawn."""


@dataclass(frozen=True)
class Pencil:
    """How a sketch is drawn.

    Attributes:
        radius: standard deviation in pixels of the blur against which a place is drawn if it is darker: the width of
            the strokes.
        pressure: exponent of the strokes' lightness.
        lines: strength of the outlines.
        shade: how much darker than paper black areas are, 0..1.
    """

    radius: float = 3.0
    pressure: float = 1.0
    lines: float = 1.0
    shade: float = 0.25

    @property
    def halo(self) -> int:
        """How far in pixels a pixel of the sketch sees."""
        return max(blur_radius(self.radius), blur_radius(self.radius * LINE * WIDER))

    def draw(self, photo: Tensor) -> Tensor:
        """Sketches (N, 3, H, W) of photos (N, 3, H, W), RGB, 0..1: gray, on white paper."""
        light = luma(photo.clamp(0, 1))
        # colour dodge of the picture by its inverted blur: what is as light as its surroundings becomes white
        strokes = ((light + DARKEST) / (gaussian_blur(light, self.radius) + DARKEST)).clamp(max=1)
        fine, wide = (gaussian_blur(light, self.radius * LINE * width) for width in (1, WIDER))
        outlines = (1 - GAIN * self.lines * (wide - fine).clamp(min=0)).clamp(min=0)
        tone = 1 - self.shade * (1 - light)
        return (strokes.pow(self.pressure) * outlines * tone).expand(-1, 3, -1, -1)


def random_sketches(photos: Tensor) -> Tensor:
    """Sketches (N, 3, H, W) of photos (N, 3, H, W), each by another pencil, on paper that is not quite white or even.

    Randomness is from torch's default generator.
    """
    return torch.cat([_random_sketch(photo[None]) for photo in photos])


def _random_sketch(photo: Tensor) -> Tensor:
    radius, pressure, lines, shade, paper, grain = torch.rand(6).tolist()
    pencil = Pencil(1 + 5 * radius**2, 0.6 + 1.2 * pressure, 1.6 * lines, 0.5 * shade)
    noise = torch.randn(1, 1, *photo.shape[2:]).to(photo.device)
    drawn = pencil.draw(photo) * (1 - 0.1 * paper**2) + 0.03 * grain**2 * noise
    return drawn.clamp(0, 1)


PAIRS = {"sketch": (Pencil().draw, random_sketches)}
"""Makers of inputs for targets, by name: the one that validation uses, and the random one that training uses."""
