"""`SceneGenerator`: small images of whole scenes, made of random numbers."""

from __future__ import annotations

from itertools import pairwise, zip_longest

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from imgtk_generate.blocks import Enlarge, doubled, mirrored, silent

__all__ = ["LEVELS", "SIDE", "SceneGenerator"]

SIDE = 64
"""Width and height in pixels of what the network makes without its finer stage."""
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
        finer: whether a further stage, with grain, makes images of twice the size.
    """

    def __init__(self, width: int = 16, code: int = 128, grain: bool = False, finer: bool = False) -> None:
        super().__init__()
        self.width, self.code, self.side = width, code, 2 * SIDE if finer else SIDE
        channels = [width * level for level in LEVELS]
        self.mixer = nn.Sequential(nn.Linear(code, MIXED), nn.ReLU(), nn.Linear(MIXED, MIXED), nn.ReLU())
        self.start = nn.Linear(MIXED, channels[0] * START**2)
        self.stages = nn.ModuleList(
            Enlarge(inputs, outputs, MIXED, smooth=True) for inputs, outputs in pairwise(channels)
        )
        self.last = mirrored(width, 3)
        self.grain = nn.ModuleList(Grain(code, START << size, channels[size]) for size in range(1, 5) if grain)
        self.finer = Finer(width, code) if finer else None

    @property
    def description(self) -> str:
        parts = (", grain" if self.grain else "") + (", finer stage" if self.finer else "")
        return f"SceneGenerator, {self.width} channels, codes of {self.code} numbers{parts}"

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, side, side), 0..1, of codes (N, code)."""
        mixed = self.mixer(codes)
        x = self.start(mixed).view(len(mixed), -1, START, START)
        for stage, grain in zip_longest(self.stages, self.grain):
            x = stage(x, mixed)
            x = x + grain(codes) if grain else x
        image: Tensor = self.last(relu(x))
        if self.finer is not None:
            image = doubled(image) + self.finer(x, mixed, codes)
        return image.sigmoid()


class Finer(nn.Module):
    """A stage of a `SceneGenerator` that adds details to its image at twice the size, at first none (as the skips of
    Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", figure 7)."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.stage = Enlarge(width, width, MIXED, smooth=True)
        self.grain = Grain(code, 2 * SIDE, width)
        self.last = silent(mirrored(width, 3))

    def forward(self, x: Tensor, mixed: Tensor, codes: Tensor) -> Tensor:
        """Return what is added, (N, 3, 128, 128), for features (N, width, 64, 64)."""
        details: Tensor = self.last(relu(self.stage(x, mixed) + self.grain(codes)))
        return details


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
