"""Colour and alpha in the engine: which of them an operator sees, and how alpha follows geometry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import torch
from torch import Tensor

from imgtk.geometry import Affine, Box, Geometry, Size, Window, cut
from imgtk.nn.resample import resample, support
from imgtk.op import ImageOp, Planes

__all__ = ["Pixels", "alpha_need", "channels", "follow", "scales", "seen", "with_alpha"]


class Pixels(NamedTuple):
    """A region of N images.

    Attributes:
        colour: (N, 3, H, W), in the number format of what computed it.
        alpha: (N, 1, H, W), opacity 0..1, straight, float32; None for opaque images.
    """

    colour: Tensor
    alpha: Tensor | None = None

    def cut(self, box: Box) -> Pixels:
        """Return the part in `box`: views."""
        return Pixels(cut(self.colour, box), None if self.alpha is None else cut(self.alpha, box))

    def split(self) -> list[Pixels]:
        """Return the images one by one."""
        alphas = [None] * len(self.colour) if self.alpha is None else self.alpha.split(1)
        return [Pixels(colour, alpha) for colour, alpha in zip(self.colour.split(1), alphas, strict=True)]

    def to(self, device: torch.device) -> Pixels:
        return Pixels(self.colour.to(device), None if self.alpha is None else self.alpha.to(device))


def with_alpha(stages: Iterable[tuple[ImageOp | None, Sequence[int]]], has_alpha: bool) -> list[bool]:
    """Return, for each stage, whether its output has alpha.

    Args:
        stages: operators, and the stages that they read; the first stage is the input, and others without operator pass
            on what they read.
        has_alpha: whether the input has alpha.
    """
    found: list[bool] = []
    for op, inputs in stages:
        planes = op.facts.planes if op else Planes.ALL
        inherited = found[inputs[0]] if inputs else (not found and has_alpha)
        found.append(planes is Planes.ALPHA or (planes is not Planes.FLAT and inherited))
    return found


def channels(op: ImageOp, alpha: bool) -> int:
    """Return the number of channels that an operator must return, given whether its first input has alpha."""
    planes = op.facts.planes
    return 4 if planes is Planes.ALPHA or (planes is Planes.ALL and alpha) else 3


def seen(op: ImageOp, pixels: Pixels) -> Tensor:
    """Return what an operator sees of one of its inputs."""
    planes = op.facts.planes
    if planes is Planes.COLOUR or (planes is Planes.ALL and pixels.alpha is None):
        return pixels.colour
    alpha = torch.ones_like(pixels.colour[:, :1]) if pixels.alpha is None else pixels.alpha
    return torch.cat([pixels.colour, alpha.to(pixels.colour.dtype)], 1)


def scales(op: ImageOp, sizes: Sequence[Size], output_size: Size) -> bool:
    """Return whether the output is the first input, enlarged or reduced."""
    across, down = (Fraction(old, new) for old, new in zip(sizes[0], output_size, strict=True))
    return op.placement(*sizes) == Affine.scaling(across, down)


def alpha_need(geometry: Geometry, box: Box, size: Size, output_size: Size) -> Box:
    """Return the region of an input's alpha that alpha in `box` of the output is made of: all, on axes that repeat."""
    found: list[tuple[int, int]] = []
    for axis in (0, 1):
        start, stop, length, out = box[axis], box[axis + 2], size[axis], output_size[axis]
        if geometry.periodic[axis]:
            start, stop = 0, length
        elif out != length:
            scale = Fraction(out, length)
            halo = support("bicubic", scale)
            start, stop = max(0, floor(start / scale) - halo), min(length, ceil(stop / scale) + halo)
        found.append((start, stop))
    (left, right), (top, bottom) = found
    return Box(left, top, right, bottom)


def follow(geometry: Geometry, alpha: Tensor, covers: Box, window: Window) -> Tensor:
    """Return the alpha for `window.output` of an operator that only scales: bicubic, antialiased.

    Args:
        alpha: of the operator's input, (N, 1, H, W), in region `covers`.
    """
    size, output_size = window.input_size, window.output_size
    if size == output_size:
        return cut(alpha, window.output.shifted(-covers.left, -covers.top))
    source = alpha_need(geometry, window.output, size, output_size)
    part = cut(alpha, source.shifted(-covers.left, -covers.top))
    around = Window(window.output, output_size, source, size)
    return resample(part, output_size, window=around, periodic=geometry.periodic).clamp(0, 1)
