"""Adjustments of tone: each value becomes another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Extent, Geometry
from imgtk.nn.arrays import brightness, on_arrays
from imgtk.nn.colour import from_srgb, luma, to_srgb
from imgtk.op import Facts
from imgtk_adjust.base import Adjustment, MeasuredAdjustment

__all__ = ["AutoLevels", "Curves", "Exposure", "Invert", "Levels", "Posterise", "Threshold"]

FLAT = 1e-4
"""Range of tones that counts as none: stretching it would show nothing but rounding."""


@dataclass(eq=False)
class Levels(Adjustment):
    """Stretch black..white to out_black..out_white, with a gamma between. Beyond, tones are cut off.

    Raises:
        ParameterError: black is not below white.
    """

    black: float
    white: float
    gamma: float
    out_black: float
    out_white: float

    def __post_init__(self) -> None:
        if self.black >= self.white:
            raise ParameterError(
                f"adjust:levels: black={self.black:g} is not below white={self.white:g}",
                hint="Give the darker value first. adjust:invert exchanges black and white.",
            )

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        level = (x - self.black).mul_(1 / (self.white - self.black)).clamp_(0, 1)
        if self.gamma != 1:
            level.pow_(1 / self.gamma)
        if (self.out_black, self.out_white) != (0, 1):
            level.mul_(self.out_white - self.out_black).add_(self.out_black)
        return level


@dataclass(eq=False)
class AutoLevels(MeasuredAdjustment):
    """Stretch what lies between two percentiles to 0..1.

    Args:
        clip: the share of pixels that is cut off at each end.
        by_channel: whether each channel has percentiles of its own, which also removes a cast.
    """

    clip: float
    by_channel: bool

    def measure(self, x: Tensor) -> Tensor:
        """Return black and white points (2, N, 3, 1, 1)."""
        ends = []
        for image in x.float().cpu().flatten(2).numpy():
            low, high = np.quantile(image, [self.clip, 1 - self.clip], axis=1)
            if not self.by_channel:
                low, high = np.full(3, low.min()), np.full(3, high.max())
            flat = high - low < FLAT
            ends.append((np.where(flat, 0, low), np.where(flat, 1, high)))
        return torch.from_numpy(np.array(ends, np.float32)).movedim(1, 0)[..., None, None].to(x.device)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        black, white = statistics
        return (x - black).div_(white - black).clamp_(0, 1)


@dataclass(eq=False)
class Curves(Adjustment):
    """A smooth curve through points, in all channels, in one, or in luma alone.

    Between the points it is the monotone cubic of Fritsch and Butland ("A method for constructing local monotone
    piecewise cubic interpolants", 1984): it never overshoots. Before the first and after the last it is flat.

    Args:
        points: (input, output), each 0..1, with rising inputs.
        channel: "all", "luma", "red", "green" or "blue".
    """

    points: Sequence[tuple[float, float]]
    channel: str

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True, may_add_colour=self.channel not in ("all", "luma"))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        if self.channel == "all":
            return self.curve(x)
        if self.channel == "luma":
            brightness = luma(x)
            return x + (self.curve(brightness) - brightness)
        result, index = x.clone(), ("red", "green", "blue").index(self.channel)
        result[:, index] = self.curve(x[:, index])
        return result

    @cached_property
    def slopes(self) -> list[float]:
        """The curve's slope at each point (Moler, "Numerical computing with MATLAB", section 3.4)."""
        inputs, outputs = np.array(self.points).T
        steps = np.diff(inputs)
        rises = np.diff(outputs) / steps
        if len(rises) == 1:
            return [rises[0], rises[0]]
        slopes = np.zeros(len(inputs))
        for i, (before, after) in enumerate(pairwise(rises), 1):
            if before * after > 0:
                wide, narrow = 2 * steps[i] + steps[i - 1], steps[i] + 2 * steps[i - 1]
                slopes[i] = (wide + narrow) / (wide / before + narrow / after)
        slopes[0] = _end_slope(steps[0], steps[1], rises[0], rises[1])
        slopes[-1] = _end_slope(steps[-1], steps[-2], rises[-1], rises[-2])
        return [float(slope) for slope in slopes]

    def curve(self, x: Tensor) -> Tensor:
        """Return the sum of what the curve rises in each interval."""
        result = torch.full_like(x, self.points[0][1])
        for i, ((start, low), (end, high)) in enumerate(pairwise(self.points)):
            step, rise = end - start, high - low
            first, last = self.slopes[i] * step, self.slopes[i + 1] * step
            t = (x - start).mul_(1 / step).clamp_(0, 1)
            cubic = t.mul(first + last - 2 * rise).add_(3 * rise - 2 * first - last).mul_(t).add_(first)
            result.addcmul_(cubic, t)
        return result


def _end_slope(near: float, far: float, rise: float, next_rise: float) -> float:
    """Return the slope at an end, from three points, and such that the curve stays monotone."""
    slope = ((2 * near + far) * rise - near * next_rise) / (near + far)
    if slope * rise <= 0:
        return 0.0
    if rise * next_rise <= 0 and abs(slope) > 3 * abs(rise):
        return 3 * rise
    return slope


@dataclass(eq=False)
class Exposure(Adjustment):
    """Twice the light per stop, computed in linear light (sRGB)."""

    stops: float

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return to_srgb(from_srgb(x).mul_(2**self.stops))


class Invert(Adjustment):
    """1 - x."""

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return 1 - x


@dataclass(eq=False)
class Threshold(Adjustment):
    """White where luma is above a level, black elsewhere.

    Args:
        level: 0..1.
        method: "fixed", or "otsu" for the level that parts two classes best (Otsu 1979), which replaces `level`.
    """

    level: float
    method: str

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.STATISTICS if self.method == "otsu" else Extent.LOCAL)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        if self.method == "otsu":
            return self.apply(x, self.measure(x))
        return on_arrays(lambda pixels: cv2.threshold(brightness(pixels), self.level, 1, cv2.THRESH_BINARY)[1], x)

    def measure(self, x: Tensor) -> Tensor:
        """Return the levels (N, 1, 1, 1)."""
        images = luma(x).mul(255).round_().clamp_(0, 255).byte().cpu().numpy()
        levels = [cv2.threshold(image[0], 0, 255, cv2.THRESH_OTSU)[0] for image in images]
        return (torch.tensor(levels, dtype=torch.float32, device=x.device).view(-1, 1, 1, 1) + 0.5) / 255

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        return (luma(x) > statistics).to(x.dtype).repeat(1, 3, 1, 1)


@dataclass(eq=False)
class Posterise(Adjustment):
    """Each channel in so many equal steps from black to white."""

    levels: int

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return (x * self.levels).floor_().clamp_(0, self.levels - 1).div_(self.levels - 1)
