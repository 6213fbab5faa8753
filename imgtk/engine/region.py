"""Region arithmetic: which pixels of its input an operator needs to give a region of its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, lcm

import torch
from torch import Tensor

from imgtk.geometry import Box, Geometry, Size, Window, cut
from imgtk.op import ImageOp


@dataclass(frozen=True)
class Need:
    """What an operator's input must be for one region of its output.

    Attributes:
        box: the pixels to ask the input for, within the image.
        rows, columns: which of them, in order, make the operator's input; None for all as they are. At the end of an
            image they mirror, so that the sides become multiples of `Geometry.multiple`; on a periodic axis they go
            on at the opposite border.
        crop: the region within the output of a plain operator.
        window: where the region lies; its `input` reaches beyond the image by what is mirrored or repeated.
    """

    box: Box
    rows: Sequence[int] | None
    columns: Sequence[int] | None
    crop: Box
    window: Window

    def take(self, pixels: Tensor, covers: Box) -> Tensor:
        """The operator's input, cut out of `pixels` (1, 3, H, W), which cover `covers`."""
        x = cut(pixels, self.box.shifted(-covers.left, -covers.top))
        for axis, order in ((2, self.rows), (3, self.columns)):
            if order is not None:
                x = x.index_select(axis, torch.tensor(order, device=x.device))
        return x


def need(op: ImageOp, box: Box, input_size: Size, output_size: Size) -> Need:
    """What `op` needs of its input (of `input_size`) to give `box` of its output (of `output_size`)."""
    geometry = op.geometry
    scales = [geometry.scale] * 2
    if op.position_dependent:
        scales = [Fraction(out, length) for out, length in zip(output_size, input_size, strict=True)]
    (across, down), (width, height) = geometry.periodic, input_size
    left, right = _reach(box.left, box.right, None if across else width, scales[0], geometry)
    top, bottom = _reach(box.top, box.bottom, None if down else height, scales[1], geometry)
    columns = (_repeated if across else _mirrored)(left, right, width)
    rows = (_repeated if down else _mirrored)(top, bottom, height)
    inside = Box(min(columns), min(rows), max(columns) + 1, max(rows) + 1)
    return Need(
        box=inside,
        rows=None if top >= 0 and bottom <= height else [row - inside.top for row in rows],
        columns=None if left >= 0 and right <= width else [column - inside.left for column in columns],
        crop=box.shifted(-int(left * scales[0]), -int(top * scales[1])),
        window=Window(box, output_size, Box(left, top, right, bottom), input_size),
    )


def _reach(start: int, stop: int, length: int | None, scale: Fraction, geometry: Geometry) -> tuple[int, int]:
    """The input range for the output range [start, stop): the pixels under it and the halo around them, within
    [0, length) unless that is None, widened to multiples (which may lead beyond `length`)."""
    multiple = lcm(geometry.multiple, geometry.scale.denominator) if scale == geometry.scale else geometry.multiple
    low, high = floor(start / scale) - geometry.halo, ceil(stop / scale) + geometry.halo
    if length is not None:
        low, high = max(0, low), min(length, high)
    return low // multiple * multiple, -(-high // multiple) * multiple


def _mirrored(low: int, high: int, length: int) -> Sequence[int]:
    """The indices [low, high), those beyond the last pixel reflected about it (without repeating it)."""
    if high <= length:
        return range(low, high)
    period = max(1, 2 * (length - 1))
    return [min(i % period, period - i % period) if length > 1 else 0 for i in range(low, high)]


def _repeated(low: int, high: int, length: int) -> Sequence[int]:
    """The indices [low, high), those outside the image going on at its other end."""
    return [i % length for i in range(low, high)]


def union(first: Box | None, second: Box) -> Box:
    """The smallest box that holds both."""
    if first is None:
        return second
    return Box(
        min(first.left, second.left),
        min(first.top, second.top),
        max(first.right, second.right),
        max(first.bottom, second.bottom),
    )


def tiles(size: Size, side: Size) -> list[Box]:
    """`size` cut into rows of tiles of nearly equal sides, none larger than `side`."""
    columns = _cuts(size.width, side.width)
    rows = _cuts(size.height, side.height)
    return [Box(left, top, right, bottom) for top, bottom in rows for left, right in columns]


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    count = -(-length // max(1, side))
    edges = [length * i // count for i in range(count + 1)]
    return list(pairwise(edges))
