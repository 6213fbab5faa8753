"""An operator in tiles, without the engine around it."""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.engine.region import needs, tiles
from imgtk.geometry import Box, Size, cut
from imgtk.op import ImageOp

__all__ = ["in_tiles"]


def in_tiles(op: ImageOp, x: Tensor, side: int, statistics: object = None) -> Tensor:
    """Return the output of an operator with one input for `x`, (N, C, H, W), computed in tiles of at most `side` pixels
    of its output.

    Args:
        op: the operator, moved to the device and number format of `x`.
        x: the image.
        side: of the tiles.
        statistics: the operator's measurements, if its extent is STATISTICS.
    """
    size = Size(x.shape[3], x.shape[2])
    target = op.output_size(size)
    result: Tensor | None = None
    for box in tiles(target, Size(side, side)):
        (need,), window = needs(op, box, [size], target)
        known = {} if statistics is None else {"statistics": statistics}
        part = op.render(need.take(x, Box.of(size)), window=window, **known)
        if result is None:
            result = part.new_full((len(part), part.shape[1], *target[::-1]), torch.nan)
        cut(result, box).copy_(part)
    assert result is not None
    return result
