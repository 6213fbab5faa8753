"""The style network of earlier versions, without noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import OWN, NormalisingNetwork, Source
from imgtk.painting.network import Convolution, Residual, enlarge

__all__ = ["PlainStyleNetwork"]


class PlainStyleNetwork(NormalisingNetwork):
    """The style network without noise that earlier weights are for: a quarter of the resolution at the least. Images
    as for `StyleNetwork`, but sides multiples of 4.

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
        return f"PlainStyleNetwork, {self.blocks} blocks, {self.width} channels"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels, a multiple of `multiple`: how far an output pixel sees, given the moments."""
        return 16 + 8 * self.blocks

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        x = self.down1(x, source).relu()
        x = self.down2(x, source).relu()
        for block in self.residuals:
            x = block(x, source)
        x = self.up1(enlarge(x), source).relu()
        x = self.up2(enlarge(x), source).relu()
        return torch.sigmoid(self.out(x).float())
