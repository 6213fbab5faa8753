"""The network of earlier versions, which paints and enlarges without noise; its files load."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["PaintingUpscaler"]

EPSILON = 1e-3
"""Added to variances, as in our style networks."""


def _conv(channels: int, width: int, bias: bool = True) -> nn.Conv2d:
    """Return a 3x3 convolution. Borders are repeated: zeros would be painted as a dark frame."""
    return nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate", bias=bias)


def _normalised(width: int) -> list[nn.Module]:
    return [_conv(width, width, bias=False), nn.BatchNorm2d(width, eps=EPSILON)]


def _without_hatch(x: Tensor) -> Tensor:
    """Return (N, C, H, W) smoothed by a (1, 2, 1) filter, which removes what alternates from pixel to pixel: pixel
    shuffles draw such a hatch when texture is rewarded, and feature networks hardly see it."""
    return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 2, 1), 2, 1)


class PaintingUpscaler(UpscalingNetwork):
    """The residual blocks of a style network, which work at a quarter of an image's size, between the first layers of
    an upscaling network and two pixel shuffles, between which strokes are drawn at twice the input's size. Nothing is
    computed at the size of the output.

    The enlarged input, in colours that are learned (`palette`), is added.

    Args:
        width: channels, an even number; half as many between the shuffles.
        blocks: residual blocks.
        scale: output pixels per input pixel, an even number.
    """

    def __init__(self, width: int = 64, blocks: int = 4, scale: int = 4) -> None:
        super().__init__()
        self.width, self.blocks, self.scale = width, blocks, scale
        self.head = nn.Sequential(_conv(3, width), nn.PReLU(width), _conv(width, width), nn.PReLU(width))
        self.enter = nn.Sequential(*_normalised(width))
        self.residuals = nn.ModuleList(
            nn.Sequential(*_normalised(width), nn.ReLU(), *_normalised(width)) for _ in range(blocks)
        )
        half = width // 2
        self.tail = nn.Sequential(
            *(_conv(width, 4 * half), nn.PixelShuffle(2), nn.PReLU(half)),
            *(_conv(half, half), nn.PReLU(half)),
            *(_conv(half, 3 * (scale // 2) ** 2), nn.PixelShuffle(scale // 2)),
        )
        self.palette = nn.Conv2d(3, 3, 1)

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: one for each convolution, half of one between the shuffles, and what
        smoothing adds."""
        return 6 + 2 * self.blocks

    @property
    def description(self) -> str:
        return f"PaintingUpscaler, {self.blocks} blocks, {self.width} channels"

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(self.head(x)).relu()
        for block in self.residuals:
            y = y + block(y)
        enlarged = F.interpolate(self.palette(x), scale_factor=float(self.scale), mode="bilinear")
        return _without_hatch(self.tail(y)) + enlarged
