"""The feed-forward style network: one pass paints a picture in the one style that the network was trained for.

The plan is that of Johnson et al. 2016 (down, residual blocks, up) with what was learnt since: instance normalisation
(Ulyanov et al. 2017), interpolation before convolutions instead of transposed ones (Odena et al. 2016), and nearly all
work at a quarter of the resolution, so that a megapixel takes about a second on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Source = Callable[[Tensor], Tensor]
"""Where a normalisation has its moments (N, 2, C) from, given what it normalises."""


EPSILON = 1e-3
"""Added to variances: what is as flat as rounding errors stays flat."""


def moments(x: Tensor) -> Tensor:
    """Mean and variance of each channel of (N, C, H, W): (N, 2, C), in float32."""
    values = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # channels last: several times as fast as torch.var_mean
    mean = values.mean(1)
    return torch.stack([mean, ((values * values).mean(1) - mean * mean).clamp_min(0)], 1)


def enlarge(x: Tensor) -> Tensor:
    """Twice the size, bilinearly: smoother than repeated pixels, whose edges shimmer through flat areas."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class Normalise(nn.Module):
    """Instance normalisation with scale and shift per channel, whose moments come from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, source: Source) -> Tensor:
        mean, variance = source(x).unbind(1)
        if len(x) == 1 and not torch.is_grad_enabled():  # moments stay in float32 beside bf16 pixels
            weight, bias = self.weight.float(), self.bias.float()
            return F.batch_norm(x, mean[0], variance[0], weight, bias, eps=EPSILON)
        scale = self.weight * torch.rsqrt(variance + EPSILON)
        shift = self.bias - mean * scale
        return torch.addcmul(shift[..., None, None].to(x.dtype), x, scale[..., None, None].to(x.dtype))


class Convolution(nn.Module):
    """3x3 (or `kernel`) convolution with repeated borders, normalised."""

    def __init__(self, channels: int, width: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, padding_mode="replicate", bias=False)
        self.norm = Normalise(width)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return self.norm(self.conv(x), source)


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels)
        self.second = Convolution(channels, channels)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return x + self.second(self.first(x, source).relu(), source)


class StyleNetwork(nn.Module):
    """Paints pictures (N, 3, H, W), RGB, 0..1, sides multiples of 4; the output has the same size, in
    float32, within 0..1.

    Args:
        width: channels at a quarter of the resolution; half of them at half of it.
        blocks: residual blocks.
    """

    MULTIPLE = 4

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

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> StyleNetwork:
        """The network that `state` is the state of, loaded. Raises KeyError or RuntimeError when there is none."""
        blocks = len({key.split(".")[1] for key in state if key.startswith("residuals.")})
        with torch.device("meta"):  # no random numbers
            network = cls(state["down2.conv.weight"].shape[0], blocks)
        network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
        return network

    @property
    def radius(self) -> int:
        """Receptive radius in pixels, a multiple of `MULTIPLE`: how far an output pixel sees, given the moments."""
        return 16 + 8 * self.blocks

    def forward(self, x: Tensor, source: Source = moments) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        x = self.down1(x, source).relu()
        x = self.down2(x, source).relu()
        for block in self.residuals:
            x = block(x, source)
        x = self.up1(enlarge(x), source).relu()
        x = self.up2(enlarge(x), source).relu()
        return torch.sigmoid(self.out(x).float())

    def measure(self, x: Tensor) -> list[Tensor]:
        """The moments that each normalisation sees in `x`, in order of their use."""
        found: list[Tensor] = []

        def record(value: Tensor) -> Tensor:
            found.append(moments(value))
            return found[-1]

        self(x, record)
        return found

    def apply_moments(self, x: Tensor, measured: Sequence[Tensor]) -> Tensor:
        """Paint `x`, a part of the picture whose moments were `measured`."""
        given = iter(measured)
        return self(x, lambda _: next(given))
