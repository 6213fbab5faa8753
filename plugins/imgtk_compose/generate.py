"""Plain images to compose with: one colour, a gradient, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import hypot
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Box, Size, Window
from imgtk.nn.noise import grain_in
from imgtk.op import Facts, ImageOp

__all__ = ["Gradient", "Noise", "Plain"]

MIDDLE, SPREAD = 0.5, 0.2
"""Mean and standard deviation of noise: few values lie outside 0..1."""

Colour = tuple[float, float, float]


class Generator(ImageOp):
    """An image from nothing, of a given size, or of that of the pipeline's input."""

    size: tuple[int, int] | None

    def output_size(self, *sizes: Size) -> Size:
        return Size(*self.size) if self.size else super().output_size(*sizes)


@dataclass(eq=False)
class Plain(Generator):
    """One colour."""

    colour: Colour
    size: tuple[int, int] | None

    @cached_property
    def facts(self) -> Facts:
        gray = len(set(self.colour)) == 1
        return Facts(needs_float32=True, gray=gray, may_add_colour=not gray)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        width, height = window.output.size
        return torch.tensor(self.colour).view(1, 3, 1, 1).repeat(1, 1, height, width)


@dataclass(eq=False)
class Gradient(Generator):
    """From one colour to another.

    Args:
        direction: "down", "right", or "out": from the middle to the corners.
    """

    start: Colour
    end: Colour
    size: tuple[int, int] | None
    direction: str

    @cached_property
    def facts(self) -> Facts:
        gray = all(len(set(colour)) == 1 for colour in (self.start, self.end))
        return Facts(needs_float32=True, position_dependent=True, gray=gray, may_add_colour=not gray)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        start, end = (torch.tensor(colour).view(1, 3, 1, 1) for colour in (self.start, self.end))
        return torch.lerp(start, end, self.share(window.output, window.output_size)[None, None].float())

    def share(self, box: Box, size: Size) -> Tensor:
        """Return how much of the end each pixel of `box` has, (h, w)."""
        across = (torch.arange(box.left, box.right, dtype=torch.float64) + 0.5).expand(box.size.height, -1)
        down = (torch.arange(box.top, box.bottom, dtype=torch.float64)[:, None] + 0.5).expand(-1, box.size.width)
        if self.direction == "right":
            return across / size.width
        if self.direction == "down":
            return down / size.height
        return torch.hypot(across - size.width / 2, down - size.height / 2) / (hypot(*size) / 2)


class Noise(Generator):
    """Gaussian noise around middle gray, a function of seed and place.

    Args:
        size: of the image.
        grain: standard deviation of the Gaussian that softens it, in pixels; 0 for none.
        colour: whether the channels differ.
        seed: another one gives other noise; None for that of `context`.
    """

    def __init__(
        self, size: tuple[int, int] | None, grain: float, colour: bool, seed: int | None, *, context: BuildContext
    ) -> None:
        self.size, self.grain, self.colour = size, grain, colour
        self.seed = context.seed if seed is None else seed

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            needs_float32=True,
            position_dependent=True,
            gray=not self.colour,
            may_add_colour=self.colour,
            seed=self.seed,
        )

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        seeds = [3 * self.seed + channel for channel in range(3)] if self.colour else [self.seed]
        planes = [grain_in(window.output, self.grain, seed) for seed in seeds]
        return torch.cat(planes, 1).mul(SPREAD).add(MIDDLE).clamp(0, 1).expand(-1, 3, -1, -1)
