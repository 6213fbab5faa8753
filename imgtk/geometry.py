"""Sizes and regions of images, in whole pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["Box", "Extent", "Geometry", "Size", "Window", "cut"]


class Size(NamedTuple):
    """Width and height of an image in pixels, both at least 1."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def scaled(self, scale: Fraction) -> Size:
        """This size times `scale`, each side rounded half up and at least 1."""
        return Size(*(max(1, floor(side * scale + Fraction(1, 2))) for side in self))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """The half-open region [left, right) x [top, bottom)."""

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


def cut(pixels: Tensor, box: Box) -> Tensor:
    """The part of `pixels`, (N, C, H, W), in `box`: a view."""
    return pixels[:, :, box.top : box.bottom, box.left : box.right]


class Extent(Enum):
    """How much of the image an operator must see to compute one output pixel."""

    LOCAL = "local"  # the pixel's neighbourhood, `Geometry.halo` pixels around
    STATISTICS = "statistics"  # the neighbourhood, and statistics of the whole image (`ImageOp.measure`)
    WHOLE = "whole"  # every pixel


@dataclass(frozen=True)
class Geometry:
    """What an operator needs of its input, in pixels of its own input.

    Attributes:
        scale: output pixels per input pixel.
        halo: context around a tile for which the tiled result is the untiled one (or, for networks whose receptive
            field is larger, for which it is so within the bound that the operator's documentation states).
        multiple: the input's sides must be multiples of this; the engine pads by mirroring, and crops.
        extent: how much of the image one output pixel depends on.
        periodic: whether the image is taken as repeating itself across (x) and down (y): at its border, the halo is
            then what lies at the opposite one. The engine keeps the whole input for that.
    """

    scale: Fraction = Fraction(1)
    halo: int = 0
    multiple: int = 1
    extent: Extent = Extent.LOCAL
    periodic: tuple[bool, bool] = (False, False)


@dataclass(frozen=True)
class Window:
    """Where a tile lies: what a position-dependent operator is told beside the pixels.

    Attributes:
        output: the region to produce, in pixels of the operator's output.
        output_size: size of the operator's whole output.
        input: the region that the input tensor covers, in pixels of the operator's (first) input. It reaches beyond the
            image by what was mirrored at its end (`Geometry.multiple`), or repeated around it (`Geometry.periodic`).
        input_size: size of the whole (first) input.
    """

    output: Box
    output_size: Size
    input: Box
    input_size: Size
