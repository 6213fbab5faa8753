"""`generate:texture`: any amount of a texture, from an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import ceil, floor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ParameterError, ReadError
from imgtk.geometry import Size, Window
from imgtk.image import Image
from imgtk.op import Facts, ImageOp
from imgtk_generate.example import Example, analysed

__all__ = ["Texture"]

SMALLEST = 16
"""Shortest side of an example, in pixels."""
WIDEST = 96
"""Largest distance between the middles of neighbouring patches, in pixels."""
SHARPNESS = 6
"""Exponent of the weights of patches: the larger, the narrower are the seams in which they mix."""


class Texture(ImageOp):
    """Makes a texture of random patches of an example that overlap.

    Patches lie on a grid; each comes from a random place of the example, which is a function of the seed and its place
    on the grid. Where they overlap, they are mixed so that mean, variance and distribution of the colours stay those of
    the example (Heitz and Neyret 2018, "High-performance by-example noise using a histogram-preserving blending
    operator", here on a grid of squares).

    Args:
        size: width and height in pixels; None for those of the pipeline's input.
        image: the example.
        tileable: whether the texture repeats itself without seams.
        seed: chooses the patches; None for the pipeline's.
        context: of the pipeline that builds the operator.

    Raises:
        ReadError: the example cannot be read.
        ParameterError: it is too small.
    """

    def __init__(
        self, size: tuple[int, int] | None, image: Path, tileable: bool, seed: int | None, *, context: BuildContext
    ) -> None:
        self.size, self.image, self.tileable = size, image, tileable
        self.seed = context.seed if seed is None else seed
        self.device = torch.device("cpu")

    @cached_property
    def example(self) -> Example:
        """Return the example as patches are cut from it."""
        try:
            image = Image.open(self.image)
        except ReadError as error:
            raise ReadError(f"the example cannot be used: {error.message}", hint=error.hint) from None
        if min(image.size) < SMALLEST:
            raise ParameterError(
                f"the example {self.image} has {image.size} pixels", hint=f"Give one of at least {SMALLEST}x{SMALLEST}."
            )
        return analysed(image.tensor(), slow=_widest(image.size) / 2)

    @property
    def facts(self) -> Facts:
        gray = len(self.example.mean) == 1
        return Facts(needs_float32=True, position_dependent=True, gray=gray, may_add_colour=not gray, seed=self.seed)

    def output_size(self, *sizes: Size) -> Size:
        return Size(*self.size) if self.size else super().output_size(*sizes)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        """Compute the texture on the CPU, so that it is the same on all devices."""
        box = window.output
        mixed = torch.empty(len(self.example.mean), box.size.height, box.size.width)
        steps = [self._step(length) for length in window.output_size]
        counts = [round(length / step) for length, step in zip(window.output_size, steps, strict=True)]
        for row, rows in _cells(box.top, box.bottom, steps[1]):
            for column, columns in _cells(box.left, box.right, steps[0]):
                cell = self._cell(row, column, rows, columns, steps, counts)
                mixed[
                    :, rows.start - box.top : rows.stop - box.top, columns.start - box.left : columns.stop - box.left
                ] = cell
        pixels = self.example.colours(mixed).clamp(0, 1)[None]
        return pixels.expand(-1, 3, -1, -1).to(self.device)

    def _step(self, length: int) -> float:
        """Return the distance between the middles of patches along an axis of so many pixels."""
        height, width = self.example.gaussian.shape[1:]
        widest = _widest(Size(width, height))
        return length / ceil(length / widest) if self.tileable else float(widest)

    def _cell(
        self, row: int, column: int, rows: range, columns: range, steps: list[float], counts: list[int]
    ) -> Tensor:
        """Return the Gaussian values (C, h, w) of pixels between the middles of four patches.

        Args:
            row, column: of the first of the four on the grid.
            rows, columns: of the pixels.
            steps: between patches across and down.
            counts: of the patches across and down, after which they repeat if the texture is tileable.
        """
        total: Tensor | float = 0.0
        squares: Tensor | float = 0.0
        for down in (row, row + 1):
            for across in (column, column + 1):
                vertical, horizontal = (
                    1 - (torch.arange(line.start, line.stop) - middle * step).abs() / step
                    for line, middle, step in ((rows, down, steps[1]), (columns, across, steps[0]))
                )
                weight = (vertical[:, None] * horizontal).clamp_min(1e-6) ** SHARPNESS
                total = total + weight * self._patch(down, across, rows, columns, steps, counts)
                squares = squares + weight.square()
        assert isinstance(total, Tensor)
        assert isinstance(squares, Tensor)
        return total / squares.sqrt()

    def _patch(
        self, down: int, across: int, rows: range, columns: range, steps: list[float], counts: list[int]
    ) -> Tensor:
        """Return what the patch with that place on the grid has at these pixels."""
        place = (down % counts[1], across % counts[0]) if self.tileable else (down, across)
        key = hash((self.seed, *place)) % 2**63  # of whole numbers: the same in every process
        height, width = self.example.gaussian.shape[1:]
        reach = [ceil(step) for step in steps]
        free = torch.tensor([height - 2 * reach[1] - 1, width - 2 * reach[0] - 1])
        drawn = torch.rand(2, generator=torch.Generator().manual_seed(key))
        top, left = (drawn * free).long().tolist()
        first_row = top + reach[1] + rows.start - floor(down * steps[1])
        first_column = left + reach[0] + columns.start - floor(across * steps[0])
        patch = self.example.gaussian[:, first_row : first_row + len(rows), first_column : first_column + len(columns)]
        return patch

    def summary(self) -> Mapping[str, str]:
        return {"example": str(self.image), **({"tileable": "repeats without seams"} if self.tileable else {})}


def _widest(example: Size) -> int:
    """Return the largest distance between the middles of patches: a third of the example, so that many fit into it."""
    return min(WIDEST, (min(example) - 2) // 3)


def _cells(first: int, last: int, step: float) -> Iterator[tuple[int, range]]:
    """Yield the numbers of the cells of a grid with pixels from `first` to before `last`, and these pixels."""
    for cell in range(floor(first / step), ceil(last / step)):
        start, stop = max(first, ceil(cell * step)), min(last, ceil((cell + 1) * step))
        if start < stop:
            yield cell, range(start, stop)
