"""Discriminators that more than one trainer uses."""

from __future__ import annotations

from itertools import product

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm


class UNetDiscriminator(nn.Module):
    """A U-Net with spectral normalisation that judges every pixel (Real-ESRGAN, Wang et al. 2021, section 3.3).

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
    """A stack of strided convolutions with batch normalisation that judges whole crops (SRGAN, Ledig et al. 2017,
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
            raise ValueError(f"the VGG discriminator judges crops of {self.SIDE} pixels, got {tuple(x.shape[2:])}")
        for stage, half in self.LAYERS:
            x = self.get_submodule(f"conv{stage}_{half}")(x)
            if stage or half:
                x = self.get_submodule(f"bn{stage}_{half}")(x)
            x = _activated(x)
        logits: Tensor = self.linear2(_activated(self.linear1(x.flatten(1))))
        return logits


def _activated(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2)


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
