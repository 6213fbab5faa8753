"""`restore:auto`: measures what is wrong with an image, and restores that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ReadError
from imgtk.geometry import Extent, Geometry
from imgtk.image import Image
from imgtk.op import Facts, ImageOp
from imgtk_restore.measure import blockiness, blur_width, haziness, noise_level, stops_needed
from imgtk_restore.op import Deblur, DeJPEG, Denoise, LowLight, Restore
from imgtk_restore.tiles import in_tiles

__all__ = ["Auto", "steps"]

BLOCKY = 1.3
"""Blockiness from which JPEG artefacts are removed: that of quality 80 or less, in most photographs."""
NOISY = 3.0
"""Standard deviation of noise, in 8-bit steps, from which it is removed."""
DARK = 2.0
"""Stops that an image must lack to be brightened."""
BLURRED = 1.2
"""Width of the sharpest edges, in pixels, from which an image is sharpened."""
HAZY = 0.45
"""Mean dark channel from which the plan names haze."""


class Auto(ImageOp):
    """Removes JPEG artefacts, noise, darkness, blur, several of them or nothing.

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
            "restore:lowlight": LowLight("denoise", None, context=context),
            "restore:denoise": Denoise("denoise", None, context=context),
            "restore:deblur": Deblur("deblur", context=context),
        }
        self.like = like

    @cached_property
    def measured(self) -> Tensor | None:
        """Return the image that is measured for all, (1, 3, H, W); None if each is measured."""
        if self.like is None:
            return None
        try:
            image = Image.open(self.like)
        except ReadError as error:
            raise ReadError(f"like= cannot be used: {error.message}", hint=error.hint) from None
        return image.tensor()

    @cached_property
    def chosen(self) -> list[str] | None:
        """Return what is done with every image; None if each is measured."""
        return None if self.measured is None else steps(self.measured)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        for operator in self.operators.values():
            operator.to(device, dtype)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        for step in steps(x) if self.chosen is None else self.chosen:
            name, _, value = step.partition(" ")
            operator = self.operators[name]
            compute = partial(operator.apply, statistics=x.new_tensor([float(value)])) if value else operator
            x = in_tiles(compute, x, operator.geometry.multiple, operator.geometry.halo)
        return x

    def summary(self) -> Mapping[str, str]:
        if self.chosen is None or self.measured is None:
            return {"pipeline": "what each image needs; like=FILE shows it for one"}
        shown = {"pipeline": " | ".join(self.chosen) or "nothing: the image has none of the faults that are measured"}
        if haziness(self.measured) >= HAZY:
            shown["haze"] = "perhaps; adjust:dehaze removes it"
        return shown

    def close(self) -> None:
        for operator in self.operators.values():
            operator.close()


def steps(x: Tensor) -> list[str]:
    """Tell which operators an image needs, with their values, in the order in which they are applied.

    Args:
        x: (1, 3, H, W), 0..1, at its full size: shrinking would hide what is measured.
    """
    found = []
    if blockiness(x) >= BLOCKY:
        found.append("restore:jpeg")
    stops = stops_needed(x).item()
    if stops >= DARK:
        found.append(f"restore:lowlight {stops:.1f}")  # which removes noise as well
    elif noise_level(x) >= NOISY:
        found.append("restore:denoise")
    if blur_width(x) >= BLURRED:
        found.append("restore:deblur")
    return found
