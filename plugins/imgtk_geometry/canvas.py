"""Crops, margins, mirror images and quarter turns."""

from __future__ import annotations

from dataclasses import dataclass

from imgtk.errors import ParameterError
from imgtk.geometry import Box, Size, anchored
from imgtk_geometry.move import Axis, Fill, Layout, Move

__all__ = ["Border", "Crop", "Extend", "Flip", "Pad", "QuarterTurn", "Transpose"]


@dataclass(eq=False)
class Crop(Move):
    """Keep a part of the image.

    Args:
        width, height: of the part, with x and y, its left and top edge, or `gravity`, where it lies.
        box: left, top, right and bottom edge, instead.

    Raises:
        ParameterError: neither or both are given, or the part reaches beyond the image (when its size is known).
    """

    width: int | None
    height: int | None
    x: int | None
    y: int | None
    gravity: str
    box: tuple[int, ...] | None

    def __post_init__(self) -> None:
        sides = (self.width, self.height)
        if (self.box is None) == (sides == (None, None)) or (self.box is None and None in sides):
            raise ParameterError("crop needs a width and a height, or box=", hint="Such as: crop 300 200 gravity=north")
        if self.box and (len(self.box) != 4 or self.box[0] >= self.box[2] or self.box[1] >= self.box[3]):
            told = ",".join(map(str, self.box))
            raise ParameterError(f"crop: box={told} is no region", hint="Expected left,top,right,bottom, in pixels.")

    def layout(self, size: Size) -> Layout:
        part = self.part(size)
        return Layout(part.size, Axis(part.left), Axis(part.top))

    def part(self, size: Size) -> Box:
        """Return the region to keep."""
        if self.box:
            part = Box(*self.box)
        else:
            inner = Size(self.width or 0, self.height or 0)
            left, top = anchored(self.gravity, size, inner)
            left, top = left if self.x is None else self.x, top if self.y is None else self.y
            part = Box.of(inner).shifted(left, top)
        if part.within(size) != part:
            raise ParameterError(
                f"crop: {part.size} pixels at {part.left},{part.top} reach beyond the image of {size}",
                hint="Crop less, or use `fit W H cover` for any image, or `pad` to make it larger.",
            )
        return part


@dataclass(eq=False)
class Pad(Move):
    """Put the image on a larger canvas.

    Raises:
        ParameterError: the canvas is smaller than the image (when its size is known).
    """

    width: int
    height: int
    gravity: str
    colour: Fill

    def layout(self, size: Size) -> Layout:
        canvas = Size(self.width, self.height)
        if size.width > canvas.width or size.height > canvas.height:
            raise ParameterError(
                f"pad: the image of {size} is larger than {canvas}",
                hint=f"Use `fit {self.width} {self.height} contain` for any image, or `crop`.",
            )
        left, top = anchored(self.gravity, canvas, size)
        return Layout(canvas, Axis(-left), Axis(-top))


@dataclass(eq=False)
class Extend(Move):
    """Add a margin that goes on with the image.

    Args:
        margin: on each side, in pixels.
        mode: a border of `Axis`.
    """

    margin: int
    mode: str

    def layout(self, size: Size) -> Layout:
        axis = Axis(-self.margin, 1, self.mode)
        return Layout(Size(size.width + 2 * self.margin, size.height + 2 * self.margin), axis, axis)


@dataclass(eq=False)
class Border(Move):
    """Add a margin of one colour."""

    margin: int
    colour: Fill

    def layout(self, size: Size) -> Layout:
        axis = Axis(-self.margin)
        return Layout(Size(size.width + 2 * self.margin, size.height + 2 * self.margin), axis, axis)


@dataclass(eq=False)
class Flip(Move):
    """Mirror the image: "h" exchanges left and right, "v" top and bottom."""

    direction: str

    def layout(self, size: Size) -> Layout:
        across = Axis(size.width - 1, -1) if self.direction != "v" else Axis()
        return Layout(size, across, Axis(size.height - 1, -1) if self.direction != "h" else Axis())


class Transpose(Move):
    """Swap rows and columns."""

    def layout(self, size: Size) -> Layout:
        return Layout(Size(size.height, size.width), swap=True)


@dataclass(eq=False)
class QuarterTurn(Move):
    """Turn counter-clockwise by so many quarters, 0 to 3, exactly."""

    quarters: int

    def layout(self, size: Size) -> Layout:
        width, height = size
        if self.quarters % 2 == 0:
            return Flip("both").layout(size) if self.quarters else Layout(size)
        ahead, back = Axis(), (Axis(height - 1, -1), Axis(width - 1, -1))
        turned = Size(height, width)
        return Layout(turned, ahead, back[1], True) if self.quarters == 1 else Layout(turned, back[0], ahead, True)
