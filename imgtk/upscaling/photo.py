"""Photographs as people have them: a little blurred or noisy, sharpened by the phone, and saved as JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from imgtk.nn.jpeg import jpeg
from imgtk.upscaling.degradation import RADIUS, Range, blur, classic, kernels

__all__ = ["EverydayPhoto"]


@dataclass(frozen=True)
class EverydayPhoto:
    """Blur, noise, sharpening and one JPEG, each by chance, at the size of the input.

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
        """(N, 3, H, W), 0..1, to (N, 3, H // scale, W // scale), 0..1 in steps of 1/255, on the device of `target`."""
        clean = classic(target.float(), scale)
        count, device = len(clean), target.device

        def chosen(probability: float) -> Tensor:
            return (torch.rand(count, generator=generator) < probability).to(device).view(-1, 1, 1, 1)

        def drawn(limits: Range) -> Tensor:
            return limits[0] + (limits[1] - limits[0]) * torch.rand(count, generator=generator)

        def smooth(x: Tensor, sigma: Tensor) -> Tensor:
            return blur(x, kernels(torch.full((count,), float(RADIUS)), sigma, sigma))

        x = torch.where(chosen(self.blur), smooth(clean, drawn(self.sigma)), clean)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        deviation = drawn(self.deviation).to(device).view(-1, 1, 1, 1) / 255
        x = torch.where(chosen(self.noise), (x + deviation * noise).clamp(0, 1), x)
        amount = drawn(self.amount).to(device).view(-1, 1, 1, 1)
        sharpened = (x + amount * (x - smooth(x, drawn(self.reach)))).clamp(0, 1)
        x = torch.where(chosen(self.sharpen), sharpened, x)
        quality = torch.randint(self.quality[0], self.quality[1] + 1, (count,), generator=generator)
        x = torch.where(chosen(self.compress), jpeg(x, quality), x)
        return torch.where(chosen(self.clean), clean, x.mul(255).round().clamp(0, 255) / 255)
