"""The two upscaling networks: RRDBNet (deep, sharp) and SRVGGNetCompact (small, fast).

Both take and give RGB images (N, 3, H, W), nominally 0..1, and name their tensors as BasicSR does, so that
state dicts pass between the two projects unchanged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgtk.nn.initialise import kaiming
from imgtk.upscaling.network import UpscalingNetwork
from imgtk.weights.architecture import State

__all__ = ["RRDBNet", "SRVGGNetCompact"]

TRUNK_HALO = 24
"""Context in pixels of RRDBNet's trunk. Its receptive field is far larger (348 px with 23 blocks), but with the shipped
weights what lies farther away changes the output by less than half an 8-bit step, which a test checks."""

RESIDUAL = 0.2
"""Residuals are scaled by this before they are added (ESRGAN, Wang et al. 2018, section 3.1)."""

SLOPE = 0.2
"""Negative slope of every LeakyReLU in RRDBNet (ESRGAN's released networks)."""


def conv3x3(in_channels: int, out_channels: int, gain: float = 1.0) -> nn.Conv2d:
    """Return a size-keeping 3x3 convolution: Kaiming initialised for LeakyReLU, times `gain`; bias 0."""
    return kaiming(nn.Conv2d(in_channels, out_channels, 3, padding=1), SLOPE, gain)


def activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE, inplace=True)


class ResidualDenseBlock(nn.Module):
    """Five convolutions; each sees the block's input and all outputs before it; (N, features, H, W) to same."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        # Residual branches start small (x 0.1), so that a deep stack starts near the identity (ESRGAN, section 3.1).
        for k in range(4):
            self.add_module(f"conv{k + 1}", conv3x3(features + k * growth, growth, gain=0.1))
        self.conv5 = conv3x3(features + 4 * growth, features, gain=0.1)

    def forward(self, x: Tensor) -> Tensor:
        dense = x
        for k in range(1, 5):
            dense = torch.cat((dense, activate(self.get_submodule(f"conv{k}")(dense))), 1)
        return torch.add(x, self.conv5(dense), alpha=RESIDUAL)


class RRDB(nn.Module):
    """Residual in residual dense block. (N, features, H, W) to same."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL)


class RRDBNet(UpscalingNetwork):
    """The generator of ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021).

    Args:
        in_channels, out_channels: of the images.
        features: channels of the trunk.
        blocks: number of RRDBs in the trunk; the published networks have 23, or 6.
        growth: channels that each convolution of a dense block adds.
        scale: output pixels per input pixel, a power of two.
        unshuffle: the input is folded into blocks of this size before the first convolution, and upsampled
            `scale * unshuffle` times after the trunk; sides must be multiples of it. By default what Real-ESRGAN does:
            2 for scale 2, 4 for scale 1, else 1 (no folding).
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        scale: int = 4,
        unshuffle: int | None = None,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.unshuffle = self.multiple = unshuffle or max(1, 4 // scale)
        steps = (scale * self.unshuffle).bit_length() - 1
        if scale * self.unshuffle != 1 << steps:
            raise ValueError(f"scale * unshuffle must be a power of two, got {scale} * {self.unshuffle}")
        self.conv_first = conv3x3(in_channels * self.unshuffle**2, features)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        self.conv_body = conv3x3(features, features)
        self.upsamplers = [f"conv_up{k + 1}" for k in range(steps)]
        for name in self.upsamplers:
            self.add_module(name, conv3x3(features, features))
        self.conv_hr = conv3x3(features, features)
        self.conv_last = conv3x3(features, out_channels, gain=0.1)

    @property
    def halo(self) -> int:
        """Context around a tile in input pixels: the receptive radius, or that of `TRUNK_HALO` where it is less."""
        # In pixels of the trunk: 15 convolutions per block, one before, one after them, 2 for those after upsampling.
        return min(TRUNK_HALO, 15 * len(self.body) + 4) * self.unshuffle

    @property
    def description(self) -> str:
        return f"RRDBNet, {len(self.body)} blocks"

    def adapted(self, state: State) -> State:
        """Return the tensors with a first convolution that takes the mean of the pixels which this network folds into
        channels: so one for x2 or x1 starts as the x4 network does on the averaged input."""
        first = "conv_first.weight"
        pixels = self.conv_first.in_channels // state[first].shape[1]
        return {**state, first: state[first].repeat_interleave(pixels, 1) / pixels}

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(F.pixel_unshuffle(x, self.unshuffle) if self.unshuffle > 1 else x)
        x = x + self.conv_body(self.body(x))
        for name in self.upsamplers:
            x = activate(self.get_submodule(name)(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.conv_last(activate(self.conv_hr(x)))


class SRVGGNetCompact(UpscalingNetwork):
    """A plain stack of convolutions at the input's size and one pixel shuffle, added to the nearest-upsampled input.

    The compact network of Real-ESRGAN's later releases.

    Args:
        features: channels of the stack.
        convs: hidden convolutions between the first and the last one.
        scale: output pixels per input pixel.
        shuffle: the factor of the pixel shuffle; by default `scale`. Where it is larger, the result is resized to
            `scale` by a bicubic that does not antialias, as in Real-ESRGAN's animevideov3 for x2 and x3. Such a network
            has a buffer `output_scale`, by which its checkpoints are told from those of others.
    """

    def __init__(self, features: int = 64, convs: int = 16, scale: int = 4, shuffle: int | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.shuffle = shuffle or scale
        if self.shuffle != scale:
            self.register_buffer("output_scale", torch.tensor(scale))
        widths = [3, *[features] * (convs + 1)]
        layers: list[nn.Module] = []
        for width, following in pairwise(widths):
            layers += [nn.Conv2d(width, following, 3, padding=1), nn.PReLU(following)]
        layers.append(nn.Conv2d(features, 3 * self.shuffle**2, 3, padding=1))
        self.body = nn.Sequential(*layers)
        # PyTorch's default initialisation shrinks the signal in every layer, until the first layers' gradients vanish
        # under Adam's epsilon. PReLU starts with slope 0.25.
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight, a=0.25)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)  # type: ignore[operator]

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: one for each convolution, the first and the last included, and one for the
        bicubic, where there is one."""
        return len(self.body) // 2 + 1 + (self.shuffle != self.scale)

    @property
    def description(self) -> str:
        return f"SRVGGNetCompact, {len(self.body) // 2 - 1} convolutions"

    def forward(self, x: Tensor) -> Tensor:
        # Repeated channels that a pixel shuffle spreads are the nearest-upsampled input, in a third of its time.
        repeated = x.permute(0, 2, 3, 1).repeat_interleave(self.shuffle**2, 3).permute(0, 3, 1, 2)
        x = F.pixel_shuffle(self.body(x) + repeated, self.shuffle)
        if self.shuffle != self.scale:
            x = F.interpolate(x, scale_factor=self.scale / self.shuffle, mode="bicubic")
        return x
