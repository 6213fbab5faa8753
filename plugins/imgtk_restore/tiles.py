"""Compute what a local network makes of a whole image tile by tile, for operators that see the whole image."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from imgtk.geometry import Box, Size, cut
from imgtk.nn.border import to_multiple

__all__ = ["in_tiles"]

TILE = 512
"""Side in pixels of the regions that a network computes at a time."""


def in_tiles(
    compute: Callable[[Tensor], Tensor], x: Tensor, multiple: int, halo: int, wanted: Tensor | None = None
) -> Tensor:
    """Return what `compute` makes of an image.

    Args:
        compute: gives (1, 3, h, w) for (1, C, h, w), float32.
        x: (1, C, H, W), of any size.
        multiple: what sides must be multiples of for `compute`.
        halo: pixels around a tile that it needs.
        wanted: (1, 1, H, W), true where the result is of use: tiles without such pixels keep the first three channels
            of `x`. None for everywhere.

    Returns:
        (1, 3, H, W).
    """
    size = Size(x.shape[3], x.shape[2])
    halo = -(-halo // multiple) * multiple
    padded = to_multiple(x, multiple)
    whole = Size(padded.shape[3], padded.shape[2])
    result = x[:, :3].clone()
    for top in range(0, size.height, TILE):
        for left in range(0, size.width, TILE):
            tile = Box(left, top, min(left + TILE, size.width), min(top + TILE, size.height))
            if wanted is not None and not cut(wanted, tile).any():
                continue
            seen = Box(left - halo, top - halo, left + TILE + halo, top + TILE + halo).within(whole)
            cut(result, tile).copy_(cut(compute(cut(padded, seen)), tile.shifted(-seen.left, -seen.top)))
    return result
