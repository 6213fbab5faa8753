"""Noise for networks that invent texture: a function of seed and absolute position.

A convolutional network gives the same output wherever it sees the same input, so over a flat area the only texture that
it can make is a periodic one. Noise as a further input tells places apart (Ulyanov et al. 2016, "Texture networks";
Karras et al. 2019, "A style-based generator architecture", section 3.2).

The value at a position depends on nothing else, so tiles agree with the whole image, batches with single images, and
runs and devices with each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.geometry import Box, cut
from imgtk.nn.blur import blur_radius, gaussian_blur

__all__ = ["COARSE_CHANNELS", "COARSE_STEP", "Noise", "draw_coarse", "draw_white", "grain_in", "noise_in"]

COARSE_STEP = 4
"""Pixels per sample of the coarse noise; boxes must start at multiples of it."""
OCTAVES = (2, 4, 8, 16, 32)
"""Sizes of the grains of the coarse noise, in samples: 8 to 128 pixels."""
CHANNELS_PER_OCTAVE = 2
BEYOND = 2
"""Samples beyond the border at which bicubic interpolation looks."""
COARSE_CHANNELS = CHANNELS_PER_OCTAVE * len(OCTAVES)
"""Channels of the coarse noise."""
FADE = 32
"""Samples over which noise with a period of its own passes into its beginning."""
PERIOD = 512
"""Samples after which the noise repeats: 512 pixels for white noise, which has no shape to recognise, and 2048 for the
coarse one."""


class Noise(NamedTuple):
    """Noise of mean 0 and about variance 1 for an image of (H, W).

    Attributes:
        white: (N, 1, H, W), independent from pixel to pixel.
        coarse: (N, COARSE_CHANNELS, H / COARSE_STEP, W / COARSE_STEP), smooth, with grains of each size in `OCTAVES`.
    """

    white: Tensor
    coarse: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Noise:
        return Noise(self.white.to(device, dtype), self.coarse.to(device, dtype))

    def named(self) -> dict[str, Tensor]:
        """Return both by the names of the inputs of ONNX models."""
        return {"noise": self.white, "coarse_noise": self.coarse}

    def white_at(self, scale: int, layer: int) -> Tensor:
        """Return white noise (N, 1, H / scale, W / scale) for a layer at that part of the resolution: every `scale`-th
        pixel, from another start for each of scale ** 2 layers."""
        row, column = divmod(layer % scale**2, scale)
        return self.white[:, :, row::scale, column::scale]


def noise_in(box: Box, seed: int = 0, period: tuple[int | None, int | None] = (None, None)) -> Noise:
    """Return the noise in a region, (1, C, h, w), float32, on the CPU.

    Args:
        box: in pixels, whose edges are multiples of `COARSE_STEP`; it may lie outside the image.
        seed: chooses among independent fields.
        period: width and height in pixels, multiples of `COARSE_STEP`, after which the noise repeats, for images that
            do; None for any.
    """
    field = _field(seed)
    coarse = Box(*(edge // COARSE_STEP for edge in box))
    across, down = (None if length is None else length // COARSE_STEP for length in period)
    return Noise(_periodic(field.white, box, period), _periodic(field.coarse, coarse, (across, down)))


def grain_in(box: Box, size: float, seed: int = 0) -> Tensor:
    """Return white noise softened by a Gaussian, of mean 0 and about variance 1, (1, 1, h, w), float32, on the CPU.

    Args:
        box: in pixels; it may lie outside the image.
        size: standard deviation of the Gaussian, in pixels; 0 for none.
        seed: chooses among independent fields.
    """
    margin = blur_radius(size)
    rows = torch.arange(box.top - margin, box.bottom + margin) % PERIOD
    columns = torch.arange(box.left - margin, box.right + margin) % PERIOD
    white = _field(seed).white[:, :, rows[:, None], columns]
    if size == 0:
        return white
    steps = torch.arange(-margin, margin + 1, dtype=torch.float64)
    line = torch.exp(steps.square() / (-2 * size**2))
    gain = float(line.sum() ** 2 / line.square().sum())  # what the blur takes of the deviation, squared for two axes
    inner = Box(margin, margin, white.shape[3] - margin, white.shape[2] - margin)
    return cut(gaussian_blur(white, size), inner) * gain


def draw_white(count: int, height: int, width: int) -> Tensor:
    """Return white noise (count, 1, height, width) for training, from torch's own random generator."""
    return torch.randn(count, 1, height, width)


def draw_coarse(count: int, height: int, width: int) -> Tensor:
    """Return coarse noise for training on `count` images of (height, width), from torch's own random generator;
    periodic if both are multiples of the largest grain, 128 pixels."""
    rows, columns = height // COARSE_STEP, width // COARSE_STEP
    return torch.cat([_octave(count, rows, columns, grain) for grain in OCTAVES], 1)


@lru_cache(maxsize=4)
def _field(seed: int) -> Noise:
    """Return one period of the noise, (1, C, PERIOD, PERIOD)."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(1, 1, PERIOD, PERIOD, generator=generator)
    return Noise(white, torch.cat([_octave(1, PERIOD, PERIOD, grain, generator) for grain in OCTAVES], 1))


def _octave(count: int, rows: int, columns: int, grain: int, generator: torch.Generator | None = None) -> Tensor:
    """Smooth noise (count, CHANNELS_PER_OCTAVE, rows, columns) of one size of grain, periodic in the next larger
    multiples of it."""
    shape = (count, CHANNELS_PER_OCTAVE, -(-rows // grain), -(-columns // grain))
    grains = torch.randn(shape, generator=generator)
    wrapped = grains[..., torch.arange(-BEYOND, shape[2] + BEYOND) % shape[2], :]
    wrapped = wrapped[..., torch.arange(-BEYOND, shape[3] + BEYOND) % shape[3]]
    enlarged = F.interpolate(wrapped, scale_factor=float(grain), mode="bicubic")
    return enlarged[..., BEYOND * grain : BEYOND * grain + rows, BEYOND * grain : BEYOND * grain + columns]


def _periodic(field: Tensor, box: Box, period: tuple[int | None, int | None]) -> Tensor:
    across, down = period
    return _along(3, _along(2, field, box.top, box.bottom, down), box.left, box.right, across)


def _along(axis: int, field: Tensor, first: int, last: int, period: int | None) -> Tensor:
    """Return the samples of the field from `first` to `last` on an axis, where they repeat after `period`."""
    places = torch.arange(first, last)
    if period is None or period % PERIOD == 0:
        return field.index_select(axis, places % PERIOD)
    places = places % period
    following = (1 - places / min(FADE, period)).clamp_min(0)  # share of the variance that goes on from the end
    following = following.view(-1, *[1] * (3 - axis))
    here, beyond = (field.index_select(axis, start % PERIOD) for start in (places, places + period))
    return (1 - following).sqrt() * here + following.sqrt() * beyond
