"""The two networks that go by the name of SRResNet: the SRGAN paper's, and BasicSR's variant of it (MSRResNet).

Both take and give RGB images (N, 3, H, W), nominally 0..1.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgtk.nn.initialise import kaiming
from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["MSRResNet", "SRResNet"]

SLOPE = 0.1
"""Negative slope of every LeakyReLU in MSRResNet (BasicSR)."""


def convolution(
    in_channels: int, out_channels: int, side: int = 3, gain: float = 1.0, slope: float = 0.25
) -> nn.Conv2d:
    """Return a size-keeping convolution: Kaiming initialised for a leaky rectifier of `slope`, times `gain`; bias 0."""
    return kaiming(nn.Conv2d(in_channels, out_channels, side, padding=side // 2), slope, gain)


def shuffled(in_channels: int, factor: int, slope: float) -> nn.Conv2d:
    """Return a 3x3 convolution before a pixel shuffle by `factor`. It starts with equal weights for the pixels that
    come from one, so that training does not start with a checkerboard (ICNR, Aitken et al. 2017, section 3.2)."""
    conv = convolution(in_channels, in_channels * factor**2, slope=slope)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: factor**2].repeat_interleave(factor**2, 0))
    return conv


class ResidualBlock(nn.Module):
    """Two convolutions with PReLU between, added to what came in; (N, features, H, W) to same.

    Args:
        features: channels.
        norm: whether batch normalisation follows each convolution.
    """

    def __init__(self, features: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = convolution(features, features)
        self.prelu = nn.PReLU(features)
        # The residual starts small, so that a deep stack starts near the identity (ESRGAN, section 3.1).
        self.conv2 = convolution(features, features, gain=0.1)
        self.norm1 = nn.BatchNorm2d(features) if norm else nn.Identity()
        self.norm2 = nn.BatchNorm2d(features) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(self.prelu(self.norm1(self.conv1(x)))))


class SRResNet(UpscalingNetwork):
    """The generator of SRGAN (Ledig et al. 2017, figure 4).

    Args:
        features: channels of the trunk.
        blocks: residual blocks; 16 in the paper.
        scale: output pixels per input pixel, a power of two.
        norm: batch normalisation in the trunk, as in the paper. ESRGAN (Wang et al. 2018, section 3.1) left it out,
            since it can cause artefacts.
    """

    def __init__(self, features: int = 64, blocks: int = 16, scale: int = 4, norm: bool = True) -> None:
        super().__init__()
        steps = scale.bit_length() - 1
        if scale != 1 << steps:
            raise ValueError(f"scale must be a power of two, got {scale}")
        self.scale = scale
        self.conv_first = convolution(3, features, 9)
        self.prelu_first = nn.PReLU(features)
        self.body = nn.Sequential(*(ResidualBlock(features, norm) for _ in range(blocks)))
        self.conv_body = convolution(features, features, gain=0.1)
        self.norm_body = nn.BatchNorm2d(features) if norm else nn.Identity()
        layers: list[nn.Module] = []
        for _ in range(steps):
            layers += [shuffled(features, 2, slope=0.25), nn.PixelShuffle(2), nn.PReLU(features)]
        self.upsample = nn.Sequential(*layers)
        self.conv_last = convolution(features, 3, 9, gain=0.1)

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: 4 of the first convolution, 1 of each in the trunk, a pixel at twice, four
        times … the size for each upsampling, and 4 at the output's size."""
        upsampling = sum(1 / 2**step for step in range(self.scale.bit_length() - 1))
        return ceil(4 + 2 * len(self.body) + 1 + upsampling + 4 / self.scale)

    @property
    def description(self) -> str:
        return f"SRResNet, {len(self.body)} blocks"

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu_first(self.conv_first(x))
        x = x + self.norm_body(self.conv_body(self.body(x)))
        return self.conv_last(self.upsample(x))


class PlainBlock(nn.Module):
    """Two convolutions with ReLU between, added to what came in; (N, features, H, W) to same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = convolution(features, features, slope=0)
        self.conv2 = convolution(features, features, gain=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x), inplace=True))


class MSRResNet(UpscalingNetwork):
    """BasicSR's SRResNet: no batch normalisation, 3x3 convolutions only, and the network adds to the bilinearly
    upsampled input. Its tensors have BasicSR's names.

    Args:
        features: channels of the trunk.
        blocks: residual blocks; 16 as published.
        scale: 2, 3 or 4 output pixels per input pixel.
    """

    def __init__(self, features: int = 64, blocks: int = 16, scale: int = 4) -> None:
        super().__init__()
        if scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, got {scale}")
        self.scale = scale
        self.conv_first = convolution(3, features, slope=SLOPE)
        self.body = nn.Sequential(*(PlainBlock(features) for _ in range(blocks)))
        self.upconv1 = shuffled(features, 2 if scale == 4 else scale, SLOPE)
        if scale == 4:
            self.upconv2 = shuffled(features, 2, SLOPE)
        self.conv_hr = convolution(features, features, slope=SLOPE)
        self.conv_last = convolution(features, 3, gain=0.1)

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels; those after the last upsampling reach two output pixels."""
        return ceil(1 + 2 * len(self.body) + (1.5 if self.scale == 4 else 1) + 2 / self.scale)

    @property
    def description(self) -> str:
        return f"MSRResNet, {len(self.body)} blocks"

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(F.leaky_relu(self.conv_first(x), SLOPE))
        y = F.leaky_relu(F.pixel_shuffle(self.upconv1(y), 2 if self.scale == 4 else self.scale), SLOPE)
        if self.scale == 4:
            y = F.leaky_relu(F.pixel_shuffle(self.upconv2(y), 2), SLOPE)
        y = self.conv_last(F.leaky_relu(self.conv_hr(y), SLOPE))
        return y + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
