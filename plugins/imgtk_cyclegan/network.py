"""The generator of CycleGAN and CUT: down to a quarter of the resolution, residual blocks, and up again.

The plan and the names of the tensors are those of pytorch-CycleGAN-and-pix2pix and of contrastive-unpaired-translation,
whose files load: Johnson et al. 2016, Zhu et al. 2017 (section 7.2), and Zhang 2019 ("Making convolutional networks
shift-invariant again") for `antialias`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import OWN, AddNoise, Chain, Measured, Normalise, NormalisingNetwork, Source

WITHIN = 0.98
"""Images are brought within -0.98..0.98 before their log odds are taken, which have no value at 1."""
NORMALISED = 3
"""Modules of a residual block up to its first normalisation."""


class Blur(nn.Module):
    """Half the size: every second pixel of what a (1, 2, 1) filter, two means of two, has smoothed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 2, 1), 2)


class Enlarge(nn.Module):
    """Twice the size, bilinearly: what a (1, 3, 3, 1) filter makes of it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class ResidualBlock(Measured):
    """Two convolutions beside a skip; with noise after the first where `noise` is given."""

    def __init__(self, channels: int, noise: AddNoise | None = None) -> None:
        super().__init__()
        self.noise = noise
        self.conv_block = Chain(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            Normalise(channels, affine=False),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            Normalise(channels, affine=False),
        )

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        if self.noise is None:
            return x + self.conv_block(x, source)
        y = self.noise(self.conv_block[:NORMALISED](x, source), source)
        return x + self.conv_block[NORMALISED:](y, source)


class ResnetGenerator(NormalisingNetwork):
    """Translates images (N, 3, H, W), RGB, 0..1, sides multiples of 8; the output has the same size, in
    float32, within 0..1.

    Args:
        features: channels at full resolution; four times as many at a quarter of it.
        blocks: residual blocks.
        antialias: smooth before every second pixel is left out, and enlarge bilinearly before convolutions; without it
            there are strided and transposed convolutions, which leave a checkerboard.
        skip: paint onto the image as it is without its details (means of 4x4 pixels), whose colours a matrix
            changes, so that only the rest has to be learned; not in published files.
        noise: add noise in the residual blocks, coarse and fine, and in the enlarging stages, so that flat areas get
            strokes in place of a weave; not in published files.
    """

    multiple = 8  # two pixels, which can be mirrored, are left at a quarter

    def __init__(
        self, features: int = 64, blocks: int = 9, *, antialias: bool = False, skip: bool = False, noise: bool = False
    ) -> None:
        super().__init__()
        self.features, self.blocks, self.antialias, self.noisy = features, blocks, antialias, noise
        modules: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, features, 7), *_activation(features)]
        self.taps = [0]
        for width in (2 * features, 4 * features):
            self.taps.append(len(modules))
            modules += [nn.Conv2d(width // 2, width, 3, 1 if antialias else 2, 1), *_activation(width)]
            modules += [Blur()] if antialias else []
        self.taps += [len(modules), len(modules) + blocks // 2]
        wide = 4 * features
        modules += [ResidualBlock(wide, AddNoise(wide, 4, i, coarse=True) if noise else None) for i in range(blocks)]
        for width, scale in ((2 * features, 2), (features, 1)):
            modules += (
                [Enlarge(), nn.Conv2d(2 * width, width, 3, padding=1)]
                if antialias
                else [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1)]
            )
            normalise, rectify = _activation(width)
            modules += [normalise, AddNoise(width, scale, 0), rectify] if noise else [normalise, rectify]
        self.model = Chain(*modules, nn.ReflectionPad2d(3), nn.Conv2d(features, 3, 7))
        self.skip = nn.Conv2d(3, 3, 1) if skip else None
        if self.skip is not None:
            nn.init.dirac_(self.skip.weight)
            for start in (self.skip.bias, self.model[-1].weight, self.model[-1].bias):
                nn.init.zeros_(start)  # type: ignore[arg-type]

    @property
    def description(self) -> str:
        kind = (", antialiased" if self.antialias else "") + (", noise" if self.noisy else "")
        return f"ResnetGenerator, {self.blocks} blocks, {self.features} features{kind}"

    @property
    def radius(self) -> int:
        return (24 if self.antialias else 16) + 8 * self.blocks

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        source = self.sourced(source, x)
        x = 2 * x - 1
        logits = self.model(x, source).float()
        if self.skip is not None:
            logits = logits + self._without_details(x)
        return (torch.tanh(logits) + 1) / 2

    def _without_details(self, x: Tensor) -> Tensor:
        """Return what is added before the tanh: (N, 3, H, W), in float32."""
        assert self.skip is not None
        weight, bias = self.skip.weight.float(), self.skip.bias.float()  # type: ignore[union-attr]
        means = F.conv2d(log_odds(F.avg_pool2d(x.float(), 4)) / 2, weight, bias)  # inverses of the tanh
        return F.interpolate(means.float(), scale_factor=4.0, mode="bilinear")

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return what the first half of the network makes of images (N, 3, H, W): features (N, C, H', W') of five
        depths, the pixels themselves first (Park et al. 2020, appendix C.1)."""
        source = self.sourced(OWN, x)
        x, found = 2 * x - 1, []
        for index, module in enumerate(list(self.model)[: self.taps[-1] + 1]):
            x = module(x, source) if isinstance(module, Measured) else module(x)
            if index in self.taps:
                found.append(x)
        return found


def log_odds(x: Tensor) -> Tensor:
    """Return the inverse of the sigmoid, and twice that of tanh, of values -1..1; ONNX of opset 17 lacks atanh."""
    x = WITHIN * x.clamp(-1, 1)
    return ((1 + x) / (1 - x)).log()


def _activation(channels: int) -> list[nn.Module]:
    return [Normalise(channels, affine=False), nn.ReLU()]
