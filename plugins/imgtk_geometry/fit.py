"""`fit`: any image in a given size, without distortion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window, anchored
from imgtk.nn.alpha import region_under, resized
from imgtk.op import Facts, ImageOp, Planes
from imgtk_geometry.move import Fill, filled

__all__ = ["Fit"]


@dataclass(eq=False)
class Fit(ImageOp):
    """Change the size so that the image covers a canvas, is contained in it, or both without one.

    Args:
        mode: "cover" (the canvas is full, what does not fit is cut off), "contain" (all of the image is seen, with
            margins), or "inside" (all of it, without margins: one side may be shorter).
        gravity: what is kept, or where the image lies.
        colour: of the margins.
        corner: left and top edge of the canvas in the scaled image, instead of `gravity`.
    """

    width: int
    height: int
    mode: str
    gravity: str
    colour: Fill
    corner: tuple[int, int] | None = None

    @cached_property
    def facts(self) -> Facts:
        margins = self.mode == "contain"
        planes = Planes.ALPHA if margins and self.colour[3] < 1 else Planes.ALL
        gray = len(set(self.colour[:3])) == 1
        return Facts(planes=planes, batched=True, needs_float32=True, may_add_colour=margins and not gray)

    def scaled(self, size: Size) -> Size:
        """Return the size to which the image is brought."""
        factors = [Fraction(self.width, size.width), Fraction(self.height, size.height)]
        return size.scaled(max(factors) if self.mode == "cover" else min(factors))

    def output_size(self, *sizes: Size) -> Size:
        return self.scaled(sizes[0]) if self.mode == "inside" else Size(self.width, self.height)

    def inner(self, size: Size) -> Box:
        """Return where the scaled image lies on the canvas; for "cover", it reaches beyond."""
        scaled = self.scaled(size)
        if self.corner:
            return Box.of(scaled).shifted(-self.corner[0], -self.corner[1])
        return Box.of(scaled).shifted(*anchored(self.gravity, self.output_size(size), scaled))

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        inner = self.inner(sizes[0])
        return [region_under(box.common(inner).shifted(-inner.left, -inner.top), inner.size, sizes[0])]

    def placement(self, *sizes: Size) -> Affine | None:
        inner, (width, height) = self.inner(sizes[0]), sizes[0]
        across, down = width / inner.size.width, height / inner.size.height
        return Affine(across, 0, -inner.left * across, 0, down, -inner.top * down)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        inner = self.inner(window.input_size)
        seen = window.output.common(inner)
        if seen == window.output:
            return resized(
                inputs[0], seen.shifted(-inner.left, -inner.top), inner.size, window.input, window.input_size
            )
        result = filled(inputs[0], window.output.size, self.colour)
        if not seen.empty:
            there = seen.shifted(-window.output.left, -window.output.top)
            part = seen.shifted(-inner.left, -inner.top)
            result[:, :, there.top : there.bottom, there.left : there.right] = resized(
                inputs[0], part, inner.size, window.input, window.input_size
            )
        return result
