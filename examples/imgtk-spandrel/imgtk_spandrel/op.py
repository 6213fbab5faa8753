"""The operator `upscale:spandrel`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from imgtk.context import BuildContext
from imgtk.errors import PluginError
from imgtk.geometry import Extent, Geometry
from imgtk.op import Facts
from imgtk.upscaling.op import Upscale

if TYPE_CHECKING:
    from imgtk_spandrel.network import SpandrelNetwork


class SpandrelUpscale(Upscale):
    """Upscale by a network that spandrel loads, and by resampling what is left to the wanted scale.

    Args:
        scale: output pixels per input pixel, at least 1.
        model: a file, or the name of weights in the user's store.
        tta: 8 for the average over eight turns and flips, else 1.
        tileable: "x", "y" or "both": axes along which the image is taken as repeating itself.
        context: of the pipeline that builds the operator.
    """

    def __init__(
        self, scale: Fraction, model: str, tta: int = 1, tileable: str | None = None, *, context: BuildContext
    ) -> None:
        super().__init__(
            scale, models={}, package="imgtk_spandrel", model=model, tta=tta, tileable=tileable, context=context
        )

    @cached_property
    def network(self) -> SpandrelNetwork:
        try:
            from imgtk_spandrel.network import load
        except Exception as error:  # torchvision built for another torch raises anything
            raise PluginError(
                f"cannot import spandrel: {error}",
                hint="It needs the torchvision that belongs to this torch; see https://pytorch.org.",
            ) from error
        return load(self.paths[0])

    @cached_property
    def geometry(self) -> Geometry:
        """WHOLE where spandrel advises against tiles."""
        geometry = super().geometry
        return geometry if self.network.tiles else replace(geometry, halo=0, extent=Extent.WHOLE)

    @cached_property
    def facts(self) -> Facts:
        """In float32 where the network does not support both half precisions."""
        descriptor = self.network.descriptor
        return replace(super().facts, needs_float32=not (descriptor.supports_half and descriptor.supports_bfloat16))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the network, but not to channels_last: many of these networks assume the usual order."""
        self.forward_fn = deepcopy(self.network).to(device=device, dtype=dtype)
