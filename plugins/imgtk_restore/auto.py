"""`restore:auto`: measures what is wrong with an image, and restores that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ReadError
from imgtk.geometry import Box, Extent, Geometry, Size, cut
from imgtk.image import Image
from imgtk.op import Facts, ImageOp
from imgtk_restore.measure import blockiness, noise_level
from imgtk_restore.op import DeJPEG, Denoise, Restore

__all__ = ["Auto", "steps"]

BLOCKY = 1.3
"""Blockiness from which JPEG artefacts are removed: that of quality 80 or less, in most photographs."""
NOISY = 3.0
"""Standard deviation of noise, in 8-bit steps, from which it is removed."""
TILE = 512
"""Side in pixels of the regions that a network computes at a time."""


class Auto(ImageOp):
    """Removes JPEG artefacts, noise, both or nothing.

    Args:
        like: image that is measured; None for each image itself.
        context: of the pipeline that builds the operator.

    Raises:
        ReadError: the image that is to be measured cannot be read.
        WeightsError: the weights are missing.
    """

    geometry = Geometry(extent=Extent.WHOLE)
    facts = Facts()

    def __init__(self, like: Path | None, *, context: BuildContext) -> None:
        self.operators: dict[str, Restore] = {
            "restore:jpeg": DeJPEG("jpeg", None, context=context),
            "restore:denoise": Denoise("denoise", None, context=context),
        }
        self.like = like

    @cached_property
    def chosen(self) -> list[str] | None:
        """Return what is done with every image; None if each is measured."""
        if self.like is None:
            return None
        try:
            image = Image.open(self.like)
        except ReadError as error:
            raise ReadError(f"like= cannot be used: {error.message}", hint=error.hint) from None
        return steps(image.tensor())

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        for operator in self.operators.values():
            operator.to(device, dtype)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        for name in steps(x) if self.chosen is None else self.chosen:
            x = _in_tiles(self.operators[name], x)
        return x

    def summary(self) -> Mapping[str, str]:
        if self.chosen is None:
            return {"pipeline": "what each image needs; like=FILE shows it for one"}
        return {"pipeline": " | ".join(self.chosen) or "nothing: the image is neither noisy nor blocky"}

    def close(self) -> None:
        for operator in self.operators.values():
            operator.close()


def steps(x: Tensor) -> list[str]:
    """Tell which operators an image needs, in the order in which they are applied.

    Args:
        x: (1, 3, H, W), 0..1, at its full size: shrinking would hide what is measured.
    """
    found = {"restore:jpeg": blockiness(x) >= BLOCKY, "restore:denoise": noise_level(x) >= NOISY}
    return [name for name, needed in found.items() if needed]


def _in_tiles(operator: Restore, x: Tensor) -> Tensor:
    """Return what a local operator makes of a whole image, computed tile by tile."""
    size = Size(x.shape[3], x.shape[2])
    multiple, halo = operator.geometry.multiple, operator.geometry.halo
    halo = -(-halo // multiple) * multiple
    right, bottom = (-side % multiple for side in size)
    padded = torch.nn.functional.pad(x, (0, right, 0, bottom), mode="replicate")
    whole = Size(padded.shape[3], padded.shape[2])
    result = torch.empty_like(x)
    for top in range(0, size.height, TILE):
        for left in range(0, size.width, TILE):
            tile = Box(left, top, min(left + TILE, size.width), min(top + TILE, size.height))
            seen = Box(left - halo, top - halo, left + TILE + halo, top + TILE + halo).within(whole)
            restored = operator(cut(padded, seen))
            cut(result, tile).copy_(cut(restored, tile.shifted(-seen.left, -seen.top)))
    return result
