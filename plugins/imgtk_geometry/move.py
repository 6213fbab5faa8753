"""What moves pixels without changing them: each output pixel is one of the input's, or fill."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window
from imgtk.op import Facts, ImageOp, Planes

__all__ = ["Axis", "Layout", "Move", "filled"]

Fill = tuple[float, float, float, float]
"""(r, g, b, opacity), each 0..1."""


@dataclass(frozen=True)
class Axis:
    """Where the output's pixels come from on one axis: pixel i is the input's pixel start + step * i.

    Attributes:
        step: 1, or -1 where the image is mirrored.
        border: what lies beyond the image: "fill", or the image "reflect"ed (the last pixel is not repeated), its
            "repeat"ed copies, or its last pixel ("edge").
    """

    start: int = 0
    step: int = 1
    border: str = "fill"

    def sources(self, start: int, stop: int, length: int) -> Tensor:
        """For output pixels start..stop, the pixels of an input of `length`; outside it where there is fill."""
        found = self.start + self.step * torch.arange(start, stop)
        if self.border == "repeat":
            return found % length
        if self.border == "edge":
            return found.clamp(0, length - 1)
        if self.border == "reflect":
            period = max(1, 2 * (length - 1))
            folded = found % period
            return torch.minimum(folded, period - folded) if length > 1 else folded * 0
        return found


@dataclass(frozen=True)
class Layout:
    """Where all pixels of an output come from.

    Attributes:
        size: of the output.
        across, down: the sources of its columns and its rows.
        swap: whether columns come from the input's rows, and rows from its columns.
    """

    size: Size
    across: Axis = Axis()
    down: Axis = Axis()
    swap: bool = False


class Move(ImageOp):
    """An operator that is a `layout`."""

    colour: Fill = (0.0, 0.0, 0.0, 1.0)

    @abstractmethod
    def layout(self, size: Size) -> Layout:
        """Return the layout for an input of `size`. Raises ParameterError if there is none."""

    @cached_property
    def facts(self) -> Facts:
        transparent, gray = self.colour[3] < 1, len(set(self.colour[:3])) == 1
        planes = Planes.ALPHA if transparent else Planes.ALL
        return Facts(planes=planes, batched=True, needs_float32=True, may_add_colour=not gray)

    def output_size(self, *sizes: Size) -> Size:
        return self.layout(sizes[0]).size

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        columns, rows = (_inside(found, length) for found, length in zip(*self._sources(box, sizes[0]), strict=True))
        if self.layout(sizes[0]).swap:
            columns, rows = rows, columns
        if not (len(columns) and len(rows)):
            return [Box(0, 0, 0, 0)]
        return [Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)]

    def placement(self, *sizes: Size) -> Affine | None:
        layout = self.layout(sizes[0])
        (a, c), (e, f) = ((axis.step, axis.start + (axis.step < 0)) for axis in (layout.across, layout.down))
        return Affine(0, e, f, a, 0, c) if layout.swap else Affine(a, 0, c, 0, e, f)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        x, box, size = inputs[0], window.output.size, window.input_size
        if not x.numel():
            return filled(x, box, self.colour)
        left, top = window.input.left, window.input.top
        if self.layout(size).swap:
            x, left, top = x.transpose(2, 3), top, left
        (columns, rows), (width, height) = self._sources(window.output, size)
        known_rows, known_columns = _known(rows, height), _known(columns, width)
        inner = _picked(x, 2, rows[known_rows] - top)
        inner = _picked(inner, 3, columns[known_columns] - left)
        if inner.shape[2:] == (box.height, box.width):
            return inner
        result = filled(x, box, self.colour)
        result[:, :, known_rows, known_columns] = inner
        return result

    def _sources(self, box: Box, size: Size) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return the sources of the columns and of the rows of `box`, and the input's lengths that they lie in."""
        layout = self.layout(size)
        width, height = reversed(size) if layout.swap else size
        columns = layout.across.sources(box.left, box.right, width)
        return (columns, layout.down.sources(box.top, box.bottom, height)), (width, height)


def filled(like: Tensor, size: Size, fill: Fill) -> Tensor:
    """Return (N, C, height, width) of `fill`, as many images and channels as `like` has, and of its kind."""
    colour = torch.tensor(fill[: like.shape[1]], device=like.device, dtype=like.dtype).view(1, -1, 1, 1)
    shape = (like.shape[0], like.shape[1], size.height, size.width)
    return colour.expand(shape).contiguous(memory_format=torch.channels_last)


def _known(sources: Tensor, length: int) -> slice:
    """Return which of the sources lie in the image: they are neighbours."""
    found = ((sources >= 0) & (sources < length)).nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _inside(sources: Tensor, length: int) -> Tensor:
    return sources[_known(sources, length)]


def _picked(x: Tensor, axis: int, indices: Tensor) -> Tensor:
    """Return rows or columns of `x`, without a copy where they are neighbours."""
    if not len(indices):
        return x.narrow(axis, 0, 0)
    first, steps = int(indices[0]), indices.diff()
    if bool((steps == 1).all()):
        return x.narrow(axis, first, len(indices))
    if bool((steps == -1).all()):
        return x.narrow(axis, int(indices[-1]), len(indices)).flip(axis)
    return x.index_select(axis, indices.to(x.device))
