"""`montage`: several images side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window, anchored
from imgtk.op import Facts, ImageOp, Planes
from imgtk_geometry.move import Fill, filled

__all__ = ["Montage"]


@dataclass(eq=False)
class Montage(ImageOp):
    """Lay images on a grid, row by row, each in the middle of a cell; cells are as large as the largest image.

    Args:
        columns: of the grid; None for one row.
        gap: between the cells, in pixels.
        colour: behind the images.
    """

    columns: int | None
    gap: int
    colour: Fill

    @cached_property
    def facts(self) -> Facts:
        planes = Planes.ALPHA if self.colour[3] < 1 else Planes.FLAT
        return Facts(planes=planes, batched=True, needs_float32=True, may_add_colour=True)

    def boxes(self, sizes: Sequence[Size]) -> list[Box]:
        """Return where the images lie."""
        cell = Size(max(size.width for size in sizes), max(size.height for size in sizes))
        found = []
        for index, size in enumerate(sizes):
            row, column = divmod(index, self.columns or len(sizes))
            left, top = anchored("center", cell, size)
            left += column * (cell.width + self.gap)
            found.append(Box.of(size).shifted(left, top + row * (cell.height + self.gap)))
        return found

    def output_size(self, *sizes: Size) -> Size:
        columns = min(self.columns or len(sizes), len(sizes))
        counts = (columns, ceil(len(sizes) / columns))
        sides = (max(side) for side in zip(*sizes, strict=True))
        return Size(*(count * (side + self.gap) - self.gap for count, side in zip(counts, sides, strict=True)))

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        places = self.boxes(sizes)
        return [box.shifted(-place.left, -place.top).within(size) for place, size in zip(places, sizes, strict=True)]

    def placement(self, *sizes: Size) -> Affine | None:
        first = self.boxes(sizes)[0]
        return Affine(1, 0, -first.left, 0, 1, -first.top)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        covered = [(window.input, window.input_size), *window.others]
        result = filled(inputs[0], window.output.size, self.colour)
        for x, (box, _), place in zip(inputs, covered, self.boxes([size for _, size in covered]), strict=True):
            if not box.empty:
                there = box.shifted(place.left - window.output.left, place.top - window.output.top)
                behind = result[:, :, there.top : there.bottom, there.left : there.right]
                behind.copy_(x if self.colour[3] < 1 else torch.lerp(behind, x, x[:, 3:]))
        return result if self.colour[3] < 1 else result[:, :3]
