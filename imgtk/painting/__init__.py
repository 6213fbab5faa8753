"""A library for plugins whose networks repaint images at their own size: styles and translations.

This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgtk.errors import ParameterError
from imgtk.params import Flag, ImageFile, Integer, Number, Param

__all__ = ["KEEP_COLOUR", "MASK", "SCALE", "SEED", "STRENGTH", "KeepColour", "style_weights"]


class KeepColour(Flag):
    """Yes, no, or one of `KINDS`; the value is one of those, or None. Yes means the first."""

    KINDS = ("luma", "covariance", "histogram")

    def convert(self, value: object) -> str | None:  # type: ignore[override]
        if value is None or value in self.KINDS:
            return value
        return self.KINDS[0] if super().convert(value) else None

    def describe(self) -> str:
        return f"yes, no, {', '.join(self.KINDS[:-1])} or {self.KINDS[-1]}"

    def format(self, value: object) -> str:
        return str(value or "no")


STRENGTH = Param(
    "strength", Number(0, 1), "Strength of the effect: 0 leaves the image unchanged.", default=1.0, positional=True
)
KEEP_COLOUR = Param(
    "keep-colour",
    KeepColour(),
    "Keep the colours of the image: luma takes only the brightness of the painting, the others map its colours.",
    default=None,
)
MASK = Param("mask", ImageFile(), "Gray image of the same size: paint only where it is white.", default=None)
SCALE = Param("scale", Number(0.5, 4), "Size of the strokes; they grow with images over a megapixel.", default=1.0)
SEED = Param("seed", Integer(0, 2**31 - 1), "Seed of the brush strokes; by default --seed.", default=None)


def style_weights(operator: str, images: Sequence[Path], weights: Sequence[float] | None) -> list[float]:
    """Return a weight for each style image; None gives equal ones.

    Raises:
        ParameterError: another number of weights than of images, or weights that are all 0.
    """
    chosen = list(weights or [1.0] * len(images))
    if len(chosen) != len(images) or not sum(chosen):
        raise ParameterError(
            f"{operator}: {len(chosen)} weights for {len(images)} style images",
            hint="Give one weight per image, not all 0: image=a.jpg,b.jpg weights=2,1",
        )
    return chosen
