"""The network that paints and enlarges in one pass."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["PaintingUpscaler"]


def _conv(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution, Kaiming initialised for PReLU, whose slopes start at 0.25; bias 0."""
    conv = nn.Conv2d(channels, width, 3, stride, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=0.25)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class PaintingUpscaler(UpscalingNetwork):
    """Convolutions at the input's size, residual blocks at half of it, and one pixel shuffle, added to the
    enlarged input.

    The outer convolutions carry what super-resolution needs; the inner ones see areas as large as strokes, at a quarter
    of the price. There is no normalisation, so tiles are painted as the whole picture is.

    Args:
        features: channels at the input's size.
        width: channels at half of it.
        blocks: residual blocks there.
        scale: output pixels per input pixel.
    """

    multiple = 2

    def __init__(self, features: int = 64, width: int = 96, blocks: int = 3, scale: int = 4) -> None:
        super().__init__()
        self.scale, self.blocks = scale, blocks
        self.head = nn.Sequential(
            *(_conv(3, features), nn.PReLU(features)),
            *(_conv(features, features), nn.PReLU(features)),
        )
        self.down = nn.Sequential(_conv(features, width, stride=2), nn.PReLU(width))
        self.residuals = nn.ModuleList(
            nn.Sequential(_conv(width, width), nn.PReLU(width), _conv(width, width)) for _ in range(blocks)
        )
        self.up = _conv(width, features)
        self.tail = nn.Sequential(_conv(features, features), nn.PReLU(features), _conv(features, 3 * scale**2))
        for layer in (*(block[-1] for block in self.residuals), self.tail[-1]):  # type: ignore[index]
            layer.weight.data.mul_(0.1)  # start near the identity

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: 1 for each convolution at its size, 2 for each at half of it, and 2 for the
        interpolation between."""
        return len(self.head) // 2 + 1 + 2 * (2 * self.blocks + 1) + 2 + 2

    @property
    def description(self) -> str:
        return f"PaintingUpscaler, {self.blocks} blocks, {self.up.in_channels} channels"

    def forward(self, x: Tensor) -> Tensor:
        details = self.head(x)
        strokes = self.down(details)
        for block in self.residuals:
            strokes = strokes + block(strokes)
        details = details + F.interpolate(self.up(strokes), scale_factor=2.0, mode="bilinear")
        enlarged = F.interpolate(x, scale_factor=float(self.scale), mode="bilinear")
        return F.pixel_shuffle(self.tail(details), self.scale) + enlarged
