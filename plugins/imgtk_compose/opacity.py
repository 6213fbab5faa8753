"""Operators on alpha: masks, backgrounds, and what makes or takes alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Box, Size, Window, cut
from imgtk.nn.alpha import region_under, resized
from imgtk.nn.colour import luma
from imgtk.op import Facts, ImageOp, Planes
from imgtk_compose.overlay import check_one, read_layer

__all__ = ["Background", "FromLuma", "Mask", "Remove", "Set"]

MAKES = Facts(planes=Planes.ALPHA, batched=True, needs_float32=True)
TAKES = Facts(planes=Planes.FLAT, batched=True, needs_float32=True)


class Remove(ImageOp):
    """Drop alpha: hidden colours appear."""

    facts = TAKES

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x[:, :3]


@dataclass(eq=False)
class Background(ImageOp):
    """Lay the image on a colour."""

    colour: tuple[float, float, float]

    @cached_property
    def facts(self) -> Facts:
        return Facts(planes=Planes.FLAT, batched=True, needs_float32=True, may_add_colour=len(set(self.colour)) > 1)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        colour = torch.tensor(self.colour).to(x).view(1, 3, 1, 1)
        return torch.lerp(colour, x[:, :3], x[:, 3:])


@dataclass(eq=False)
class Set(ImageOp):
    """Give all pixels the same opacity."""

    opacity: float
    facts = MAKES

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.cat([x[:, :3], torch.full_like(x[:, 3:], self.opacity)], 1)


@dataclass(eq=False)
class FromLuma(ImageOp):
    """Make the dark transparent, or the bright."""

    invert: bool
    facts = MAKES

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        share = luma(x[:, :3]).clamp(0, 1)
        return torch.cat([x[:, :3], 1 - share if self.invert else share], 1)


@dataclass(eq=False)
class Mask(ImageOp):
    """Keep what is white in another image, which is brought to the size of this one.

    Args:
        file: the mask, unless it is the second input. Where it is transparent it counts as black.
        invert: keep what is black instead.

    Raises:
        ReadError: the file cannot be read.
    """

    file: Path | None
    invert: bool
    facts = MAKES

    def __post_init__(self) -> None:
        self.mask = read_layer(self.file) if self.file else None

    def output_size(self, *sizes: Size) -> Size:
        check_one("mask needs one mask", "mask shape.png, mask @shape", self.file, sizes)
        return sizes[0]

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        return [box, *(region_under(box, sizes[0], size) for size in sizes[1:])]

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        x = cut(inputs[0], window.inner)
        if self.mask is None:
            mask, (covers, size) = inputs[1], window.others[0]
        else:
            mask, size = self.mask.to(x), Size(self.mask.shape[3], self.mask.shape[2])
            covers = Box.of(size)
        mask = resized(mask, window.output, window.output_size, covers, size)
        share = (luma(mask[:, :3]) * mask[:, 3:]).clamp(0, 1)
        return torch.cat([x[:, :3], x[:, 3:] * (1 - share if self.invert else share)], 1)
