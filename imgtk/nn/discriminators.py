"""Discriminators that more than one trainer uses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

__all__ = [
    "FeatureDiscriminator",
    "FeatureProjection",
    "MultiScaleDiscriminator",
    "PatchDiscriminator",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "spectrally_normalised",
]


class UNetDiscriminator(nn.Module):
    """A U-Net with spectral normalisation that rates every pixel (Real-ESRGAN, Wang et al. 2021, section 3.3).

    Args:
        features: channels of the first layer; 64 in the paper.

    Shape: (N, 3, H, W), sides a multiple of 8, to logits (N, 1, H, W).
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        f = features
        self.conv0 = nn.Conv2d(3, f, 3, 1, 1)
        self.conv1 = spectral_norm(nn.Conv2d(f, 2 * f, 4, 2, 1, bias=False))
        self.conv2 = spectral_norm(nn.Conv2d(2 * f, 4 * f, 4, 2, 1, bias=False))
        self.conv3 = spectral_norm(nn.Conv2d(4 * f, 8 * f, 4, 2, 1, bias=False))
        self.conv4 = spectral_norm(nn.Conv2d(8 * f, 4 * f, 3, 1, 1, bias=False))
        self.conv5 = spectral_norm(nn.Conv2d(4 * f, 2 * f, 3, 1, 1, bias=False))
        self.conv6 = spectral_norm(nn.Conv2d(2 * f, f, 3, 1, 1, bias=False))
        self.conv7 = spectral_norm(nn.Conv2d(f, f, 3, 1, 1, bias=False))
        self.conv8 = spectral_norm(nn.Conv2d(f, f, 3, 1, 1, bias=False))
        self.conv9 = nn.Conv2d(f, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x0 = _activated(self.conv0(x))
        x1 = _activated(self.conv1(x0))
        x2 = _activated(self.conv2(x1))
        x3 = _activated(self.conv3(x2))
        x = _activated(self.conv4(_doubled(x3))) + x2
        x = _activated(self.conv5(_doubled(x))) + x1
        x = _activated(self.conv6(_doubled(x))) + x0
        logits: Tensor = self.conv9(_activated(self.conv8(_activated(self.conv7(x)))))
        return logits


class VGGDiscriminator(nn.Module):
    """A stack of strided convolutions with batch normalisation that rates whole crops (SRGAN, Ledig et al. 2017,
    section 2.1.1; tensors named as in BasicSR).

    Args:
        features: channels of the first layer; 64 in the paper.

    Shape: (N, 3, 128, 128) to logits (N, 1).
    """

    SIDE = 128
    LAYERS = tuple(product(range(5), range(2)))

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        channels = 3
        for stage, half in self.LAYERS:
            width = features * (1, 2, 4, 8, 8)[stage]
            kernel, stride = ((3, 1), (4, 2))[half]
            first = stage == half == 0
            self.add_module(f"conv{stage}_{half}", nn.Conv2d(channels, width, kernel, stride, 1, bias=first))
            if not first:
                self.add_module(f"bn{stage}_{half}", nn.BatchNorm2d(width))
            channels = width
        self.linear1 = nn.Linear(channels * (self.SIDE // 32) ** 2, 100)
        self.linear2 = nn.Linear(100, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.SIDE, self.SIDE):
            raise ValueError(f"the VGG discriminator takes crops of {self.SIDE} pixels, got {tuple(x.shape[2:])}")
        for stage, half in self.LAYERS:
            x = self.get_submodule(f"conv{stage}_{half}")(x)
            if stage or half:
                x = self.get_submodule(f"bn{stage}_{half}")(x)
            x = _activated(x)
        logits: Tensor = self.linear2(_activated(self.linear1(x.flatten(1))))
        return logits


class PatchDiscriminator(nn.Module):
    """Rates overlapping patches of 70x70 pixels (pix2pix, Isola et al. 2017, section 3.2.2; tensors named as in
    pytorch-CycleGAN-and-pix2pix, whose files load).

    Args:
        channels: of its input: 3, or 6 for an image and what it was made from.
        features: channels of the first layer; 64 in the paper.
        layers: strided convolutions; 3 in the paper. One sees patches of 16 pixels, two of 34, three of 70.
        norm: "instance" (CycleGAN), "batch" (pix2pix), or "none" (what gradient penalties ask for).

    Shape: (N, channels, H, W), sides at least 2 ** (layers + 2), to logits (N, 1, H', W').
    """

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 3, norm: str = "instance") -> None:
        super().__init__()
        normalise = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "none": None}[norm]
        modules: list[nn.Module] = [nn.Conv2d(channels, features, 4, 2, 1), nn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            width, wider = (features * min(2**power, 8) for power in (layer - 1, layer))
            stride = 2 if layer < layers else 1
            modules.append(nn.Conv2d(width, wider, 4, stride, 1, bias=norm != "batch"))
            # without normalisation the numbers of the layers stay those of the published files
            modules += [normalise(wider) if normalise else nn.Identity(), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*modules, nn.Conv2d(wider, 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators that each rate an image at half the size of the one before (pix2pixHD, Wang et al. 2018,
    section 3.2).

    Args:
        scales: how many.
        options: of each `PatchDiscriminator`.

    Shape: (N, channels, H, W) to a list of logits, the largest first.
    """

    def __init__(self, scales: int = 3, **options: Any) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(PatchDiscriminator(**options) for _ in range(scales))

    def forward(self, x: Tensor) -> list[Tensor]:
        verdicts = []
        for discriminator in self.discriminators:
            verdicts.append(discriminator(x))
            x = avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return verdicts


class FeatureDiscriminator(nn.Module):
    """Rates the features that a frozen network sees in images, at each of several depths (Projected GAN, Sauer et al.
    2021, section 3).

    It distinguishes textures from its first step on, and needs few images. Training reduces a kernel distance on the
    same features, so use another network to rate the result.

    Args:
        channels: of the features, from shallow to deep.
        width: channels of the layers that rate them.
        halvings: how often the rating of each depth halves the sides, so that it sees more of the image; by default
            never. Features must then be at least `2 ** halvings` pixels wide and high.

    Shape: features (N, channels[i], H, W) to a list of logits (N, 1, H', W'), one for each.
    """

    def __init__(self, channels: Sequence[int], width: int = 64, halvings: Sequence[int] = ()) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(seen, width, 1),
                nn.LeakyReLU(0.2),
                *(layer for _ in range(halved) for layer in (nn.Conv2d(width, width, 4, 2, 1), nn.LeakyReLU(0.2))),
                nn.Conv2d(width, width, 3, 1, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 3, 1, 1),
            )
            for seen, halved in zip(channels, halvings or [0] * len(channels), strict=True)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [rate(_compressed(seen)) for rate, seen in zip(self.discriminators, features, strict=True)]


class FeatureProjection(nn.Module):
    """Mixes the features of several depths at random, so that a discriminator cannot look at only a few of them
    (Projected GAN, Sauer et al. 2021, section 3.2).

    Each depth has its channels mixed, and then gets the mixed features of all deeper ones added. Nothing is trained:
    equal arguments give equal weights.

    Args:
        channels: of the features, from shallow to deep.
        width: channels of all results.

    Shape: features (N, channels[i], H, W) to a list of (N, width, H, W).
    """

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.channels = nn.ModuleList(nn.Conv2d(seen, width, 1, bias=False) for seen in channels)
        self.scales = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in channels[1:])
        random = Generator().manual_seed(0)
        for weight in self.parameters():
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5, generator=random)
        self.eval().requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        mixed = [mix(_compressed(seen)) for mix, seen in zip(self.channels, features, strict=True)]
        for depth in range(len(mixed) - 2, -1, -1):
            deeper = self.scales[depth](mixed[depth + 1])
            mixed[depth] = mixed[depth] + interpolate(deeper, mixed[depth].shape[2:], mode="bilinear")
        return mixed


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """Return `network`, all of whose convolutions and linear layers are given spectral normalisation (Miyato et al.
    2018)."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not is_parametrized(module):
            spectral_norm(module)
    return network


def _activated(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2)


def _compressed(features: Tensor) -> Tensor:
    """Return features with the large ones, which a few channels have, brought nearer to the others."""
    return features.sign() * features.abs().log1p()


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
