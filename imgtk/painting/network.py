"""The feed-forward style network: one pass paints an image in one style.

Its structure is that of Johnson et al. 2016 (down, residual blocks, up) with later improvements: instance normalisation
(Ulyanov et al. 2017), interpolation before convolutions instead of transposed ones (Odena et al. 2016), noise as an
input (Ulyanov et al. 2016), and nearly all work at a quarter of the resolution and below, so that a megapixel takes
about a second on two CPU cores.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.noise import COARSE_CHANNELS
from imgtk.nn.normalise import OWN, AddNoise, Measured, Normalise, NormalisingNetwork, Source

__all__ = ["EPSILON", "Convolution", "Residual", "StyleNetwork", "enlarge"]

EPSILON = 1e-3
"""Added to variances, so that areas which are flat up to rounding errors stay flat."""
SHALLOW = 2
"""Residual blocks at a quarter of the resolution."""
WHITE_CHANNELS = 2
"""Channels of white noise beside the coarse ones."""


def enlarge(x: Tensor) -> Tensor:
    """Return double the size by bilinear interpolation, which is smoother than repeated pixels, whose edges shimmer
    through flat areas."""
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
    """Two convolutions beside a skip; with noise between them where `noise` is given."""

    def __init__(self, channels: int, noise: AddNoise | None = None) -> None:
        super().__init__()
        self.first = Convolution(channels, channels)
        self.noise = noise
        self.second = Convolution(channels, channels)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        y = self.first(x, source)
        if self.noise is not None:
            y = self.noise(y, source)
        return x + self.second(y.relu(), source)


class StyleNetwork(NormalisingNetwork):
    """Paints images (N, 3, H, W), RGB, 0..1, sides multiples of 8; the output has the same size, in float32, within
    0..1.

    Half of the resolution, a quarter with `SHALLOW` residual blocks, an eighth with the others, and up again, past a
    skip at a quarter. Noise enters at a quarter, coarse and fine, and as `AddNoise` in every residual block and
    enlarging stage: without it, what is painted over flat areas is a weave.

    Args:
        width: channels at a quarter of the resolution; half of them at half of it, twice as many at an eighth.
        blocks: residual blocks at an eighth of the resolution.
    """

    multiple = 8
    noisy = True

    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.width, self.blocks = width, blocks
        half, deep = width // 2, 2 * width
        self.down1 = Convolution(12, half)
        self.down2 = Convolution(half, width, stride=2)
        self.mix = Convolution(width + COARSE_CHANNELS + WHITE_CHANNELS, width)
        self.shallow = nn.ModuleList(Residual(width, AddNoise(width, 4, WHITE_CHANNELS + i)) for i in range(SHALLOW))
        self.down3 = Convolution(width, deep, stride=2)
        self.residuals = nn.ModuleList(Residual(deep, AddNoise(deep, 8, 9 * i)) for i in range(blocks))
        self.up0 = Convolution(deep, width)
        self.up1, self.noise1 = Convolution(width, half), AddNoise(half, 2, 0)
        self.up2, self.noise2 = Convolution(half, 16), AddNoise(16, 1, 0)
        self.out = nn.Conv2d(16, 3, 5, padding=2, padding_mode="replicate")

    @property
    def description(self) -> str:
        return f"StyleNetwork, {self.blocks} blocks, {self.width} channels, noise"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels, a multiple of `multiple`: how far an output pixel sees, given the moments."""
        return 40 + 8 * SHALLOW + 16 * self.blocks

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        return torch.sigmoid(self.logits(x, source))

    def logits(self, x: Tensor, source: Source = OWN) -> Tensor:
        """Return the logits of the painting (N, 3, H, W), in float32; the painting is their sigmoid."""
        source = self.sourced(source, x)
        x = F.pixel_unshuffle(x, 2)
        x = self.down1(x, source).relu()
        x = self.down2(x, source).relu()
        x = self.mix(torch.cat([x, self._noise(source, x)], 1), source).relu()
        for block in self.shallow:
            x = block(x, source)
        skip = x
        x = self.down3(x, source).relu()
        for block in self.residuals:
            x = block(x, source)
        x = self.up0(enlarge(x), source).relu() + skip
        x = self.noise1(self.up1(enlarge(x), source), source).relu()
        x = self.noise2(self.up2(enlarge(x), source), source).relu()
        output: Tensor = self.out(x).float()
        return output

    def _noise(self, source: Source, x: Tensor) -> Tensor:
        """Return the noise that is mixed into the features `x` at a quarter of the resolution."""
        assert source.noise is not None
        white = [source.noise.white_at(4, layer) for layer in range(WHITE_CHANNELS)]
        noise = torch.cat([source.noise.coarse, *white], 1).to(x.dtype)
        return noise.expand(x.shape[0], -1, -1, -1)  # in traces, too: len(x) would be a constant
