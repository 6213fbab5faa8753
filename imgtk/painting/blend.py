"""Combines a painted image with the image that it was painted from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from imgtk.geometry import Size, Window
from imgtk.nn.colour import luma
from imgtk.painting.mask import Mask
from imgtk.painting.palette import PALETTES, Palette

__all__ = ["Blend"]


class Blend:
    """Mixes a painting with its image, and maps the colours.

    Args:
        strength: 0 returns the original, 1 the painting.
        keep_colour: None for the painting's colours; "luma" for the painting's brightness and the original's colours;
            "covariance" or "histogram" for the painting with its colours mapped to those of the original (Gatys et al.,
            "Preserving color in neural artistic style transfer", 2016, sections 2 and 3).
        mask: file of a `Mask`; None for everywhere.

    Raises:
        ReadError: the mask cannot be read.
    """

    def __init__(self, strength: float = 1.0, keep_colour: str | None = None, mask: Path | None = None) -> None:
        self.strength, self.keep_colour = strength, keep_colour
        self.mask = Mask(mask) if mask else None

    def check(self, size: Size) -> None:
        """Raise ParameterError if the mask is not of `size`."""
        if self.mask:
            self.mask.check(size)

    def measure(self, painted: Tensor, original: Tensor) -> Palette | None:
        """Return the mapping of colours of the whole image, from reduced versions (1, 3, H, W) of both."""
        if self.keep_colour not in PALETTES:
            return None
        return PALETTES[self.keep_colour].between(painted, original)

    def __call__(self, painted: Tensor, original: Tensor, palette: Palette | None, window: Window) -> Tensor:
        """Return the result for `window.output`, which both images (1, 3, H, W) cover, RGB, 0..1."""
        original = original.to(painted.dtype)
        if self.keep_colour == "luma":
            painted = (original + luma(painted) - luma(original)).clamp(0, 1)
        elif palette:
            painted = palette(painted)
        if self.mask:
            return torch.lerp(original, painted, self.strength * self.mask.within(window, painted))
        return painted if self.strength == 1 else torch.lerp(original, painted, self.strength)
