"""`SceneGenerator`: small images of whole scenes, made of random numbers."""

from __future__ import annotations

from itertools import pairwise, zip_longest

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from imgtk_generate.blocks import Enlarge

__all__ = ["LEVELS", "SIDE", "SceneGenerator"]

SIDE = 64
"""Width and height in pixels of what the network makes."""
LEVELS = (6, 5, 4, 2, 1)
"""Channels at 4, 8, 16, 32 and 64 pixels, in parts of the width."""
START = SIDE >> 4
MIXED = 128
MAPS = 4
"""Maps of grain for each size of features."""


class SceneGenerator(nn.Module):
    """Makes an image of a code: the decoder of a variational autoencoder.

    A convolutional generator as DCGAN's (Radford et al. 2016). As in StyleGAN (Karras et al. 2019) the code is mixed by
    a small network first, and what comes out scales and shifts the features of every layer.

    With grain, the code also mixes fixed maps of noise, which are added to the features of every size, so that details
    have another place in every image, and a similar one for similar codes. A generator without it repeats details at
    the same places, which discriminators of single images do not see.

    Args:
        width: channels at the full size.
        code: numbers of a code.
        grain: whether there is grain.
    """

    def __init__(self, width: int = 16, code: int = 128, grain: bool = False) -> None:
        super().__init__()
        self.width, self.code = width, code
        channels = [width * level for level in LEVELS]
        self.mixer = nn.Sequential(nn.Linear(code, MIXED), nn.ReLU(), nn.Linear(MIXED, MIXED), nn.ReLU())
        self.start = nn.Linear(MIXED, channels[0] * START**2)
        self.stages = nn.ModuleList(
            Enlarge(inputs, outputs, MIXED, smooth=True) for inputs, outputs in pairwise(channels)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        self.grain = nn.ModuleList(Grain(code, START << size, channels[size]) for size in range(1, 5) if grain)

    @property
    def description(self) -> str:
        grain = ", grain" if self.grain else ""
        return f"SceneGenerator, {self.width} channels, codes of {self.code} numbers{grain}"

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, 64, 64), 0..1, of codes (N, code)."""
        mixed = self.mixer(codes)
        x = self.start(mixed).view(len(mixed), -1, START, START)
        for stage, grain in zip_longest(self.stages, self.grain):
            x = stage(x, mixed)
            x = x + grain(codes) if grain else x
        image: Tensor = self.last(relu(x)).sigmoid()
        return image


class Grain(nn.Module):
    """Fixed maps of noise, mixed by a code.

    Args:
        code: numbers of a code.
        side: of the features to which it is added, in pixels.
        channels: of these features.
    """

    patterns: Tensor

    def __init__(self, code: int, side: int, channels: int) -> None:
        super().__init__()
        self.side = side
        patterns = torch.randn(code, MAPS * side**2, generator=Generator().manual_seed(side), device="cpu")
        self.register_buffer("patterns", patterns / code**0.5, persistent=False)
        self.gains = nn.Conv2d(MAPS, channels, 1, bias=False)
        nn.init.normal_(self.gains.weight, std=0.1)

    def forward(self, codes: Tensor) -> Tensor:
        """Return what is added, (N, channels, side, side), for codes (N, code)."""
        added: Tensor = self.gains((codes @ self.patterns).view(-1, MAPS, self.side, self.side))
        return added
