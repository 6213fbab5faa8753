"""`adjust:match-histogram`: the tones of another image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Extent, Geometry, Size, Window, cut
from imgtk.image import Image
from imgtk.nn.arrays import on_arrays
from imgtk.op import Facts
from imgtk_adjust.base import Adjustment

__all__ = ["MatchHistogram"]

STEPS = 1025
"""Quantiles by which a distribution is described."""


@dataclass(eq=False)
class MatchHistogram(Adjustment):
    """Change each channel so that it has the distribution of values of another image.

    Args:
        file: the other image, unless it is the second input.

    Raises:
        ReadError: the file cannot be read.
    """

    file: Path | None

    def __post_init__(self) -> None:
        self.target = None if self.file is None else quantiles(Image.open(self.file).tensor())

    @cached_property
    def facts(self) -> Facts:
        coloured = self.target is not None and bool((self.target != self.target[:, :1]).any())
        return Facts(batched=True, needs_float32=True, may_add_colour=coloured)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.WHOLE if self.file is None else Extent.STATISTICS)

    def output_size(self, *sizes: Size) -> Size:
        if (len(sizes) == 2) == (self.file is not None):
            raise ParameterError(
                "adjust:match-histogram needs one other image" + (", and got two" if self.file else ""),
                hint="Name a file, or an image of the pipeline: adjust:match-histogram other.jpg",
            )
        return sizes[0]

    def render(self, *inputs: Tensor, window: Window, statistics: Tensor | None = None) -> Tensor:
        if self.target is None:
            matched = mapped(inputs[0], quantiles(inputs[0]), quantiles(inputs[1]))
        else:
            matched = mapped(inputs[0], self.measure(inputs[0]) if statistics is None else statistics, self.target)
        return cut(matched, window.inner)

    def measure(self, x: Tensor) -> Tensor:
        return quantiles(x)

    def summary(self) -> Mapping[str, str]:
        return {"histogram": self.file.name} if self.file else {}


def quantiles(x: Tensor) -> Tensor:
    """Return the values of each channel, from the least to the largest, (N, C, STEPS), float32, of (N, C, H, W)."""
    shares = np.linspace(0, 1, STEPS)
    found = [np.quantile(image, shares, axis=1).T for image in x.float().cpu().flatten(2).numpy()]
    return torch.from_numpy(np.array(found, np.float32))


def mapped(x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return (N, 3, H, W), whose values have the quantiles `source`, with those of `target`."""
    results = []
    for image, here, there in zip(x, source.numpy(), target.expand(len(x), -1, -1).numpy(), strict=True):

        def matched(pixels: np.ndarray, here: np.ndarray = here, there: np.ndarray = there) -> np.ndarray:
            channels = [_line(pixels[..., i], here[i], there[i]) for i in range(pixels.shape[2])]
            return np.stack(channels, -1)

        results.append(on_arrays(matched, image[None]))
    return torch.cat(results)


def _line(values: np.ndarray, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return interpolation between quantiles; what many pixels share becomes the mean of the quantiles that it
    fills."""
    places, first, counts = np.unique(here, return_index=True, return_counts=True)
    sums = np.add.reduceat(there.astype(np.float64), first)
    return np.interp(values, places, sums / counts).astype(np.float32)
