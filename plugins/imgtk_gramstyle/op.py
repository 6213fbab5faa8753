"""`style:NAME`: one pass through a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from imgtk.errors import WeightsError
from imgtk.geometry import Extent, Geometry
from imgtk.op import ImageOp
from imgtk.weights import locate, read_state
from imgtk_gramstyle.blend import finish
from imgtk_gramstyle.network import StyleNetwork

__all__ = ["Stylise"]

MARGIN = 32
"""Pixels by which pictures are continued on all sides while they are painted: a network paints a frame along the
borders, which no loss has seen, and which is cut off with the margin. A multiple of `StyleNetwork.MULTIPLE`."""


class Stylise(ImageOp):
    """Paint in the one style that a network was trained for.

    The network normalises by statistics of the whole picture (`measure`), so all tiles are painted alike.

    Args:
        model: name of shipped weights, or a file.
        strength: from 0 (the picture itself) to 1.
        keep_colour: take only the light of the painting, and the picture's own colours.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it is none of ours.
    """

    running: StyleNetwork

    def __init__(self, model: str, strength: float, keep_colour: bool) -> None:
        self.model, self.strength, self.keep_colour = model, strength, keep_colour
        self.path = locate(model, package="imgtk_gramstyle")

    @cached_property
    def network(self) -> StyleNetwork:
        """The network as stored."""
        try:
            return StyleNetwork.of(read_state(self.path)).eval().requires_grad_(False)
        except (KeyError, RuntimeError, IndexError):
            raise WeightsError(
                f"{self.path} holds no style network of imgtk", hint="Train one with `imgtk train style:fast`."
            ) from None

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=self.network.radius, multiple=StyleNetwork.MULTIPLE, extent=Extent.STATISTICS)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self._finished(self.running(with_margin(x)), x)

    def measure(self, x: Tensor) -> list[Tensor]:
        return self.running.measure(with_margin(x))

    def apply(self, x: Tensor, statistics: list[Tensor]) -> Tensor:
        return self._finished(self.running.apply_moments(with_margin(x), statistics), x)

    def _finished(self, painted: Tensor, x: Tensor) -> Tensor:
        painted = painted[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return finish(painted, x, self.strength, self.keep_colour)

    def summary(self) -> Mapping[str, str]:
        size = sum(p.numel() for p in self.network.parameters()) / 1e6
        return {
            "weights": self.model,
            "network": f"style network, {self.network.blocks} blocks, {size:.2f} M parameters",
        }

    def close(self) -> None:
        for held in ("network", "running"):
            self.__dict__.pop(held, None)


def with_margin(x: Tensor) -> Tensor:
    """(N, 3, H, W), continued by `MARGIN` pixels on each side: mirrored, or repeated where it is too small for that."""
    mode = "reflect" if min(x.shape[2:]) > MARGIN else "replicate"
    return pad(x, [MARGIN] * 4, mode=mode).contiguous(memory_format=torch.channels_last)
