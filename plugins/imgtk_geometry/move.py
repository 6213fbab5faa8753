"""What moves pixels without changing them: each output pixel is one of the input's, or fill."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window
from imgtk.op import Facts, ImageOp, Planes

__all__ = ["Axis", "Filled", "Layout", "Move", "filled"]

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
        """Return, for output pixels start..stop, the pixels of an input of `length`; outside it where there is fill."""
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


class Filled(ImageOp):
    """An operator whose output may show a colour, RGB and opacity, 0..1, beside the input."""

    colour: Fill = (0.0, 0.0, 0.0, 1.0)

    @cached_property
    def facts(self) -> Facts:
        transparent, gray = self.colour[3] < 1, len(set(self.colour[:3])) == 1
        planes = Planes.ALPHA if transparent else Planes.ALL
        return Facts(planes=planes, batched=True, needs_float32=True, may_add_colour=not gray)


class Move(Filled):
    """An operator that is a `layout`."""

    @abstractmethod
    def layout(self, size: Size) -> Layout:
        """Return the layout for an input of `size`. Raises ParameterError if there is none."""

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
        blocks = [
            (top_of, left_of, _run(_run(x, 2, rows_of), 3, columns_of))
            for top_of, rows_of in _runs((rows[known_rows] - top).tolist(), known_rows.start)
            for left_of, columns_of in _runs((columns[known_columns] - left).tolist(), known_columns.start)
        ]
        if len(blocks) == 1 and blocks[0][2].shape[2:] == (box.height, box.width):
            return blocks[0][2]
        result = filled(x, box, self.colour)
        for down, across, block in blocks:
            result[:, :, down : down + block.shape[2], across : across + block.shape[3]] = block
        return result

    def _sources(self, box: Box, size: Size) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return the sources of the columns and of the rows of `box`, and the input's lengths that they lie in."""
        layout = self.layout(size)
        width, height = reversed(size) if layout.swap else size
        columns = layout.across.sources(box.left, box.right, width)
        return (columns, layout.down.sources(box.top, box.bottom, height)), (width, height)


def filled(like: Tensor, size: Size, fill: Fill) -> Tensor:
    """Return (N, C, height, width) of `fill`, as many images and channels as `like` has, and of its kind."""
    colour = torch.tensor(fill[: like.shape[1]], device=like.device, dtype=like.dtype)
    shape = (like.shape[0], like.shape[1], size.height, size.width)
    result = torch.empty(shape, device=like.device, dtype=like.dtype, memory_format=torch.channels_last)
    return result.fill_(colour[0]) if (colour == colour[0]).all() else result.copy_(colour.view(1, -1, 1, 1))


def _known(sources: Tensor, length: int) -> slice:
    """Return which of the sources lie in the image: they are neighbours."""
    found = ((sources >= 0) & (sources < length)).nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _inside(sources: Tensor, length: int) -> Tensor:
    return sources[_known(sources, length)]


def _runs(indices: list[int], place: int) -> Iterator[tuple[int, list[int]]]:
    """Split indices, the first of which is at `place`, into the longest runs whose steps are all 1, all -1 or all 0."""
    start = 0
    for i in range(1, len(indices) + 1):
        step = indices[i] - indices[i - 1] if i < len(indices) else 2
        if abs(step) > 1 or (i - start > 1 and step != indices[i - 1] - indices[i - 2]):
            yield place + start, indices[start:i]
            start = i


def _run(x: Tensor, axis: int, run: list[int]) -> Tensor:
    """Return the rows or columns of a run: a view, unless they are mirrored."""
    first, last = run[0], run[-1]
    if first == last:
        sizes = list(x.shape)
        sizes[axis] = len(run)
        return x.narrow(axis, first, 1).expand(sizes)
    return x.narrow(axis, first, len(run)) if first < last else x.narrow(axis, last, len(run)).flip(axis)
