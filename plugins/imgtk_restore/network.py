"""`RestorationNet`: the network of every `restore:` operator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from imgtk.nn.initialise import kaiming

__all__ = ["CONDITIONS", "UNKNOWN", "RestorationNet", "conditions"]

CONDITIONS = 2
"""Further input channels: how strong the degradation is (0..1), and whether that is known (0 or 1)."""
UNKNOWN = (0.0, 0.0)
FAR = 48
"""Context around a tile in pixels. The receptive field is larger, but with the shipped weights what lies farther away
changes the output by less than a tenth of an 8-bit step, which a test checks."""


class ResidualBlock(nn.Module):
    """Adds the result of two convolutions to the input; (N, features, H, W) to same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first, self.second = conv3x3(features, features), conv3x3(features, features, gain=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(relu(self.first(x)))


class RestorationNet(nn.Module):
    """Restores images by a U-Net of residual blocks at a half, a quarter, an eighth … of the size.

    It has the form of DRUNet (Zhang et al. 2021, "Plug-and-play image restoration with deep denoiser prior", section
    3.2) without its level at full size: the input is folded into blocks of 2x2 pixels instead, as in FFDNet (Zhang et
    al. 2018), whose map of the noise level it has as well. It does not normalise, so tiles agree with the whole image.

    Args:
        widths: channels at each level.
        blocks: residual blocks at each level; the last level has them once, the others on both ways.
    """

    def __init__(self, widths: Sequence[int] = (40, 64, 96), blocks: Sequence[int] = (2, 2, 3)) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.multiple = 1 << len(widths)
        self.fold, self.unfold = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.head = conv3x3((3 + CONDITIONS) * 4, widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for width, wider in pairwise(widths):
            self.down.append(nn.Conv2d(width, wider, 2, stride=2))
            self.up.append(nn.Sequential(nn.Conv2d(wider, width * 4, 1), nn.PixelShuffle(2)))
        self.encoder, self.decoder = (
            nn.ModuleList(
                nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
                for width, count in list(zip(widths, blocks, strict=True))[:levels]
            )
            for levels in (len(widths), len(widths) - 1)
        )
        self.tail = conv3x3(widths[0], 12, gain=0.1)

    @property
    def radius(self) -> int:
        """Return how far it sees, in pixels."""
        reach = 2 * 2  # head and tail, at half the size
        for level, count in enumerate(self.blocks):
            ways = 1 if level == len(self.blocks) - 1 else 2
            reach += 2 * count * ways << (level + 1)
        return reach + self.multiple

    @property
    def halo(self) -> int:
        """Context around a tile, in pixels: `radius`, or `FAR` where that is less."""
        return min(FAR, self.radius)

    @property
    def description(self) -> str:
        return f"RestorationNet, {sum(self.blocks) + sum(self.blocks[:-1])} residual blocks"

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Restore images.

        Args:
            x: (N, 3, H, W), RGB, 0..1; `multiple` divides H and W.
            condition: (N, CONDITIONS, 1, 1), or (N, CONDITIONS, H, W) where it differs from place to place; None where
                it is not known.

        Returns:
            As `x`.
        """
        if condition is None:
            condition = x.new_tensor(UNKNOWN)[None, :, None, None]
        maps = torch.zeros_like(x[:, :CONDITIONS]) + condition.to(x.dtype)  # unlike expand(), of any size in ONNX
        y = self.head(self.fold(torch.cat((x, maps), 1)))
        kept = []
        for encode, halve in zip(self.encoder, self.down, strict=False):
            kept.append(encode(y))
            y = halve(kept[-1])
        y = self.encoder[-1](y)
        for decode, enlarge, skip in zip(reversed(self.decoder), reversed(self.up), reversed(kept), strict=True):
            y = decode(enlarge(y) + skip)
        return x + self.unfold(self.tail(y))


def conditions(level: float | None) -> tuple[float, float]:
    """Return what the network is told of a degradation's strength, 0..1; None where that is not known."""
    return UNKNOWN if level is None else (level, 1.0)


def conv3x3(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """Make a size-keeping 3x3 convolution: Kaiming initialised, times `gain`; bias 0."""
    return kaiming(nn.Conv2d(inputs, outputs, 3, padding=1), gain=gain)
