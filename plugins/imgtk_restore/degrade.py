"""What restoration networks learn to undo, drawn at random for each image of a batch.

Each function takes targets (N, 3, H, W), 0..1, and a CPU generator from which every random number comes. It gives
(N, 5, H, W) on the device of the targets: the degraded images, how strong the degradation is (0..1), and whether the
network is told (0 or 1; where it is not, the strength is 0 as well). `blurred` gives the middle of them, without
`BEYOND` pixels at each border, which would depend on what lies beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi

import torch
from torch import Generator, Tensor

from imgtk.nn.blur import gaussian_blur
from imgtk.nn.colour import from_srgb, to_srgb
from imgtk.nn.degradation import RADIUS, blur, chance, column, kernels, rounded, uniform
from imgtk.nn.jpeg import jpeg
from imgtk_restore import MOST_STOPS, STRONGEST_NOISE
from imgtk_restore.light import brightened, darkened

__all__ = ["BEYOND", "DEGRADATIONS", "blurred", "compressed", "dark", "disc_kernels", "line_kernels", "noisy"]

LOWEST_QUALITY, HIGHEST_QUALITY = 5, 96
POISSON = (0.05, 3.0)
"""Strengths of the Poisson noise; 1 is that of a sensor that counts 255 photons where it is white."""
KINDS = (0.65, 0.2, 0.15)
"""Shares of Gaussian noise, of Poisson noise, and of noise that a camera has smoothed."""
BEYOND = 16
"""Pixels at each border that blurred images lack: more than `RADIUS`, and a multiple of what networks need."""
GAUSSIAN, DISC, MOTION = (0.4, 2.5), (0.5, 4.0), (1.0, 12.0)
"""Standard deviations, radii and lengths of blurs, in pixels."""
STOPS = (0.5, float(MOST_STOPS))
"""Logarithms to the base 2 of what the darkest pixels are multiplied by."""
PHOTON, SENSOR = (-5.0, -2.8), (-4.0, -2.5)
"""Decimal logarithms of the light of one photon, and of the deviation of the sensor's noise, where white is 1."""
MOST_NOISE = 4.0
"""Largest standard deviation of the noise that blurred images have as well, in 8-bit steps."""
TOLD = 0.5
"""Share of the images whose level the network is told."""


def noisy(target: Tensor, generator: Generator) -> Tensor:
    """Add Gaussian noise, Poisson noise, or Gaussian noise with grains of more than a pixel.

    Half of the images are rounded to 8 bits, as files are; the others are not, as in the benchmarks of the field. Only
    the level of the Gaussian noise is ever told.
    """
    count = len(target)
    noise = torch.randn(target.shape, generator=generator).to(target.device)
    kind = torch.multinomial(torch.tensor(KINDS), count, replacement=True, generator=generator)
    deviation = uniform(count, (0.0, STRONGEST_NOISE), generator)
    strength = uniform(count, POISSON, generator)
    grain = float(uniform(1, (0.4, 0.9), generator))
    gray = chance(count, 0.3, generator)
    added = noise
    if (kind == 2).any():
        smooth = gaussian_blur(noise, grain)
        smooth = smooth / smooth.std()
        smooth = torch.where(column(gray, target), smooth.mean(1, keepdim=True), smooth)
        added = torch.where(column(kind == 2, target), smooth / 2, added)
    # a Poisson variable of mean m is nearly normal, with variance m, where m is not small
    counted = (target.clamp(0, 1) * 255).sqrt() * column(strength, target)
    spread = torch.where(column(kind == 1, target), counted, column(deviation, target))
    x = target + spread / 255 * added
    x = torch.where(column(chance(count, 0.5, generator), x), rounded(x), x)
    told = chance(count, TOLD, generator) & (kind == 0)
    return _with_level(x, deviation / STRONGEST_NOISE, told)


def compressed(target: Tensor, generator: Generator) -> Tensor:
    """Compress as JPEG.

    For a quarter of the images the grid of blocks does not begin in the corner, as after cropping.
    """
    count = len(target)
    quality = (uniform(count, (0, 1), generator) ** 1.5 * (HIGHEST_QUALITY - LOWEST_QUALITY)).round() + LOWEST_QUALITY
    shift = torch.randint(0, 8, (2,), generator=generator).tolist()
    x = jpeg(target, quality)
    moved = jpeg(target.roll(shift, (2, 3)), quality).roll([-shift[0], -shift[1]], (2, 3))
    x = torch.where(column(chance(count, 0.25, generator), x), moved, x)
    return _with_level(x, (100 - quality) / 100, chance(count, TOLD, generator))


def blurred(target: Tensor, generator: Generator) -> Tensor:
    """Blur by a lens that is out of focus (a disc, or a Gaussian) or by a motion along a line, then add a little noise
    to half of the images, and compress half of them as JPEG. The strength is never told. Sides are at least 40."""
    count = len(target)
    kind = torch.randint(0, 3, (count,), generator=generator)
    sigma, radius, length = (uniform(count, limits, generator) for limits in (GAUSSIAN, DISC, MOTION))
    angle = uniform(count, (0, pi), generator)
    gaussian = kernels(torch.full((count,), float(RADIUS)), sigma, sigma)
    shapes = torch.stack((gaussian, disc_kernels(radius), line_kernels(length, angle)))
    x = blur(target.float(), shapes[kind, torch.arange(count)])[..., BEYOND:-BEYOND, BEYOND:-BEYOND]
    noise = torch.randn(x.shape, generator=generator).to(target.device)
    deviation = uniform(count, (0.0, MOST_NOISE), generator) * chance(count, 0.5, generator)
    x = rounded(x + column(deviation, x) / 255 * noise)
    quality = torch.randint(70, 97, (count,), generator=generator)
    x = torch.where(column(chance(count, 0.5, generator), x), jpeg(x, quality), x)
    untold = torch.zeros(count)
    return _with_level(x, untold, untold)


def dark(target: Tensor, generator: Generator) -> Tensor:
    """Return what brightening makes of photographs that were taken with too little light: noise of photons and of the
    sensor, in light, then few of the 256 steps, and for half of the images JPEG; all of it multiplied. The strength is
    never told."""
    count = len(target)
    gain = 2 ** uniform(count, STOPS, generator)
    light = from_srgb(darkened(target.float(), gain))
    photons, sensor = (10 ** column(uniform(count, limits, generator), light) for limits in (PHOTON, SENSOR))
    noise = torch.randn(target.shape, generator=generator).to(target.device)
    x = rounded(to_srgb((light + (photons * light + sensor.square()).sqrt() * noise).clamp(0, 1)))
    quality = torch.randint(80, 99, (count,), generator=generator)
    x = torch.where(column(chance(count, 0.5, generator), x), jpeg(x, quality), x)
    untold = torch.zeros(count)
    return _with_level(brightened(x, gain), untold, untold)


def disc_kernels(radius: Tensor) -> Tensor:
    """Make kernels (N, 21, 21) that are discs of these radii (N,), 0..10 pixels, with soft edges of a pixel."""
    distance = _offsets().square().sum(0).sqrt()
    return _normalised((radius.view(-1, 1, 1) + 0.5 - distance).clamp(0, 1))


def line_kernels(length: Tensor, angle: Tensor) -> Tensor:
    """Make kernels (N, 21, 21) that are lines of these lengths, 0..20 pixels, and angles in radians (N,), one pixel
    wide."""
    y, x = _offsets()
    sine, cosine = angle.sin().view(-1, 1, 1), angle.cos().view(-1, 1, 1)
    along, across = (x * cosine + y * sine).abs(), (y * cosine - x * sine).abs()
    return _normalised((length.view(-1, 1, 1) / 2 + 0.5 - along).clamp(0, 1) * (1 - across).clamp(0, 1))


def _offsets() -> Tensor:
    """Return rows and columns of a kernel, (2, 21, 21), 0 in its middle."""
    line = torch.arange(-RADIUS, RADIUS + 1.0)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"))


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


DEGRADATIONS: Mapping[str, Callable[[Tensor, Generator], Tensor]] = {
    "noise": noisy,
    "jpeg": compressed,
    "blur": blurred,
    "darkness": dark,
}


def _with_level(x: Tensor, level: Tensor, told: Tensor) -> Tensor:
    """Join `x` with its two further channels."""
    told = told.float()
    maps = torch.stack((level * told, told), 1).to(x)[:, :, None, None]
    return torch.cat((x, maps.expand(-1, -1, *x.shape[2:])), 1)
