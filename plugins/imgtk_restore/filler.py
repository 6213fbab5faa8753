"""`Filler`: the network that `inpaint:network` and `outpaint` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.network_op import load_network
from imgtk.op import in_torch
from imgtk.weights.architecture import described
from imgtk_restore.fill import fill, improver
from imgtk_restore.fill_network import InpaintNet

__all__ = ["Filler"]


class Filler:
    """Fills holes by a network, from small to large: see `imgtk_restore.fill`.

    Args:
        model: name of shipped weights, or a file.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, context: BuildContext) -> None:
        self.model, self.architectures = model, context.architectures
        self.path = context.locate(model, "imgtk_restore")

    @cached_property
    def network(self) -> InpaintNet:
        return load_network(self.path, self.architectures, InpaintNet)

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    def to(self, device: torch.device) -> None:
        self.computing: Any = in_torch(self.network, device, torch.float32)

    def __call__(self, x: Tensor, holes: Tensor) -> Tensor:
        """Return an image (1, 3, H, W) with its holes (1, 1, H, W) filled, 0..1, float32."""
        improve = improver(self.computing, self.network.multiple, self.network.halo)
        return fill(x.float(), holes, improve).clamp(0, 1)

    def summary(self) -> Mapping[str, str]:
        return {"weights": self.model, "network": described(self.network)}

    def close(self) -> None:
        for held in ("network", "computing"):
            self.__dict__.pop(held, None)
