"""`restore:colourise`: likely colours for gray images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Box, Extent, Geometry, Size, Window, cut
from imgtk.network_op import load_network
from imgtk.nn.features import load_features
from imgtk.nn.resample import resample
from imgtk.op import Facts, ImageOp, in_torch
from imgtk.weights.architecture import described
from imgtk_restore.colour_network import ColouriseNet, Colouriser
from imgtk_restore.colouring import colour_lines, gray_of, on_lines, painted

__all__ = ["Colourise"]

FULLER = 1.25
"""Factor of the network's colours: the mean of several likely colours is paler than each of them."""


class Colourise(ImageOp):
    """Gives gray images likely colours. Of images in colour only the lightness counts, which never changes.

    Args:
        saturation: strength of the colours: 1 for likely ones, 0 for none.
        model: name of shipped weights, or a file.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    geometry = Geometry(extent=Extent.STATISTICS)
    facts = Facts(needs_float32=True, position_dependent=True, may_add_colour=True)

    def __init__(self, saturation: float, model: str, *, context: BuildContext) -> None:
        self.saturation, self.model = saturation, model
        self.path = context.locate(model, "imgtk_restore")
        self.architectures = context.architectures

    @cached_property
    def head(self) -> ColouriseNet:
        return load_network(self.path, self.architectures, ColouriseNet)

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.computing: Any = in_torch(Colouriser(load_features(), self.head), device, torch.float32)

    def measure(self, x: Tensor) -> Tensor:
        """Return the lines on which the colours lie: see `colour_lines`."""
        return colour_lines(self.computing, gray_of(x))

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        size = Size(statistics.shape[3], statistics.shape[2])
        part = Window(window.output, window.output_size, Box.of(size), size)
        lines = resample(statistics, window.output_size, kernel="bilinear", window=part)
        gray = gray_of(cut(inputs[0], window.inner))
        return painted(gray, FULLER * self.saturation * on_lines(lines, gray)).to(inputs[0].dtype)

    def summary(self) -> Mapping[str, str]:
        return {"weights": self.model, "network": described(self.head)}

    def close(self) -> None:
        for held in ("head", "computing"):
            self.__dict__.pop(held, None)
