"""`SceneGenerator`: small images of whole scenes, made of random numbers."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from imgtk_generate.blocks import Enlarge

__all__ = ["LEVELS", "SIDE", "SceneGenerator"]

SIDE = 64
"""Width and height in pixels of what the network makes."""
LEVELS = (6, 5, 4, 2, 1)
"""Channels at 4, 8, 16, 32 and 64 pixels, in parts of the width."""
START = SIDE >> 4
MIXED = 128


class SceneGenerator(nn.Module):
    """Makes an image of a code: the decoder of a variational autoencoder.

    A convolutional generator as DCGAN's (Radford et al. 2016). As in StyleGAN (Karras et al. 2019) the code is mixed by
    a small network first, and what comes out scales and shifts the features of every layer.

    Args:
        width: channels at the full size.
        code: numbers of a code.
    """

    def __init__(self, width: int = 16, code: int = 128) -> None:
        super().__init__()
        self.width, self.code = width, code
        channels = [width * level for level in LEVELS]
        self.mixer = nn.Sequential(nn.Linear(code, MIXED), nn.ReLU(), nn.Linear(MIXED, MIXED), nn.ReLU())
        self.start = nn.Linear(MIXED, channels[0] * START**2)
        self.stages = nn.ModuleList(
            Enlarge(inputs, outputs, MIXED, smooth=True) for inputs, outputs in pairwise(channels)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    @property
    def description(self) -> str:
        return f"SceneGenerator, {self.width} channels, codes of {self.code} numbers"

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, 64, 64), 0..1, of codes (N, code)."""
        mixed = self.mixer(codes)
        x = self.start(mixed).view(len(mixed), -1, START, START)
        for stage in self.stages:
            x = stage(x, mixed)
        image: Tensor = self.last(relu(x)).sigmoid()
        return image
