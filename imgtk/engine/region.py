"""Region arithmetic: which pixels of its inputs an operator needs to give a region of its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm

import torch
from torch import Tensor

from imgtk.errors import BrokenContract
from imgtk.geometry import NOTHING, NOWHERE, Box, Geometry, Size, Window, cut
from imgtk.op import ImageOp


@dataclass(frozen=True)
class Need:
    """What one input of an operator must be for one region of its output.

    Attributes:
        box: the pixels to ask the input for, within the image; it may be empty.
        rows, columns: which of them, in order, make the operator's input; None for all as they are. At the end of an
            image they mirror, so that the sides become multiples of `Geometry.multiple`; on a periodic axis they go
            on at the opposite border.
        covered: what the operator's input then covers; it reaches beyond the image by what is mirrored or repeated.
    """

    box: Box
    rows: Sequence[int] | None
    columns: Sequence[int] | None
    covered: Box

    def take(self, pixels: Tensor, covers: Box) -> Tensor:
        """Return the operator's input, cut out of `pixels` (N, C, H, W), which cover `covers`."""
        x = cut(pixels, self.box.shifted(-covers.left, -covers.top))
        for axis, order in ((2, self.rows), (3, self.columns)):
            if order is not None:
                x = x.index_select(axis, torch.tensor(order, device=x.device))
        return x


def needs(op: ImageOp, box: Box, sizes: Sequence[Size], output_size: Size) -> tuple[list[Need], Window]:
    """Return what `op` needs of its inputs (of these `sizes`) to give `box` of its output (of `output_size`), and where
    that lies."""
    geometry, scale = op.geometry, op.geometry.scale
    multiples = [geometry.multiple] * 2
    if scale.denominator > 1 and sizes:
        for axis in (0, 1):  # a position-dependent operator may round the size, and then takes any region
            if not op.facts.position_dependent or Fraction(output_size[axis], sizes[0][axis]) == scale:
                multiples[axis] = lcm(geometry.multiple, scale.denominator)
    regions = op.regions(box, *sizes)
    if len(regions) != len(sizes):
        raise BrokenContract(f"has {len(sizes)} inputs, and its regions() gives {len(regions)} regions")
    found = [_need(region, size, geometry, multiples) for region, size in zip(regions, sizes, strict=True)]
    covered = [(one.covered, size) for one, size in zip(found, sizes, strict=True)]
    first, *others = covered or [(NOWHERE, NOTHING)]
    return found, Window(box, output_size, *first, tuple(others))


def _need(region: Box, size: Size, geometry: Geometry, multiples: Sequence[int]) -> Need:
    """Return what an input of `size` must be where `region` is asked for: within the image, unless that repeats itself,
    and widened to multiples (which may lead beyond the image)."""
    (across, down), (width, height) = geometry.periodic, size
    inside = region.within(size)
    if inside.empty and not (across or down):
        return Need(inside, None, None, inside)
    left, right = _widened((region if across else inside)[::2], multiples[0])
    top, bottom = _widened((region if down else inside)[1::2], multiples[1])
    columns = (_repeated if across else _mirrored)(left, right, width)
    rows = (_repeated if down else _mirrored)(top, bottom, height)
    box = Box(min(columns), min(rows), max(columns) + 1, max(rows) + 1)
    return Need(
        box=box,
        rows=None if top >= 0 and bottom <= height else [row - box.top for row in rows],
        columns=None if left >= 0 and right <= width else [column - box.left for column in columns],
        covered=Box(left, top, right, bottom),
    )


def _widened(edges: tuple[int, ...], multiple: int) -> tuple[int, int]:
    low, high = edges
    return low // multiple * multiple, -(-high // multiple) * multiple


def _mirrored(low: int, high: int, length: int) -> Sequence[int]:
    """Return the indices [low, high), those beyond the last pixel reflected about it (without repeating it)."""
    if high <= length:
        return range(low, high)
    period = max(1, 2 * (length - 1))
    return [min(i % period, period - i % period) if length > 1 else 0 for i in range(low, high)]


def _repeated(low: int, high: int, length: int) -> Sequence[int]:
    """Return the indices [low, high), those outside the image continuing at its other end."""
    return [i % length for i in range(low, high)]


def union(first: Box | None, second: Box) -> Box:
    """Return the smallest box that holds both."""
    if first is None:
        return second
    return Box(
        min(first.left, second.left),
        min(first.top, second.top),
        max(first.right, second.right),
        max(first.bottom, second.bottom),
    )


def tiles(size: Size, side: Size) -> list[Box]:
    """Return `size` cut into rows of tiles of nearly equal sides, none larger than `side`."""
    columns = _cuts(size.width, side.width)
    rows = _cuts(size.height, side.height)
    return [Box(left, top, right, bottom) for top, bottom in rows for left, right in columns]


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    count = -(-length // max(1, side))
    edges = [length * i // count for i in range(count + 1)]
    return list(pairwise(edges))
