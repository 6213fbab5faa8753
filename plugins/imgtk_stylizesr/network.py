"""Networks that paint and enlarge in one pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.noise import COARSE_STEP, Noise
from imgtk.nn.normalise import Normalise, Source, moments
from imgtk.painting.network import StyleNetwork
from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["PaintingUpscaler", "StyleUpscaler"]

MOMENTUM = 0.02
"""Share of each batch in the moments by which `StyleUpscaler` normalises."""
EPSILON = 1e-3
"""Added to variances, as in our style networks."""


def _of_batch(x: Tensor) -> Tensor:
    """Return the mean and variance of each channel of all images together, (2, C), in float32."""
    means, variances = moments(x).unbind(1)
    mean = means.mean(0)
    return torch.stack([mean, (variances + (means - mean).square()).mean(0)])


def _conv(channels: int, width: int, bias: bool = True) -> nn.Conv2d:
    """Return a 3x3 convolution, Kaiming initialised for PReLU, whose slopes start at 0.25. Borders are repeated: zeros
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


class StyleUpscaler(UpscalingNetwork):
    """A style network that sees a small photo enlarged, and so paints it four times as large.

    It normalises by moments that follow those of the training images and are fixed in the end, in place of each image's
    own: an output pixel depends only on its neighbourhood, so tiles need no statistics of the image.

    Args:
        width, blocks: see `StyleNetwork`.
    """

    scale = COARSE_STEP
    multiple = StyleNetwork.multiple // scale
    noisy = True
    batches: Tensor
    """How many were trained on."""

    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.style = StyleNetwork(width, blocks)
        norms = [module for module in self.style.modules() if isinstance(module, Normalise)]
        for index, norm in enumerate(norms):  # in order of their use
            assert norm.weight is not None
            unmoved = torch.stack([torch.zeros_like(norm.weight), torch.ones_like(norm.weight)]).detach()
            self.register_buffer(f"moments{index}", unmoved)
        self.register_buffer("batches", torch.tensor(0))

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: that of the style network, and the next pixel, between which and its own it
        interpolates; a multiple of `multiple`."""
        return self.style.radius // self.scale + self.multiple

    @property
    def description(self) -> str:
        return f"StyleUpscaler, {self.style.blocks} blocks, {self.style.width} channels, noise"

    def forward(self, x: Tensor, white: Tensor | None = None, coarse: Tensor | None = None) -> Tensor:
        """Return the painting of (N, 3, H, W), given its noise; without any, that of an image at the origin."""
        if white is None or coarse is None:
            white, coarse = self.further_inputs(x).values()
        enlarged = F.interpolate(x, scale_factor=float(self.scale), mode="bilinear")
        source = Source(self._fixed_moments(), Noise(white, coarse))
        painting: Tensor = self.style(enlarged, source)
        return painting

    def _fixed_moments(self) -> Callable[[Tensor], Tensor]:
        """Return what gives one normalisation after the other its moments, which in training move a little towards
        those of its input."""
        known = (self.get_buffer(f"moments{index}") for index in count())
        if not self.training:
            return lambda _: next(known)[None]
        share = max(MOMENTUM, 1 / (1 + int(self.batches)))
        self.batches += 1

        def follow(x: Tensor) -> Tensor:
            fixed = next(known)
            fixed.lerp_(_of_batch(x.detach()), share)
            return fixed[None].clone()

        return follow


class PaintingUpscaler(UpscalingNetwork):
    """The network of earlier versions, whose files load.

    The residual blocks of a style network, which work at a quarter of an image's size, are between the first layers of
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

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(self.head(x)).relu()
        for block in self.residuals:
            y = y + block(y)
        enlarged = F.interpolate(self.palette(x), scale_factor=float(self.scale), mode="bilinear")
        return _without_hatch(self.tail(y)) + enlarged
