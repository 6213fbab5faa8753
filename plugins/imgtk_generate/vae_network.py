"""`SceneVAE` and `SceneVAEGAN`: networks that also encode scenes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, relu

from imgtk_generate.blocks import doubled, mirrored, silent
from imgtk_generate.codes import distribution
from imgtk_generate.scene_network import SIDE, START, SceneGenerator

__all__ = ["Autoencoder", "SceneVAE", "SceneVAEGAN"]

NARROW = 1.5
"""Channels of the encoder at half of the size, in parts of those of the decoder at the full size."""
FEATURES = 128


class Autoencoder(nn.Module, ABC):
    """What encodes images, and makes images of codes.

    Attributes:
        code: numbers of a code.
        side: width and height in pixels of the images that it makes.
    """

    code: int
    side: int = SIDE

    @abstractmethod
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the codes, (N, code) each, of images (N, 3, H, W), 0..1,
        squares of 64 pixels or a multiple."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, side, side), 0..1, of codes (N, code)."""

    @abstractmethod
    def codes(self, normal: Tensor) -> Tensor:
        """Return codes for standard normal numbers, both (N, code)."""

    @abstractmethod
    def normal(self, codes: Tensor) -> Tensor:
        """Return the numbers that `codes` takes to these codes, both (N, code)."""

    def truncated(self, normal: Tensor, truncation: float) -> Tensor:
        """Return images for standard normal numbers (N, code), which go a part of the way from the mean of all."""
        return self.decode(self.codes(truncation * normal))


class SceneVAE(Autoencoder):
    """A variational autoencoder (Kingma and Welling 2014) of scenes, whose decoder is a `SceneGenerator`.

    Args:
        width: channels of the decoder at the full size.
        code: numbers of a code.
        grain, finer: whether the decoder has grain, and a finer stage.

    Attributes:
        centre, spread: mean (code,) and a square root of the covariance (code, code) of the codes of the images that
            were learnt, from which codes are drawn.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int = 16, code: int = 128, grain: bool = False, finer: bool = False) -> None:
        super().__init__()
        self.width, self.code = width, code
        self.register_buffer("centre", torch.zeros(code))
        self.register_buffer("spread", torch.eye(code))
        channels = [3, *(round(width * NARROW * level) for level in range(1, 5))]
        self.encoder = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1) for inputs, outputs in pairwise(channels)
        )
        self.features = nn.Linear(channels[-1] * START**2, FEATURES)
        self.moments = nn.Linear(FEATURES, 2 * code)
        self.decoder = SceneGenerator(width, code, grain, finer)
        self.side = self.decoder.side

    @property
    def description(self) -> str:
        return self.decoder.description.replace("SceneGenerator", "SceneVAE")

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = adaptive_avg_pool2d(images, SIDE) - 0.5
        for layer in self.encoder:
            x = relu(layer(x))
        mean, variance = self.moments(relu(self.features(x.flatten(1)))).float().chunk(2, 1)
        return mean, variance.clamp(-10, 4)

    def decode(self, codes: Tensor) -> Tensor:
        image: Tensor = self.decoder(codes)
        return image

    def forward(self, images: Tensor, noise: Tensor, normal: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return images decoded from codes that noise (N, code) displaces, and what `encode` returns: for training.

        Those drawn with standard normal numbers (M, code) follow, if there are any.
        """
        mean, variance = self.encode(images)
        codes = mean + noise * (variance / 2).exp()
        if normal is not None:
            codes = torch.cat((codes, self.codes(normal)))
        return self.decode(codes), mean, variance

    def example_inputs(self) -> tuple[Tensor, Tensor]:
        """Return an image and noise: arguments of `forward`, always the same."""
        generator = Generator().manual_seed(0)
        image = torch.rand(1, 3, self.side, self.side, generator=generator)
        return image, torch.randn(1, self.code, generator=generator)

    def fit(self, means: Tensor) -> None:
        """Set where codes are drawn from to the distribution of the means (N, code) of images."""
        centre, spread = distribution(means)
        self.centre.copy_(centre)
        self.spread.copy_(spread)

    def codes(self, normal: Tensor) -> Tensor:
        return self.centre + normal.to(self.spread) @ self.spread.T

    def normal(self, codes: Tensor) -> Tensor:
        return torch.linalg.solve(self.spread, (codes.to(self.spread) - self.centre).T).T


class SceneVAEGAN(Autoencoder):
    """A `SceneVAE`, and a generator that refines at twice the size what it decodes, trained as that of a GAN.

    The codes also mix fixed patterns of noise into the grain that the generator sees, so that every code has details of
    its own, and near ones have similar details.

    Args:
        width, code: of the `SceneVAE`.
        features: channels of the refining network at the full size.
    """

    patterns: Tensor

    def __init__(self, width: int = 16, code: int = 128, features: int = 24) -> None:
        super().__init__()
        self.code, self.side, self.refining = code, 2 * SIDE, features
        self.vae = SceneVAE(width, code)
        self.refiner = Refiner(features)
        patterns = torch.randn(code, self.side**2, generator=Generator().manual_seed(0), device="cpu")
        self.register_buffer("patterns", patterns, persistent=False)

    @property
    def description(self) -> str:
        return f"SceneVAEGAN, refines with {self.refining} channels what {self.vae.description} makes"

    def decode(self, codes: Tensor) -> Tensor:
        return self(doubled(self.vae.decode(codes)), self.grain(codes))

    def forward(self, decoded: Tensor, grain: Tensor) -> Tensor:
        """Return images that the `SceneVAE` has decoded, doubled, (N, 3, 128, 128), 0..1, refined with their grain."""
        refined: Tensor = self.refiner(decoded, grain)
        return refined

    def example_inputs(self) -> tuple[Tensor, Tensor]:
        """Return an image and its grain: arguments of `forward`, always the same."""
        generator = Generator().manual_seed(0)
        size = self.side, self.side
        return torch.rand(1, 3, *size, generator=generator), torch.randn(1, 1, *size, generator=generator)

    def grain(self, codes: Tensor) -> Tensor:
        """Return the noise (N, 1, 128, 128) of which details are made: a continuous function of codes (N, code)."""
        direction = nn.functional.normalize(self.normal(codes))
        return (direction @ self.patterns).view(-1, 1, self.side, self.side)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.vae.encode(images)

    def normal(self, codes: Tensor) -> Tensor:
        return self.vae.normal(codes)

    def codes(self, normal: Tensor) -> Tensor:
        return self.vae.codes(normal)


class Refiner(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) that adds detail to blurred images, made of the noise beside them."""

    def __init__(self, features: int) -> None:
        super().__init__()
        widths = (features, 2 * features, 3 * features)
        self.first = mirrored(4, widths[0])
        self.down = nn.ModuleList(mirrored(inputs, outputs, 4, stride=2) for inputs, outputs in pairwise(widths))
        self.middle = mirrored(widths[2], widths[2])
        self.up = nn.ModuleList(mirrored(inputs + outputs, outputs) for inputs, outputs in pairwise(widths[::-1]))
        self.last = silent(mirrored(widths[0], 3))

    def forward(self, images: Tensor, grain: Tensor) -> Tensor:
        """Return images (N, 3, H, W), 0..1, with more detail, made of noise (N, 1, H, W)."""
        x = _activated(self.first(torch.cat((images - 0.5, grain.to(images)), 1)))
        passed = []
        for layer in self.down:
            passed.append(x)
            x = _activated(layer(x))
        x = x + _activated(self.middle(x))
        for layer in self.up:
            x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = _activated(layer(torch.cat((x, passed.pop()), 1)))
        refined: Tensor = (images.float().logit(1e-3) + 2 * self.last(x).float()).sigmoid()
        return refined


def _activated(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, 0.2)
