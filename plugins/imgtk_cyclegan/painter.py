"""The generator of paintings that starts from a style: a style network, tied to the colours of the image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import OWN, NormalisingNetwork, Source
from imgtk.painting.network import StyleNetwork
from imgtk_cyclegan.network import log_odds

__all__ = ["Painter"]

BLOCK = 16
"""Side in pixels of the blocks whose mean colours are tied: larger than a stroke."""
TIED = 0.75
"""Share of the image's own colours before training."""


class Painter(NormalisingNetwork):
    """A `StyleNetwork` whose colours are tied to those of the image. It takes and gives what that takes and gives, but
    sides are multiples of 16.

    Instance normalisation takes from an image what all of it has in common: an orange one and a blue one become the
    same. So the mean logits of blocks of 16x16 pixels are moved towards those of the image, by a learned matrix of
    colours.

    Args:
        width, blocks: see `StyleNetwork`.
    """

    multiple = BLOCK
    noisy = True

    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.style = StyleNetwork(width, blocks)
        self.tie = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.tie.weight)
        self.tie.weight.data.mul_(TIED)

    @property
    def description(self) -> str:
        return f"Painter, {self.style.blocks} blocks, {self.style.width} channels, noise"

    @property
    def radius(self) -> int:
        """That of the style network, and the middle of the next block but one, rounded up."""
        return -(-(self.style.radius + 2 * BLOCK) // BLOCK) * BLOCK

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        logits = self.style.logits(x, self.sourced(source, x))
        own = log_odds(2 * F.avg_pool2d(x.float(), BLOCK) - 1)
        tie = F.conv2d(own - F.avg_pool2d(logits, BLOCK), self.tie.weight.float())
        tie = F.interpolate(tie.float(), scale_factor=float(BLOCK), mode="bilinear")
        return (logits + tie).sigmoid()
