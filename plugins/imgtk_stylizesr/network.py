"""The network that paints and enlarges in one pass."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["PaintingUpscaler"]

EPSILON = 1e-3
"""Added to variances, as in our style networks."""


def _conv(channels: int, width: int, bias: bool = True) -> nn.Conv2d:
    """Return A 3x3 convolution, Kaiming initialised for PReLU, whose slopes start at 0.25. Borders are repeated: zeros
    would be painted as a dark frame."""
    conv = nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate", bias=bias)
    nn.init.kaiming_normal_(conv.weight, a=0.25)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _normalised(width: int) -> list[nn.Module]:
    """Return a convolution and batch normalisation, whose moments are fixed in the end: tiles are painted as the whole
    is."""
    return [_conv(width, width, bias=False), nn.BatchNorm2d(width, eps=EPSILON)]


def _without_grid(conv: nn.Conv2d, scale: int) -> nn.Conv2d:
    """Return `conv`, before a pixel shuffle, whose first output has no grid: all `scale` ** 2 pixels of a channel start
    equal (ICNR, Aitken et al. 2017, section 3.2)."""
    conv.weight.data = conv.weight.data[:: scale**2].repeat_interleave(scale**2, 0)
    return conv


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
        last = _without_grid(_conv(half, 3 * (scale // 2) ** 2), scale // 2)
        self.tail = nn.Sequential(
            *(_without_grid(_conv(width, 4 * half), 2), nn.PixelShuffle(2), nn.PReLU(half)),
            *(_conv(half, half), nn.PReLU(half)),
            *(last, nn.PixelShuffle(scale // 2)),
        )
        self.palette = nn.Conv2d(3, 3, 1)
        last.weight.data.mul_(0.1)
        nn.init.dirac_(self.palette.weight)
        nn.init.zeros_(self.palette.bias)  # type: ignore[arg-type]

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: one for each convolution, half of one between the shuffles, and what
        smoothing adds."""
        return 6 + 2 * self.blocks

    @property
    def description(self) -> str:
        return f"PaintingUpscaler, {self.blocks} blocks, {self.width} channels"

    def take_over(self, upscaler: Mapping[str, Tensor]) -> None:
        """Start with the first two layers of a SRVGGNetCompact of the same width. Raises KeyError or RuntimeError where
        they do not fit."""
        self.head.load_state_dict({key: upscaler[f"body.{key}"] for key in self.head.state_dict()})

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(self.head(x)).relu()
        for block in self.residuals:
            y = y + block(y)
        enlarged = F.interpolate(self.palette(x), scale_factor=float(self.scale), mode="bilinear")
        return _without_hatch(self.tail(y)) + enlarged
