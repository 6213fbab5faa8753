"""Operators that move pixels, make them from nothing, or work on alpha, as a stranger would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from imgtk.errors import UsageError
from imgtk.geometry import Affine, Box, Extent, Geometry, Size, Window, cut
from imgtk.op import Facts, ImageOp, OpSpec, Planes
from imgtk.params import ImageInput, Integer, Param

EXACT = Facts(planes=Planes.ALL, needs_float32=True, batched=True)


class Crop(ImageOp):
    """A rectangle of the image."""

    facts = EXACT

    def __init__(self, width: int, height: int, x: int, y: int) -> None:
        self.box = Box(x, y, x + width, y + height)

    def output_size(self, *sizes: Size) -> Size:
        if self.box.within(sizes[0]) != self.box:
            raise UsageError(f"the rectangle {tuple(self.box)} is not within {sizes[0]}")
        return self.box.size

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        return [box.shifted(self.box.left, self.box.top)]

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine(1, 0, self.box.left, 0, 1, self.box.top)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        return inputs[0]


class Pad(ImageOp):
    """A border of one colour, which may be transparent."""

    def __init__(self, left: int, top: int, right: int, bottom: int, opaque: int) -> None:
        self.sides, self.opaque = Box(left, top, right, bottom), opaque
        self.facts = Facts(planes=Planes.ALL if opaque else Planes.ALPHA, needs_float32=True, batched=True)

    def output_size(self, *sizes: Size) -> Size:
        (width, height), (left, top, right, bottom) = sizes[0], self.sides
        return Size(left + width + right, top + height + bottom)

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        return [box.shifted(-self.sides.left, -self.sides.top)]

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine(1, 0, -self.sides.left, 0, 1, -self.sides.top)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        (x,) = inputs
        size = window.output.size
        result = x.new_full((len(x), x.shape[1], size.height, size.width), 0.25)
        result[:, 3:] = self.opaque
        place = window.input.shifted(self.sides.left - window.output.left, self.sides.top - window.output.top)
        if x.numel():
            cut(result, place).copy_(x)
        return result


class Flip(ImageOp):
    """Left and right change places."""

    facts = EXACT

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        width = sizes[0].width
        return [Box(width - box.right, box.top, width - box.left, box.bottom)]

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine(-1, 0, sizes[0].width, 0, 1, 0)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        return inputs[0].flip(3)


class Turn(ImageOp):
    """A quarter turn, counter-clockwise."""

    facts = EXACT

    def output_size(self, *sizes: Size) -> Size:
        return Size(*sizes[0][::-1])

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        width = sizes[0].width
        return [Box(width - box.bottom, box.left, width - box.top, box.right)]

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine(0, -1, sizes[0].width, 1, 0, 0)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        return inputs[0].rot90(1, (2, 3))


class TurnWhole(ImageOp):
    """The same, of the whole image, in colour only: the engine turns alpha by calling it again."""

    geometry = Geometry(extent=Extent.WHOLE)

    def output_size(self, *sizes: Size) -> Size:
        return Size(*sizes[0][::-1])

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine(0, -1, sizes[0].width, 1, 0, 0)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.rot90(1, (2, 3))


class Ramp(ImageOp):
    """A ramp from left to right, at the size of the pipeline's input unless it has one."""

    def __init__(self, width: int | None, height: int | None) -> None:
        self.size = Size(width, height) if width and height else None

    def output_size(self, *sizes: Size) -> Size:
        return self.size or super().output_size(*sizes)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        box = window.output
        row = torch.arange(box.left, box.right) / window.output_size.width
        return row.expand(1, 3, box.size.height, -1)


class Over(ImageOp):
    """Another image, of any size, laid over this one at (x, y)."""

    facts = EXACT

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def output_size(self, *sizes: Size) -> Size:
        return sizes[0]

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        return [box, box.shifted(-self.x, -self.y)]

    def placement(self, *sizes: Size) -> Affine | None:
        return Affine.scaling(1, 1)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        below, above = inputs
        result = below.clone()
        ((covered, _),) = window.others
        if not covered.empty:
            part = cut(result, covered.shifted(self.x - window.output.left, self.y - window.output.top))
            opacity = above[:, 3:] if above.shape[1] == 4 else 1.0
            part[:, :3] += opacity * (above[:, :3] - part[:, :3])
        return result


class Opaque(ImageOp):
    """What shows where a white paper lies behind the image."""

    facts = Facts(planes=Planes.FLAT, batched=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return 1 + x[:, 3:] * (x[:, :3] - 1)


def number(name: str, default: int | None = None) -> Param:
    return Param(name, Integer(), "A number.", default=default, positional=True)


def spec(name: str, kind: type, *params: Param, **more: Any) -> OpSpec:
    return OpSpec(name, f"{__name__}:{kind.__name__}", name, params, **more)


SPECS = (
    spec("crop", Crop, *(number(name, 0) for name in ("width", "height", "x", "y"))),
    spec("pad", Pad, *(number(name, 0) for name in ("left", "top", "right", "bottom")), number("opaque", 1)),
    spec("flip", Flip),
    spec("turn", Turn),
    spec("turn-whole", TurnWhole),
    spec("ramp", Ramp, number("width"), number("height"), generates=True),
    spec("over", Over, Param("image", ImageInput(), "On top.", positional=True), number("x", 0), number("y", 0)),
    spec("opaque", Opaque),
)
