"""`style:texture`: the image, put together from pieces of another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.nn.colour import luma
from imgtk.nn.resample import resample
from imgtk.op import Facts, ImageOp
from imgtk.painting.blend import Blend
from imgtk.painting.palette import PALETTES
from imgtk.steps import report_step
from imgtk_transfer.quilting import CELLS, assemble, matched, quilt
from imgtk_transfer.reference import read_reference

__all__ = ["TextureTransfer"]

SHRINK = 2 / 3
"""Side of the blocks relative to those of the pass before (Efros & Freeman 2001, section 4)."""


class TextureTransfer(ImageOp):
    """Lay pieces of a texture so that they show the image's light and dark (Efros & Freeman 2001).

    Pieces are sought at `size` and laid at the image's own size, so that time stays bounded, and large images get
    large, sharp pieces.

    Args:
        image: the file whose texture to take.
        strength, mask: see `Blend`.
        keep_colour: "luma" as in `Blend`; with "covariance" and "histogram" the texture is given the colours of the
            image beforehand.
        size: longest side in pixels at which pieces are sought.
        block: side of the first, largest blocks, in an image of `size`; they are in proportion in smaller ones.
        style_size: longest side of the texture, relative to the image's.
        steps: passes over the image, each with smaller blocks.
        coherence: from 0, where pieces only show the image, to 1, where they only agree with each other.
        seed: of the choice among pieces that fit equally well; None for that of `context`.
        context: of the pipeline that builds the operator.

    Raises:
        ReadError: the texture or the mask is not there, or no image.
    """

    facts = Facts(needs_float32=True, may_add_colour=True)

    def __init__(
        self,
        image: Path,
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        size: int,
        block: int,
        style_size: float,
        steps: int,
        coherence: float,
        seed: int | None,
        *,
        context: BuildContext,
    ) -> None:
        self.image, self.palette = image, PALETTES.get(keep_colour or "")
        self.blend = Blend(strength, None if self.palette else keep_colour, mask)
        self.size, self.block, self.style_size = size, block, style_size
        self.steps, self.coherence = steps, coherence
        self.seed = context.seed if seed is None else seed
        self.texture = read_reference(image).nan_to_num().clamp(0, 1)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.WHOLE)

    def check(self, size: Size) -> None:
        self.blend.check(size)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.texture = self.texture.to(device)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        painted = self.paint(x.nan_to_num().clamp(0, 1))
        return self.blend(painted, x, None, Window(Box.of(size), size, Box.of(size), size))

    def paint(self, x: Tensor) -> Tensor:
        """Return (1, 3, H, W), 0..1, in pieces of the texture."""
        longest = max(x.shape[2:])
        scale = max(1.0, longest / self.size)
        small = resized(x, 1 / scale)
        cells = self.cells(max(small.shape[2:]))
        original = self.palette.between(self.texture, small)(self.texture) if self.palette else self.texture
        factor = self.style_size * max(small.shape[2:]) / max(original.shape[2:])
        texture = mirrored(resized(original, factor), CELLS * cells[0])
        light = matched(luma(small), luma(texture))
        pieces = quilt(light, texture, cells, self.coherence, self.seed, report_step)
        size = (x.shape[2], x.shape[3])
        if scale == 1:
            return assemble(pieces, texture, 1, size)
        larger = mirrored(resized(original, factor * scale), ceil(CELLS * cells[0] * scale))
        return assemble(pieces, larger, scale, size)

    def cells(self, longest: int) -> list[int]:
        """Return the side of a cell in each pass over an image with that longest side; passes that would be equal
        are one."""
        first = self.block / CELLS * min(1, longest / self.size)
        return list(dict.fromkeys(max(1, round(first * SHRINK**i)) for i in range(self.steps)))

    def summary(self) -> Mapping[str, str]:
        return {"texture": self.image.name}


def resized(x: Tensor, factor: float) -> Tensor:
    """Return (1, 3, H, W) times `factor`, within 0..1."""
    size = Size(*(max(1, round(side * factor)) for side in (x.shape[3], x.shape[2])))
    if size == (x.shape[3], x.shape[2]):
        return x
    return resample(x, size, kernel="area" if factor < 1 else "bicubic").clamp(0, 1)


def mirrored(x: Tensor, least: int) -> Tensor:
    """Return (1, 3, H, W), continued by its mirror image until both sides have `least` pixels."""
    rows, columns = (torch.arange(max(side, least), device=x.device) % (2 * side) for side in x.shape[2:])
    rows, columns = torch.minimum(rows, 2 * x.shape[2] - 1 - rows), torch.minimum(columns, 2 * x.shape[3] - 1 - columns)
    return x[:, :, rows][..., columns]
