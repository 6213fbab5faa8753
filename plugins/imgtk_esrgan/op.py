"""`upscale:esrgan`, `upscale:rrdb`, `upscale:compact`: one operator, three sets of weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Box, Geometry, Size, Window
from imgtk.nn.resample import resample, support
from imgtk.op import ImageOp
from imgtk.weights import locate
from imgtk_esrgan.detect import Network, load
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

__all__ = ["Upscale"]

RRDB_HALO = 24
"""Context in pixels of the trunk. RRDBNet's receptive field is far larger (348 px with 23 blocks), but with the
shipped weights what lies farther away changes the output by less than half an 8-bit step, which a test checks."""


class Upscale(ImageOp):
    """Upscale by a network, and by resampling what is left to the wanted scale.

    The network runs once, at its native scale; if that is not the wanted one, an antialiased bicubic takes its output
    to the wanted size, in float and with the exact phase.

    Args:
        scale: output pixels per input pixel, at least 1.
        model: name of shipped weights, or a file; by default that of `models` whose native scale is the smallest not
            below `scale`, or else the largest.
        models: shipped weights by native scale.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, scale: Fraction, model: str | None, models: Mapping[int, str]) -> None:
        native = min((known for known in models if known >= scale), default=max(models))
        self.model = model or models[native]
        self.scale = Fraction(scale)
        self.path = locate(self.model, package="imgtk_esrgan")

    @cached_property
    def network(self) -> Network:
        """The network as stored. `to` moves a copy of it, so that a later `to` starts from full precision again."""
        return load(self.path)

    @property
    def windowed(self) -> bool:  # type: ignore[override]
        """Only a fractional rest of the scale depends on where a tile lies."""
        return self.scale != self.network.scale

    @cached_property
    def geometry(self) -> Geometry:
        halo = receptive_halo(self.network)
        if self.windowed:
            halo += ceil(Fraction(support("bicubic", self.scale / self.network.scale), self.network.scale)) + 1
        return Geometry(self.scale, halo, multiple=getattr(self.network, "unshuffle", 1))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        network: Any = deepcopy(self.network)
        self.running: Network = network.to(device=device, dtype=dtype, memory_format=torch.channels_last)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        target = self.output_size(size)
        return self.render(x, window=Window(Box.of(target), target, Box.of(size), size))

    def render(self, *inputs: Tensor, window: Window) -> Tensor:
        native = self.network.scale
        enlarged = self.running(inputs[0])
        if not self.windowed:
            left, top = (window.output[k] - window.input[k] * native for k in (0, 1))
            width, height = window.output.size
            return enlarged[..., top : top + height, left : left + width]
        between = Window(
            output=window.output,
            output_size=window.output_size,
            input=Box(*(edge * native for edge in window.input)),
            input_size=Size(*(side * native for side in window.input_size)),
        )
        return resample(enlarged, window.output_size, kernel="bicubic", window=between)

    def summary(self) -> Mapping[str, str]:
        network = self.network
        size = f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} M parameters, x{network.scale}"
        kind = f"{len(network.body)} blocks" if isinstance(network, RRDBNet) else f"{depth(network)} convolutions"
        return {"weights": self.model, "network": f"{type(network).__name__}, {kind}, {size}"}

    def close(self) -> None:
        for held in ("network", "running"):
            self.__dict__.pop(held, None)


def depth(network: SRVGGNetCompact) -> int:
    """Convolutions of a compact network, the first and the last one included."""
    return len(network.body) // 2 + 1


def receptive_halo(network: Network) -> int:
    """Context around a tile in input pixels: the network's receptive radius, or `RRDB_HALO` where that is less."""
    if isinstance(network, SRVGGNetCompact):
        return depth(network)
    # In pixels of the trunk: 15 convolutions per block, one before and one after them, 2 for those after upsampling.
    return min(RRDB_HALO, 15 * len(network.body) + 4) * network.unshuffle
