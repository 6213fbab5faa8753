"""The one door to operators: prepares their inputs, and checks that their output keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from imgtk.engine.faults import blamed
from imgtk.engine.planes import Pixels, channels, follow, scales, seen
from imgtk.engine.region import needs
from imgtk.errors import BrokenContract
from imgtk.geometry import Box, Extent, Size, Window
from imgtk.op import ImageOp, Planes, check_output

__all__ = ["measured", "rendered"]

Covered = tuple[Pixels, Box]
"""Pixels, and the region that they cover."""


def rendered(
    op: ImageOp,
    who: str,
    region: Box,
    inputs: Sequence[Covered],
    sizes: Sequence[Size],
    output_size: Size,
    like: Tensor,
    statistics: Any = None,
) -> Pixels:
    """Return region `region` of an operator's output.

    Args:
        op: the operator, moved to the device and number format of `like`.
        who: the operator in words.
        inputs: the pixels of its inputs, at least for the regions that it needs.
        sizes: of its whole inputs.
        output_size: of its whole output.
        like: (N, …), with the number of images, and on the device and in the number format of the operator.
        statistics: for extent STATISTICS: those of the whole image, or None if it is given the whole image.

    Raises:
        OperatorError: if it fails, or breaks its contract.
    """
    with blamed(who, "on an image"):
        found, window = needs(op, region, sizes, output_size)
        planes = op.facts.planes
        given = []
        for need, (pixels, covers) in zip(found, inputs, strict=True):
            alpha = None if planes is Planes.COLOUR or pixels.alpha is None else need.take(pixels.alpha, covers)
            given.append(prepared(seen(op, Pixels(need.take(pixels.colour, covers), alpha)), like.dtype))
        first = inputs[0] if inputs else None
        has_alpha = first is not None and first[0].alpha is not None
        output = _called(op, given, window, statistics)
        if not inputs and output.is_floating_point():  # it has no tensor to go by
            output = output.to(like.device, like.dtype)
            output = output.expand(len(like), -1, -1, -1) if len(output) == 1 else output
        check_output(output, region.size, like, channels(op, has_alpha))
        if output.shape[1] == 4:
            return Pixels(output[:, :3], output[:, 3:].float().clamp(0, 1))
        if first is None or planes is not Planes.COLOUR or first[0].alpha is None:
            return Pixels(output)
        if scales(op, sizes, output_size):
            return Pixels(output, follow(op.geometry, first[0].alpha, first[1], window))
        opaque = [pixels.colour.new_ones(()) if pixels.alpha is None else pixels.alpha for pixels, _ in inputs]
        shapes = [pixels.colour.shape for pixels, _ in inputs]
        alphas = [alpha.expand(len(like), 3, *shape[2:]) for alpha, shape in zip(opaque, shapes, strict=True)]
        given = [
            prepared(need.take(alpha, covers), like.dtype)
            for need, alpha, (_, covers) in zip(found, alphas, inputs, strict=True)
        ]
        return Pixels(output, _called(op, given, window, statistics)[:, :1].float().clamp(0, 1))


def _called(op: ImageOp, inputs: Sequence[Tensor], window: Window, statistics: Any) -> Tensor:
    """Return the output of an operator, having checked that it left its inputs alone."""
    versions = [None if x.is_inference() else x._version for x in inputs]
    known = {"statistics": statistics} if op.geometry.extent is Extent.STATISTICS else {}
    output = op.render(*inputs, window=window, **known)
    if versions != [None if x.is_inference() else x._version for x in inputs]:
        raise BrokenContract("changes its input, which others read: it must not compute in place")
    if not isinstance(output, Tensor):
        raise BrokenContract(f"gives {type(output).__name__}, which is no tensor")
    return output


def measured(op: ImageOp, who: str, image: Covered, size: Size, output_size: Size, dtype: torch.dtype) -> Any:
    """Return the statistics that an operator takes of its whole first input."""
    with blamed(who, "measuring an image"):
        found, _ = needs(op, Box.of(output_size), [size], output_size)
        pixels, covers = image
        return op.measure(prepared(found[0].take(pixels.colour, covers), dtype))


def prepared(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).contiguous(memory_format=torch.channels_last)
