"""`InpaintNet`: the network of `inpaint:network`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from imgtk_restore.network import conv3x3

__all__ = ["InpaintNet"]

INPUTS = 6
"""Channels of the input: the image, the hole, whether the hole was filled by the network at half the size, noise."""
HALO = 160
"""Context around a tile in pixels, at each size at which the network works."""


class GatedBlock(nn.Module):
    """Adds to its input what two convolutions make of it, the first of which is gated: another one says where it counts
    (Yu et al. 2019, "Free-form image inpainting with gated convolution", section 3.1); (N, features, H, W) to same.

    Args:
        dilation: pixels between those that the gated convolution looks at.
    """

    def __init__(self, features: int, dilation: int = 1) -> None:
        super().__init__()
        self.first, self.second = conv3x3(features, features), conv3x3(features, features, gain=0.1)
        self.first.dilation = self.first.padding = (dilation, dilation)
        self.gate = nn.Conv2d(features, features, 1)
        nn.init.ones_(self.gate.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(relu(self.first(x)) * torch.sigmoid(self.gate(x)))


class InpaintNet(nn.Module):
    """Improves what a hole was filled with, by a U-Net of gated blocks at a half, a quarter, an eighth … of the size.

    It does not normalise, so tiles agree with the whole image. Noise tells places apart where there is nothing else to
    see. The blocks of the last level look ever farther: 1, 2, 4, 8, 1, 2 … pixels.

    Args:
        widths: channels at each level.
        blocks: gated blocks at each level; the last level has them once, the others on both ways.
    """

    halo = HALO

    def __init__(self, widths: Sequence[int] = (32, 64, 96), blocks: Sequence[int] = (1, 2, 5)) -> None:
        super().__init__()
        self.multiple = 1 << len(widths)
        self.count = sum(blocks) + sum(blocks[:-1])
        self.fold, self.unfold = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.head = conv3x3(INPUTS * 4, widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for width, wider in pairwise(widths):
            self.down.append(nn.Conv2d(width, wider, 2, stride=2))
            self.up.append(nn.Conv2d(wider, width, 1))
        outer = list(zip(widths, blocks, strict=True))[:-1]
        self.encoder, self.decoder = (
            nn.ModuleList(nn.Sequential(*(GatedBlock(width) for _ in range(count))) for width, count in outer)
            for _ in range(2)
        )
        self.inner = nn.Sequential(*(GatedBlock(widths[-1], 1 << index % 4) for index in range(blocks[-1])))
        self.tail = conv3x3(widths[0], 12, gain=0.1)

    @property
    def description(self) -> str:
        return f"InpaintNet, {self.count} gated blocks"

    def forward(self, x: Tensor) -> Tensor:
        """Improve what holes are filled with.

        Args:
            x: (N, 6, H, W): RGB, 0..1, with the holes filled somehow; 1 in the holes and 0 elsewhere; 1 if the network
                filled them at half the size, 0 if not; noise in the holes, of variance 1. `multiple` divides H and W.

        Returns:
            (N, 3, H, W), which is of use in the holes only.
        """
        y = self.head(self.fold(x))
        kept = []
        for encode, halve in zip(self.encoder, self.down, strict=True):
            kept.append(encode(y))
            y = halve(kept[-1])
        y = self.inner(y)
        for decode, enlarge, skip in zip(reversed(self.decoder), reversed(self.up), reversed(kept), strict=True):
            y = decode(interpolate(enlarge(y), scale_factor=2.0, mode="bilinear") + skip)
        improved: Tensor = x[:, :3] + self.unfold(self.tail(y))
        return improved

    def example_inputs(self) -> tuple[Tensor]:
        """Return an argument of `forward`, always the same."""
        side = 4 * self.multiple
        return (torch.rand(1, INPUTS, side, side, generator=torch.Generator().manual_seed(0)),)
