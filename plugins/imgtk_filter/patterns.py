"""Filters by position: mosaic, halftone, grain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, radians, sin
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Box, Size, Window, cut
from imgtk.nn.colour import luma
from imgtk.nn.noise import grain_in
from imgtk.op import Facts, ImageOp

__all__ = ["Halftone", "Noise", "Pixelate"]

INKS = (-30.0, 30.0, -45.0)
"""Angles of the screens of cyan, magenta and yellow against that of black, in degrees: 15, 75 and 0, as printers do."""
STEPS = 1024
"""Entries of the table that makes dots cover the right area."""


class Pattern(ImageOp):
    """An operator whose output pixel depends on where it lies."""

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True, position_dependent=True)


@dataclass(eq=False)
class Pixelate(Pattern):
    """The mean of each square of `size` pixels, counted from the top left corner."""

    size: int

    def squares(self, box: Box) -> Box:
        """Return the squares that a region touches."""
        low = (edge // self.size * self.size for edge in box[:2])
        return Box(*low, *(-(-edge // self.size) * self.size for edge in box[2:]))

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        return [self.squares(box)]

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        pixels = inputs[0].movedim(1, -1)
        means = self.means(self.means(pixels, 1), 2)
        mosaic = means.repeat_interleave(self.size, 2).repeat_interleave(self.size, 1)
        return cut(mosaic.movedim(-1, 1), window.inner)

    def means(self, pixels: Tensor, axis: int) -> Tensor:
        """Return the means of each `size` pixels on an axis, the last ones of what is left."""
        whole = pixels.shape[axis] // self.size * self.size
        full, rest = pixels.narrow(axis, 0, whole), pixels.narrow(axis, whole, pixels.shape[axis] - whole)
        parts = [full.unflatten(axis, (-1, self.size)).mean(axis + 1)] if whole else []
        return torch.cat([*parts, rest.mean(axis, keepdim=True)] if rest.numel() else parts, axis)


@dataclass(eq=False)
class Halftone(Pattern):
    """Dots of ink on paper, which grow as the image darkens, so that on average the tones stay.

    Args:
        cell: distance of the dots, in pixels.
        angle: of the screen, in degrees.
        colour: whether to print cyan, magenta and yellow, each with a screen of its own, instead of black.
    """

    cell: float
    angle: float
    colour: bool

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True, position_dependent=True, may_add_colour=self.colour)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        x = cut(inputs[0], window.inner)
        angles = [self.angle + ink for ink in INKS] if self.colour else [self.angle]
        screens = torch.stack([self.screen(angle, window.output) for angle in angles])[None].to(x)
        tones = x if self.colour else luma(x)
        # the edge of a dot is about a pixel wide, and less where the dot or its gap is as small: so tones stay exact
        width = torch.minimum(tones, 1 - tones).mul_(2).clamp_(1e-4, min(1.0, 4 / self.cell))
        return ((tones - screens).div_(width) + 0.5).clamp_(0, 1).expand(-1, 3, -1, -1)

    def screen(self, angle: float, box: Box) -> Tensor:
        """Return the tone (h, w), 0..1, below which each pixel is inked; all tones are equally frequent in it."""
        across = torch.arange(box.left, box.right, dtype=torch.float64) + 0.5
        down = torch.arange(box.top, box.bottom, dtype=torch.float64)[:, None] + 0.5
        wave, turn = 2 * pi / self.cell, radians(angle)
        spot = sum(
            (wave * (a * across)).cos() * (wave * (b * down)).cos()
            - (wave * (a * across)).sin() * (wave * (b * down)).sin()
            for a, b in ((cos(turn), sin(turn)), (-sin(turn), cos(turn)))
        )
        assert isinstance(spot, Tensor)
        return self.shares[((spot + 2) * (STEPS / 4)).long().clamp_(0, STEPS - 1)]

    @cached_property
    def shares(self) -> Tensor:
        """The share of a cell in which cos(u) + cos(v) is below each of `STEPS` values from -2 to 2."""
        waves = ((torch.arange(STEPS // 2) + 0.5) * (2 * pi / STEPS)).cos()
        spots = (waves + waves[:, None]).flatten()
        below = spots.histc(STEPS, -2, 2).cumsum(0) / spots.numel()
        return (below + torch.cat([torch.zeros(1), below[:-1]])) / 2


class Noise(Pattern):
    """Add grain: Gaussian noise, a function of seed and place.

    Args:
        amount: standard deviation.
        size: of the grains: standard deviation of the Gaussian that softens the noise, in pixels.
        seed: another one gives other grain; None for that of `context`.
    """

    def __init__(self, amount: float, size: float, seed: int | None, *, context: BuildContext) -> None:
        self.amount, self.size = amount, size
        self.seed = context.seed if seed is None else seed

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True, position_dependent=True, seed=self.seed)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        x = cut(inputs[0], window.inner)
        return x + self.amount * grain_in(window.output, self.size, self.seed).to(x)
