"""`Upscale`: the operator around every upscaling network."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from fractions import Fraction
from functools import cached_property
from math import ceil

import torch
from torch import Tensor

from imgtk.geometry import Box, Geometry, Size, Window
from imgtk.nn.resample import resample, support
from imgtk.op import ImageOp
from imgtk.upscaling.network import UpscalingNetwork, load_network
from imgtk.weights import locate

__all__ = ["Upscale"]


class Upscale(ImageOp):
    """Upscale by a network, and by resampling what is left to the wanted scale.

    The network runs once, at its native scale; if that is not the wanted one, an antialiased bicubic takes its output
    to the wanted size, in float and with the exact phase.

    Args:
        scale: output pixels per input pixel, at least 1.
        model: name of weights, or a file; by default that of `models` whose native scale is the smallest not
            below `scale`, or else the largest.
        models: shipped weights by native scale.
        package: importable name of the package that ships them.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, scale: Fraction, model: str | None, models: Mapping[int, str], package: str) -> None:
        native = min((known for known in models if known >= scale), default=max(models))
        self.model = model or models[native]
        self.scale = Fraction(scale)
        self.path = locate(self.model, package=package)

    @cached_property
    def network(self) -> UpscalingNetwork:
        """The network as stored. `to` moves a copy of it, so that a later `to` starts from full precision again."""
        return load_network(self.path)

    @property
    def windowed(self) -> bool:  # type: ignore[override]
        """Only a fractional rest of the scale depends on where a tile lies."""
        return self.scale != self.network.scale

    @cached_property
    def geometry(self) -> Geometry:
        halo = self.network.halo
        if self.windowed:
            halo += ceil(Fraction(support("bicubic", self.scale / self.network.scale), self.network.scale)) + 1
        return Geometry(self.scale, halo, multiple=self.network.multiple)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        network = deepcopy(self.network)
        self.running = network.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        target = self.output_size(size)
        return self.render(x, window=Window(Box.of(target), target, Box.of(size), size))

    def render(self, *inputs: Tensor, window: Window) -> Tensor:
        native = self.network.scale
        enlarged: Tensor = self.running(inputs[0])
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
        size = f"{sum(p.numel() for p in self.network.parameters()) / 1e6:.1f} M parameters, x{self.network.scale}"
        return {"weights": self.model, "network": f"{self.network.description}, {size}"}

    def close(self) -> None:
        for held in ("network", "running"):
            self.__dict__.pop(held, None)
