"""Sizes and regions of images, in whole pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["GRAVITIES", "Affine", "Box", "Extent", "Geometry", "Size", "Window", "anchored", "cut"]


class Size(NamedTuple):
    """Width and height of an image in pixels, both at least 1.

    >>> print(Size(640, 480).scaled(Fraction(1, 3)))
    213x160
    """

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def scaled(self, scale: Fraction) -> Size:
        """Return this size times `scale`, each side rounded half up and at least 1."""
        return Size(*(max(1, floor(side * scale + Fraction(1, 2))) for side in self))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """The half-open region [left, right) x [top, bottom).

    >>> Box(10, 10, 20, 20).grown(16).within(Size(30, 30))
    Box(left=0, top=0, right=30, bottom=30)
    """

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, size: Size) -> Box:
        return cls(0, 0, size.width, size.height)

    @property
    def size(self) -> Size:
        return Size(self.right - self.left, self.bottom - self.top)

    def shifted(self, dx: int, dy: int) -> Box:
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def grown(self, margin: int) -> Box:
        """Return this region and `margin` pixels more on each side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def within(self, size: Size) -> Box:
        """Return the part of this region that lies in an image of `size`; it may be `empty`."""
        left, top = min(max(0, self.left), size.width), min(max(0, self.top), size.height)
        right, bottom = min(max(left, self.right), size.width), min(max(top, self.bottom), size.height)
        return Box(left, top, right, bottom)

    @property
    def empty(self) -> bool:
        return self.left >= self.right or self.top >= self.bottom

    def common(self, other: Box) -> Box:
        """Return the region that this and `other` have in common; it may be `empty`."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Box(left, top, max(left, min(self.right, other.right)), max(top, min(self.bottom, other.bottom)))


def cut(pixels: Tensor, box: Box) -> Tensor:
    """Return the part of `pixels`, (N, C, H, W), in `box`: a view."""
    return pixels[:, :, box.top : box.bottom, box.left : box.right]


class Affine(NamedTuple):
    """Where the pixels of an image lie in another one: (x, y) at (a x + b y + c, d x + e y + f).

    Coordinates are continuous: the first pixel covers [0, 1) x [0, 1). The order is that of Pillow and rasterio.
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @classmethod
    def scaling(cls, across: Fraction | float, down: Fraction | float) -> Affine:
        return cls(float(across), 0.0, 0.0, 0.0, float(down), 0.0)

    def __matmul__(self, inner: Affine) -> Affine:
        """Return the mapping that applies `inner` first, and then this one."""
        a, b, c, d, e, f = self
        return Affine(
            a * inner.a + b * inner.d,
            a * inner.b + b * inner.e,
            a * inner.c + b * inner.f + c,
            d * inner.a + e * inner.d,
            d * inner.b + e * inner.e,
            d * inner.c + e * inner.f + f,
        )

    def inverse(self) -> Affine:
        """Return the inverse mapping. Raises ZeroDivisionError if there is none."""
        a, b, c, d, e, f = self
        scale = a * e - b * d
        return Affine(e / scale, -b / scale, (b * f - c * e) / scale, -d / scale, a / scale, (c * d - a * f) / scale)


class Extent(Enum):
    """How much of the image an operator must see to compute one output pixel."""

    LOCAL = "local"  # the pixel's neighbourhood, `Geometry.halo` pixels around
    STATISTICS = "statistics"  # the neighbourhood, and statistics of the whole image (`ImageOp.measure`)
    WHOLE = "whole"  # every pixel


@dataclass(frozen=True)
class Geometry:
    """What an operator needs of its input, in pixels of that input.

    Attributes:
        scale: output pixels per input pixel.
        halo: context around a tile, with which the tiled result equals the untiled one. For networks with a larger
            receptive field it does so within the bound that the operator's documentation states.
        multiple: the sides of the input must be multiples of this; the engine pads by mirroring, and crops.
        extent: how much of the image one output pixel depends on.
        periodic: whether the image repeats itself across (x) and down (y): the halo at its border is then taken from
            the opposite one. The engine holds the whole input for that.
    """

    scale: Fraction = Fraction(1)
    halo: int = 0
    multiple: int = 1
    extent: Extent = Extent.LOCAL
    periodic: tuple[bool, bool] = (False, False)


NOTHING, NOWHERE = Size(0, 0), Box(0, 0, 0, 0)
"""Size and region of an input that is not there."""


@dataclass(frozen=True)
class Window:
    """Where a tile lies, for operators that need to know.

    Attributes:
        output: the region to produce, in pixels of the operator's output.
        output_size: size of the operator's whole output.
        input: the region that the input tensor covers, in pixels of the operator's (first) input. It extends beyond the
            image where pixels were mirrored (`Geometry.multiple`) or repeated (`Geometry.periodic`). It is empty where
            nothing of the input is needed, and for operators without input.
        input_size: size of the whole (first) input.
        others: the same two of each further input.
    """

    output: Box
    output_size: Size
    input: Box = NOWHERE
    input_size: Size = NOTHING
    others: tuple[tuple[Box, Size], ...] = ()

    @classmethod
    def whole(cls, output_size: Size, *sizes: Size) -> Window:
        """Return the window of a whole image, made of whole inputs of these `sizes`."""
        (first, *others) = sizes or (NOTHING,)
        covered = tuple((Box.of(size), size) for size in others)
        return cls(Box.of(output_size), output_size, Box.of(first), first, covered)

    @property
    def inner(self) -> Box:
        """The region to produce, in pixels of the (first) input tensor, for operators that keep the size."""
        return self.output.shifted(-self.input.left, -self.input.top)


GRAVITIES: Mapping[str, tuple[int, int]] = {
    "center": (1, 1),
    "north": (1, 0),
    "north-east": (2, 0),
    "east": (2, 1),
    "south-east": (2, 2),
    "south": (1, 2),
    "south-west": (0, 2),
    "west": (0, 1),
    "north-west": (0, 0),
}
"""Where one rectangle lies in another: halves of the room that it leaves, to the right and down."""


def anchored(gravity: str, outer: Size, inner: Size) -> tuple[int, int]:
    """Return the left and top edge of a rectangle of size `inner` in one of `outer`, or around it, if it is larger."""
    across, down = GRAVITIES[gravity]
    return (outer.width - inner.width) * across // 2, (outer.height - inner.height) * down // 2
