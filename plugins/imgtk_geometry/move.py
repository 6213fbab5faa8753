"""What moves pixels without changing them: each output pixel is one of the input's, or fill."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Size, Window, cut
from imgtk.nn.arrays import on_arrays
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
        left, top, axes = window.input.left, window.input.top, (2, 3)
        if swap := self.layout(size).swap:
            left, top, axes = top, left, (3, 2)
        (columns, rows), (width, height) = self._sources(window.output, size)
        known_rows, known_columns = _known(rows, height), _known(columns, width)
        blocks = []
        for down, run in _runs(rows[known_rows] - top, known_rows.start):
            band = _run(x, axes[0], run)
            for across, run_across in _runs(columns[known_columns] - left, known_columns.start):
                block = _run(band, axes[1], run_across)
                blocks.append((down, across, block.transpose(2, 3) if swap else block))
        if len(blocks) == 1 and blocks[0][2].shape[2:] == (box.height, box.width):
            return blocks[0][2]
        result = _canvas(x, box)
        for down, across, block in sorted(blocks, key=lambda found: -found[2].numel()):  # new memory is quickest so
            result[:, :, down : down + block.shape[2], across : across + block.shape[3]] = block
        _fill(result, self.colour, Box(known_columns.start, known_rows.start, known_columns.stop, known_rows.stop))
        return result

    def _sources(self, box: Box, size: Size) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return the sources of the columns and of the rows of `box`, and the input's lengths that they lie in."""
        layout = self.layout(size)
        width, height = reversed(size) if layout.swap else size
        columns = layout.across.sources(box.left, box.right, width)
        return (columns, layout.down.sources(box.top, box.bottom, height)), (width, height)


def filled(like: Tensor, size: Size, fill: Fill) -> Tensor:
    """Return (N, C, height, width) of `fill`, as many images and channels as `like` has, and of its kind."""
    result = _canvas(like, size)
    _fill(result, fill, Box(0, 0, 0, 0))
    return result


def _canvas(like: Tensor, size: Size) -> Tensor:
    """Return (N, C, height, width) without values, of the kind of `like`."""
    shape = (like.shape[0], like.shape[1], size.height, size.width)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _fill(canvas: Tensor, fill: Fill, hole: Box) -> None:
    """Fill what lies around `hole`."""
    width, height = canvas.shape[3], canvas.shape[2]
    colour = torch.tensor(fill[: canvas.shape[1]], device=canvas.device, dtype=canvas.dtype)
    row = colour.repeat(width, 1).T[None, :, None]
    above, below = Box(0, 0, width, hole.top), Box(0, hole.bottom, width, height)
    beside = Box(0, hole.top, hole.left, hole.bottom), Box(hole.right, hole.top, width, hole.bottom)
    for box in (above, *beside, below):
        cut(canvas, box).copy_(row[..., : box.size.width])


def _known(sources: Tensor, length: int) -> slice:
    """Return which of the sources lie in the image: they are neighbours."""
    found = ((sources >= 0) & (sources < length)).nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _inside(sources: Tensor, length: int) -> Tensor:
    return sources[_known(sources, length)]


def _runs(indices: Tensor, place: int) -> Iterator[tuple[int, Tensor]]:
    """Split indices, the first of which is at `place`, into the longest runs whose steps are all 1, all -1 or all 0."""
    steps = indices.diff()
    turns = (steps.diff(prepend=steps[:1]) != 0) | (steps.abs() > 1)
    start = 0
    for i in [*(turns.nonzero().flatten() + 1).tolist(), len(indices)]:
        if i == len(indices) or i - start > 1 or abs(int(steps[i - 1])) > 1:
            yield place + start, indices[start:i]
            start = i


def _run(x: Tensor, axis: int, run: Tensor) -> Tensor:
    """Return the rows or columns of a run: a view, unless they are mirrored."""
    first, last = int(run[0]), int(run[-1])
    if first == last:
        sizes = list(x.shape)
        sizes[axis] = len(run)
        return x.narrow(axis, first, 1).expand(sizes)
    part = x.narrow(axis, min(first, last), len(run))
    if first < last:
        return part
    quick = x.device.type == "cpu"  # OpenCV mirrors narrow parts in half the time
    return on_arrays(lambda pixels: np.asarray(cv2.flip(pixels, axis - 2)), part) if quick else part.flip(axis)
