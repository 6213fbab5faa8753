"""Pencil sketches of photos, without a network: the operator's, and random ones for training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

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
GRAYEST = 0.1
"""Added to colours before they are divided by their lightest channel: noise in the dark has no colour."""
PATCHES = 4
"""A random sketch is coloured in patches of a quarter of its side, about."""


@dataclass(frozen=True)
class Pencil:
    """How a sketch is drawn.

    Attributes:
        radius: standard deviation in pixels of the blur against which a place is drawn if it is darker: the width of
            the strokes.
        pressure: exponent of the strokes' lightness.
        lines: strength of the outlines.
        shade: how much darker than paper black areas are, 0..1.
        colour: how strongly the sketch is coloured with crayons, 0 (not at all) to 1 (each place as saturated as in the
            photo).
    """

    radius: float = 3.0
    pressure: float = 1.0
    lines: float = 1.0
    shade: float = 0.25
    colour: float = 0.0

    @property
    def halo(self) -> int:
        """Receptive radius of a pixel of the sketch, in pixels."""
        return max(blur_radius(self.radius), blur_radius(self.radius * LINE * WIDER))

    def draw(self, photo: Tensor) -> Tensor:
        """Return sketches (N, 3, H, W) of photos (N, 3, H, W), RGB, 0..1, on white paper."""
        return self.trace(photo) * self.crayon(photo)

    def trace(self, photo: Tensor) -> Tensor:
        """Return what is drawn in pencil: (N, 1, H, W)."""
        light = luma(photo.clamp(0, 1))
        # colour dodge of the image by its inverted blur: what is as light as its surroundings becomes white
        strokes = ((light + DARKEST) / (gaussian_blur(light, self.radius) + DARKEST)).clamp(max=1)
        fine, wide = (gaussian_blur(light, self.radius * LINE * width) for width in (1, WIDER))
        outlines = (1 - GAIN * self.lines * (wide - fine).clamp(min=0)).clamp(min=0)
        tone = 1 - self.shade * (1 - light)
        return strokes.pow(self.pressure) * outlines * tone

    def crayon(self, photo: Tensor) -> Tensor:
        """Return what is drawn in crayon: (N, 3, H, W). It has the colours of the photo, but their lightness, and no
        edges."""
        smooth = gaussian_blur(photo.clamp(0, 1), self.radius) + GRAYEST
        return torch.lerp(torch.ones_like(smooth), smooth / smooth.amax(1, keepdim=True), self.colour)


def random_sketches(photos: Tensor) -> Tensor:
    """Return sketches (N, 3, H, W) of photos (N, 3, H, W), each by another pencil, on paper that is not quite white or
    even.

    Randomness is from torch's default generator.
    """
    return torch.cat([_random_sketch(photo[None]) for photo in photos])


def random_coloured_sketches(photos: Tensor) -> Tensor:
    """Return sketches like `random_sketches`, half of which are coloured in places: what users leave gray is for the
    network."""
    return torch.cat([_random_sketch(photo[None]) * _random_crayon(photo[None]) for photo in photos])


def _random_sketch(photo: Tensor) -> Tensor:
    radius, pressure, lines, shade, paper, grain = torch.rand(6).tolist()
    pencil = Pencil(1 + 5 * radius**2, 0.6 + 1.2 * pressure, 1.6 * lines, 0.5 * shade)
    noise = torch.randn(1, 1, *photo.shape[2:]).to(photo.device)
    drawn = pencil.draw(photo) * (1 - 0.1 * paper**2) + 0.03 * grain**2 * noise
    return drawn.clamp(0, 1)


def _random_crayon(photo: Tensor) -> Tensor:
    chance, radius, strength, everywhere = torch.rand(4).tolist()
    patches = torch.rand(1, 1, PATCHES, PATCHES).to(photo.device)
    if chance < 0.5:
        return torch.ones_like(photo)
    crayon = Pencil(radius=1 + 7 * radius, colour=strength).crayon(photo)
    where = interpolate((patches < 0.5 + everywhere).float(), size=photo.shape[2:], mode="bilinear")
    return torch.lerp(torch.ones_like(photo), crayon, where)


PAIRS = {
    "sketch": (Pencil().draw, random_sketches),
    "coloured-sketch": (Pencil(colour=0.5).draw, random_coloured_sketches),
}
"""Makers of inputs for targets, by name: the one that validation uses, and the random one that training uses."""
