"""Degrade images in steps of known strength: blur, antialiased resizing, rounding to 8 bits.

`classic` and `Fixed` make the inputs that benchmarks measure with. All functions take batches and compute on their
device. `imgtk.upscaling.degradation` composes random degradations for training from the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from imgtk.nn.jpeg import jpeg

__all__ = [
    "RADIUS",
    "Fixed",
    "blur",
    "chance",
    "classic",
    "column",
    "generator_on",
    "kernels",
    "resized",
    "rounded",
    "sinc_kernels",
    "uniform",
]

RADIUS = 10
"""Radius of the largest kernels, in pixels: they are 21x21."""


@dataclass(frozen=True)
class Fixed:
    """Blur (Gaussian), make smaller (`classic`), add Gaussian noise and compress as JPEG: alike for every image.

    Attributes:
        sigma: of the blur, in pixels of the target.
        noise: standard deviation of the noise, in 8-bit steps.
        quality: of the JPEG, 1..100.
    """

    sigma: float = 1.0
    noise: float = 5.0
    quality: int = 40

    @torch.no_grad()
    def __call__(self, target: Tensor, scale: int, generator: Generator) -> Tensor:
        """Degrade a batch.

        Args:
            target: (N, 3, H, W), 0..1.
            scale: how many times smaller the result is.
            generator: of the CPU; noise is drawn on the device by another one that is seeded from it.

        Returns:
            (N, 3, H // scale, W // scale), 0..1 in steps of 1/255, on the device of `target`.
        """
        ones = torch.ones(target.shape[0])
        kernel = kernels(RADIUS * ones, self.sigma * ones, self.sigma * ones)
        x = classic(blur(target.float(), kernel), scale)
        noise = torch.randn(x.shape, generator=generator_on(x.device, generator), device=x.device)
        return jpeg(x + self.noise / 255 * noise, self.quality)


def classic(target: Tensor, scale: int) -> Tensor:
    """Make (N, 3, H, W), 0..1, smaller by antialiased bicubic interpolation, rounded to 8 bits.

    The result, (N, 3, H // scale, W // scale), is that of MATLAB's `imresize` to 50 dB and more.
    """
    return rounded(resized(target, (target.shape[2] // scale, target.shape[3] // scale), "bicubic"))


def kernels(
    radius: Tensor,
    sigma: Tensor,
    other: Tensor,
    angle: Tensor | float = 0.0,
    shape: Tensor | float = 1.0,
    plateau: Tensor | bool = False,
) -> Tensor:
    """Make blur kernels, (N, 21, 21), that sum to 1 (Wang et al. 2021, section 3.1; Liu et al. 2020, "Estimating
    generalized Gaussian blur kernels for out-of-focus image deblurring").

    Args:
        radius: of each kernel, 0..10; it is zero beyond.
        sigma, other: standard deviations (N,) along the two axes, in pixels.
        angle: of the first axis, (N,) or one for all, in radians.
        shape: exponent; 1 gives a Gaussian, less a sharper peak, more a flatter one.
        plateau: 1 / (1 + d) in place of exp(-d / 2), where d is the squared distance to the power of `shape`.
    """
    y, x = _grid()
    angle, shape, plateau = (torch.as_tensor(a).expand(len(sigma)).view(-1, 1, 1) for a in (angle, shape, plateau))
    along = (x * angle.cos() + y * angle.sin()) / sigma.clamp_min(1e-6).view(-1, 1, 1)
    across = (y * angle.cos() - x * angle.sin()) / other.clamp_min(1e-6).view(-1, 1, 1)
    distance = (along.square() + across.square()).pow(shape)
    return _normalised(torch.where(plateau, 1 / (1 + distance), torch.exp(-distance / 2)), radius)


def sinc_kernels(radius: Tensor, cutoff: Tensor) -> Tensor:
    """Make circular low-pass kernels, (N, 21, 21), that sum to 1 (Wang et al. 2021, section 3.3).

    Args:
        radius: of each kernel (N,), 0..10; it is zero beyond.
        cutoff: angular frequency (N,), 0..pi per pixel, above which nothing passes.
    """
    y, x = _grid()
    distance = (x.square() + y.square()).sqrt().clamp_min(1e-3)  # at the centre the limit, to 1e-6
    return _normalised(torch.special.bessel_j1(cutoff.view(-1, 1, 1) * distance) / distance, radius)


def blur(x: Tensor, kernels: Tensor) -> Tensor:
    """Filter images (N, C, H, W), each by its point-symmetric kernel (N, 21, 21). Outside, the border is repeated.

    By Fourier transforms, whose time does not grow with the kernel.
    """
    x = F.pad(x, [RADIUS] * 4, mode="replicate")
    size = x.shape[2:]
    waves = torch.fft.rfft2(x) * torch.fft.rfft2(kernels.to(x.device), size)[:, None]
    return torch.fft.irfft2(waves, size)[..., 2 * RADIUS :, 2 * RADIUS :]


def resized(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize (N, C, H, W) to `size`, (H', W'), antialiased. `mode` is "area", "bilinear" or "bicubic"."""
    if mode == "area" and size[0] < x.shape[2]:
        return F.interpolate(x, size=size, mode="area")
    # Areas of enlarged pixels would be squares; as in OpenCV, enlarging by area is bilinear.
    mode = "bilinear" if mode == "area" else mode
    return F.interpolate(x, size=size, mode=mode, antialias=True, align_corners=False)


def rounded(x: Tensor) -> Tensor:
    """Round to the 8-bit grid of 0..1."""
    return x.mul(255).round_().clamp_(0, 255).div_(255)


def uniform(count: int, limits: tuple[float, float], generator: Generator) -> Tensor:
    """Draw numbers (count,) between two limits."""
    return limits[0] + (limits[1] - limits[0]) * torch.rand(count, generator=generator)


def chance(count: int, probability: float, generator: Generator) -> Tensor:
    """Draw (count,) booleans that are true with a probability of 0..1."""
    return torch.rand(count, generator=generator) < probability


def column(values: Tensor, x: Tensor) -> Tensor:
    """Give values (N,) the form (N, 1, 1, 1), on the device of `x` (N, C, H, W), to be broadcast over it."""
    return values.to(x.device).view(-1, 1, 1, 1)


def _grid() -> tuple[Tensor, Tensor]:
    """Return rows and columns of a kernel, (21, 1) and (1, 21), 0 in its middle."""
    line = torch.arange(-RADIUS, RADIUS + 1.0)
    return line[:, None], line[None, :]


def _normalised(kernels: Tensor, radius: Tensor) -> Tensor:
    y, x = _grid()
    inside = torch.maximum(y.abs(), x.abs()) <= radius.view(-1, 1, 1)
    kernels = kernels * inside
    return kernels / kernels.sum((1, 2), keepdim=True)


def generator_on(device: torch.device, generator: Generator) -> Generator:
    """Make a random generator on `device`, seeded from one of the CPU."""
    return Generator(device).manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
