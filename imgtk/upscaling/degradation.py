"""Low-resolution images for training, made from the targets: the classic way, and as photographs get worse in use.

`SecondOrder` is the model of Real-ESRGAN (Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution
with Pure Synthetic Data", sections 3.1 to 3.3; its ranges are those of section 4.1): blur, resize, noise and JPEG,
twice. `EverydayPhoto` is what phones and web sites do to photographs, once. All work on batches and on
their device, in float32 whatever the autocast. Degradations of known strength are in `imgtk.nn.degradation`.

Every random number comes from the `generator` that is passed in, a CPU one: its state is all that must be kept for a
run to be resumed exactly. `SecondOrder` draws noise on the device, by a generator that is seeded from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from torch import Generator, Tensor

from imgtk.nn.colour import luma
from imgtk.nn.degradation import (
    RADIUS,
    blur,
    chance,
    classic,
    column,
    generator_on,
    kernels,
    resized,
    rounded,
    sinc_kernels,
    uniform,
)
from imgtk.nn.jpeg import jpeg

__all__ = ["COMPRESSED", "MILD", "DegradationRound", "EverydayPhoto", "SecondOrder"]

Range = tuple[float, float]

MIN_RADIUS = 3

GAUSSIAN, GENERALISED, PLATEAU = range(3)
FAMILIES = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)  # probability of each, first isotropic, then anisotropic
GENERALISED_SHAPE: Range = (0.5, 4)
PLATEAU_SHAPE: Range = (1, 2)

MODES = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class DegradationRound:
    """One round of blur, resize, noise and JPEG; the defaults are those of the first.

    Attributes:
        blur: probability of a blur.
        sigma: standard deviation of the kernels, in pixels; drawn for each axis of the anisotropic ones.
        sinc: probability that a blur is a sinc filter (which rings) instead.
        resize: probabilities of making the batch larger, smaller, and of neither.
        factor: smallest and largest factor of the sides.
        gaussian: probability of Gaussian noise; it is Poisson noise otherwise.
        noise: standard deviation of the Gaussian noise, in 8-bit steps.
        poisson: strength of the Poisson noise; 1 is that of a sensor that counts 255 photons where it is white.
        gray: probability that the noise is the same in all channels.
        quality: of the JPEG, 1..100.
    """

    blur: float = 1.0
    sigma: Range = (0.2, 3.0)
    sinc: float = 0.1
    resize: tuple[float, float, float] = (0.2, 0.7, 0.1)
    factor: Range = (0.15, 1.5)
    gaussian: float = 0.5
    noise: Range = (1.0, 30.0)
    poisson: Range = (0.05, 3.0)
    gray: float = 0.4
    quality: tuple[int, int] = (30, 95)


SECOND = DegradationRound(
    blur=0.8, sigma=(0.2, 1.5), resize=(0.3, 0.4, 0.3), factor=(0.3, 1.2), noise=(1.0, 25.0), poisson=(0.05, 2.5)
)


@dataclass(frozen=True)
class SecondOrder:
    """The second-order degradation of Real-ESRGAN (Wang et al. 2021, sections 3.2 and 3.3).

    Each image draws its own kernels, noise, JPEG quality and final order. The factor and the filter of a resize are
    drawn for the batch, whose images must have one size. Resizing is antialiased.

    Attributes:
        first, second: the two rounds. The factor of the second is relative to the final size.
        final_sinc: probability of the sinc filter at the end; it comes before or after the last JPEG, by chance.
    """

    first: DegradationRound = DegradationRound()
    second: DegradationRound = SECOND
    final_sinc: float = 0.8

    @torch.no_grad()
    def __call__(self, target: Tensor, scale: int, generator: Generator) -> Tensor:
        """Return (N, 3, H, W), 0..1, to (N, 3, H // scale, W // scale), 0..1 in steps of 1/255, on the device of
        `target`."""
        count, _, height, width = target.shape
        size = (height // scale, width // scale)
        x = _worsened(target.float(), (height, width), self.first, generator)
        x = jpeg(x, _qualities(count, self.first, generator))
        x = _worsened(x, size, self.second, generator)

        quality = _qualities(count, self.second, generator)
        ringing = sinc_kernels(_radii(count, generator), uniform(count, (pi / 3, pi), generator))
        ringing = _some(ringing, self.final_sinc, generator)
        mode = _mode(generator)
        jpeg_last = column(chance(count, 0.5, generator), x)
        return torch.where(
            jpeg_last,
            jpeg(blur(resized(x, size, mode), ringing), quality),
            rounded(blur(resized(jpeg(x, quality), size, mode), ringing)),
        )


@dataclass(frozen=True)
class EverydayPhoto:
    """Photos as people have them: slightly blurred or noisy, sharpened by the phone, and saved as JPEG, each at random,
    at the size of the input.

    Attributes:
        clean: probability that nothing is done.
        blur, sigma: probability of a Gaussian blur, and its standard deviation in pixels of the input.
        noise, deviation: probability of Gaussian noise, and its standard deviation in 8-bit steps.
        sharpen, amount, reach: probability of an unsharp mask, its strength, and its standard deviation in pixels.
        compress, quality: probability of a JPEG, and its quality, 1..100.
    """

    clean: float = 0.25
    blur: float = 0.35
    sigma: Range = (0.3, 1.0)
    noise: float = 0.35
    deviation: Range = (1.0, 8.0)
    sharpen: float = 0.35
    amount: Range = (0.3, 1.2)
    reach: Range = (0.6, 1.5)
    compress: float = 0.8
    quality: tuple[int, int] = (45, 96)

    @torch.no_grad()
    def __call__(self, target: Tensor, scale: int, generator: Generator) -> Tensor:
        """Return (N, 3, H, W), 0..1, to (N, 3, H // scale, W // scale), 0..1 in steps of 1/255, on the device of
        `target`."""
        clean = classic(target.float(), scale)
        count = len(clean)
        widest = torch.full((count,), float(RADIUS))

        def smooth(x: Tensor, limits: Range) -> Tensor:
            sigma = uniform(count, limits, generator)
            return blur(x, kernels(widest, sigma, sigma))

        def by_chance(probability: float) -> Tensor:
            return column(chance(count, probability, generator), clean)

        x = torch.where(by_chance(self.blur), smooth(clean, self.sigma), clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        deviation = column(uniform(count, self.deviation, generator), x) / 255
        x = torch.where(by_chance(self.noise), (x + deviation * noise).clamp(0, 1), x)
        amount = column(uniform(count, self.amount, generator), x)
        sharpened = (x + amount * (x - smooth(x, self.reach))).clamp(0, 1)
        x = torch.where(by_chance(self.sharpen), sharpened, x)
        quality = torch.randint(self.quality[0], self.quality[1] + 1, (count,), generator=generator)
        x = torch.where(by_chance(self.compress), jpeg(x, quality), x)
        return torch.where(by_chance(self.clean), clean, rounded(x))


COMPRESSED = EverydayPhoto(
    clean=0.4, blur=0.0, noise=0.25, deviation=(0.5, 3.0), sharpen=0.0, compress=1.0, quality=(60, 96)
)
"""JPEGs of good quality, some a little noisy; two in five are clean."""

MILD = SecondOrder(
    DegradationRound(
        sigma=(0.2, 1.8),
        sinc=0.05,
        resize=(0.1, 0.3, 0.6),
        factor=(0.6, 1.2),
        noise=(0.0, 4.0),
        poisson=(0.0, 0.4),
        quality=(70, 95),
    ),
    DegradationRound(
        0.2, (0.2, 0.7), 0.05, (0.1, 0.2, 0.7), (0.8, 1.1), noise=(0.0, 10.0), poisson=(0.0, 1.0), quality=(30, 95)
    ),
    final_sinc=0.1,
)
"""Weaker than the paper's, most of all in the first round's noise and JPEG and the second's blur: what photos suffer
that were shrunk and saved, and what a small network can undo without smearing what is there."""


def _worsened(x: Tensor, size: tuple[int, int], settings: DegradationRound, generator: Generator) -> Tensor:
    """Return `x` blurred, resized to `size` times a random factor, and noisy."""
    x = blur(x, _random_kernels(x.shape[0], settings, generator))
    x = resized(x, _random_size(size, settings, generator), _mode(generator))
    return _noisy(x, settings, generator)


def _random_kernels(count: int, settings: DegradationRound, generator: Generator) -> Tensor:
    radius = _radii(count, generator)
    drawn = _choice(count, FAMILIES, generator)
    family, isotropic = drawn // 2, drawn % 2 == 0
    sigma, other, angle, generalised, plateau = (
        uniform(count, limits, generator)
        for limits in (settings.sigma, settings.sigma, (0.0, pi), GENERALISED_SHAPE, PLATEAU_SHAPE)
    )
    shape = torch.where(family == PLATEAU, plateau, torch.where(family == GENERALISED, generalised, 1.0))
    blurs = kernels(radius, sigma, torch.where(isotropic, sigma, other), angle, shape, family == PLATEAU)

    lowest = torch.where(radius < 6, pi / 3, pi / 5)
    ringing = sinc_kernels(radius, lowest + (pi - lowest) * torch.rand(count, generator=generator))
    chosen = torch.where(chance(count, settings.sinc, generator).view(-1, 1, 1), ringing, blurs)
    return _some(chosen, settings.blur, generator)


def _some(kernels: Tensor, probability: float, generator: Generator) -> Tensor:
    """Return `kernels`, but each only with `probability`, and else one that changes nothing."""
    nothing = torch.zeros(kernels.shape[1:])
    nothing[RADIUS, RADIUS] = 1
    return torch.where(chance(len(kernels), probability, generator).view(-1, 1, 1), kernels, nothing)


def _random_size(size: tuple[int, int], settings: DegradationRound, generator: Generator) -> tuple[int, int]:
    smallest, largest = settings.factor
    factors = [uniform(1, limits, generator).item() for limits in ((1.0, largest), (smallest, 1.0))] + [1.0]
    factor = factors[int(_choice(1, settings.resize, generator))]
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _noisy(x: Tensor, settings: DegradationRound, generator: Generator) -> Tensor:
    """Return `x` with Gaussian or Poisson noise, within 0..1."""
    count = x.shape[0]
    gaussian, gray = (column(chance(count, p, generator), x) for p in (settings.gaussian, settings.gray))
    sigma, strength = (column(uniform(count, r, generator), x) for r in (settings.noise, settings.poisson))
    noise = generator_on(x.device, generator)
    x = x.clamp(0, 1)
    photons = 255 * torch.where(gray, luma(x), x)
    electronic = sigma * torch.randn(x.shape, generator=noise, device=x.device)
    counted = strength * (torch.poisson(photons, noise) - photons)
    added = torch.where(gaussian, electronic, counted) / 255
    return (x + torch.where(gray, added[:, :1], added)).clamp_(0, 1)


def _qualities(count: int, settings: DegradationRound, generator: Generator) -> Tensor:
    lowest, highest = settings.quality
    return torch.randint(lowest, highest + 1, (count,), generator=generator)


def _radii(count: int, generator: Generator) -> Tensor:
    return torch.randint(MIN_RADIUS, RADIUS + 1, (count,), generator=generator)


def _mode(generator: Generator) -> str:
    return MODES[int(torch.randint(len(MODES), (1,), generator=generator))]


def _choice(count: int, weights: Sequence[float], generator: Generator) -> Tensor:
    return torch.multinomial(torch.tensor(weights), count, replacement=True, generator=generator)
