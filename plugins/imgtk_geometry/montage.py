"""`montage` and `tile-grid`: several images side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window, anchored, cut
from imgtk.op import Facts, ImageOp, Planes
from imgtk_geometry.canvas import QuarterTurn
from imgtk_geometry.fit import Fit
from imgtk_geometry.move import Fill, filled

__all__ = ["Montage", "TileGrid"]


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

    def cell(self, sizes: Sequence[Size]) -> Size:
        """Return the size of a cell."""
        return Size(max(size.width for size in sizes), max(size.height for size in sizes))

    def change(self, cell: Size) -> ImageOp:
        """Return what is done to each image before it is laid into its cell: nothing."""
        return QuarterTurn(0)

    def boxes(self, sizes: Sequence[Size]) -> list[Box]:
        """Return where the images lie."""
        cell, found = self.cell(sizes), []
        for index, size in enumerate(sizes):
            row, column = divmod(index, self.columns or len(sizes))
            shown = self.change(cell).output_size(size)
            left, top = anchored("center", cell, shown)
            left, top = left + column * (cell.width + self.gap), top + row * (cell.height + self.gap)
            found.append(Box.of(shown).shifted(left, top))
        return found

    def output_size(self, *sizes: Size) -> Size:
        columns = min(self.columns or len(sizes), len(sizes))
        sides = zip((columns, ceil(len(sizes) / columns)), self.cell(sizes), strict=True)
        return Size(*(count * (side + self.gap) - self.gap for count, side in sides))

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        change, found = self.change(self.cell(sizes)), list[Box]()
        for place, size in zip(self.boxes(sizes), sizes, strict=True):
            part = box.common(place).shifted(-place.left, -place.top)
            found += [Box(0, 0, 0, 0)] if part.empty else change.regions(part, size)
        return found

    def placement(self, *sizes: Size) -> Affine | None:
        first, within = self.boxes(sizes)[0], self.change(self.cell(sizes)).placement(sizes[0])
        return within and within @ Affine(1, 0, -first.left, 0, 1, -first.top)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        covered = [(window.input, window.input_size), *window.others]
        sizes = [size for _, size in covered]
        result, change = filled(inputs[0], window.output.size, self.colour), self.change(self.cell(sizes))
        for x, (box, size), place in zip(inputs, covered, self.boxes(sizes), strict=True):
            seen = window.output.common(place)
            if not seen.empty:
                part = Window(seen.shifted(-place.left, -place.top), place.size, box, size)
                shown = change.render(x, window=part)
                behind = cut(result, seen.shifted(-window.output.left, -window.output.top))
                behind.copy_(shown if self.colour[3] < 1 else torch.lerp(behind, shown, shown[:, 3:]))
        return result if self.colour[3] < 1 else result[:, :3]


class TileGrid(Montage):
    """Lay images on a grid of equal cells, each scaled to cover its cell.

    Args:
        width, height: of the cells; None for those of the first image.
        columns, gap, colour: as for `Montage`.
    """

    def __init__(self, width: int | None, height: int | None, columns: int | None, gap: int, colour: Fill) -> None:
        super().__init__(columns, gap, colour)
        self.width, self.height = width, height

    def cell(self, sizes: Sequence[Size]) -> Size:
        return Size(self.width or sizes[0].width, self.height or sizes[0].height)

    def change(self, cell: Size) -> ImageOp:
        return Fit(cell.width, cell.height, "cover", "center", self.colour)
