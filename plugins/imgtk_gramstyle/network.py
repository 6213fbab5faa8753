"""The feed-forward style network: one pass paints an image in the one style that the network was trained for.

The plan is that of Johnson et al. 2016 (down, residual blocks, up) with what was learnt since: instance normalisation
(Ulyanov et al. 2017), interpolation before convolutions instead of transposed ones (Odena et al. 2016), and nearly all
work at a quarter of the resolution, so that a megapixel takes about a second on two CPU cores.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import Measured, Normalise, NormalisingNetwork, Source, moments

EPSILON = 1e-3
"""Added to variances: what is as flat as rounding errors stays flat."""


def enlarge(x: Tensor) -> Tensor:
    """Twice the size, bilinearly: smoother than repeated pixels, whose edges shimmer through flat areas."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class Convolution(Measured):
    """3x3 (or `kernel`) convolution with repeated borders, normalised."""

    def __init__(self, channels: int, width: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, padding_mode="replicate", bias=False)
        self.norm = Normalise(width, epsilon=EPSILON)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return self.norm(self.conv(x), source)


class Residual(Measured):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels)
        self.second = Convolution(channels, channels)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return x + self.second(self.first(x, source).relu(), source)


class StyleNetwork(NormalisingNetwork):
    """Paints images (N, 3, H, W), RGB, 0..1, sides multiples of 4; the output has the same size, in
    float32, within 0..1.

    Args:
        width: channels at a quarter of the resolution; half of them at half of it.
        blocks: residual blocks.
    """

    multiple = 4

    def __init__(self, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        half = width // 2
        self.width, self.blocks = width, blocks
        self.down1 = Convolution(12, half)
        self.down2 = Convolution(half, width, stride=2)
        self.residuals = nn.ModuleList(Residual(width) for _ in range(blocks))
        self.up1 = Convolution(width, half)
        self.up2 = Convolution(half, 16)
        self.out = nn.Conv2d(16, 3, 5, padding=2, padding_mode="replicate")

    @property
    def description(self) -> str:
        return f"StyleNetwork, {self.blocks} blocks, {self.width} channels"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels, a multiple of `multiple`: how far an output pixel sees, given the moments."""
        return 16 + 8 * self.blocks

    def forward(self, x: Tensor, source: Source = moments) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        x = self.down1(x, source).relu()
        x = self.down2(x, source).relu()
        for block in self.residuals:
            x = block(x, source)
        x = self.up1(enlarge(x), source).relu()
        x = self.up2(enlarge(x), source).relu()
        return torch.sigmoid(self.out(x).float())
