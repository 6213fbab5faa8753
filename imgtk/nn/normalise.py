"""Instance normalisation whose moments may come from outside, so that all tiles of an image are normalised alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Chain", "LayerNormalise", "Measured", "Normalise", "NormalisingNetwork", "Source", "moments", "normalised"]

Source = Callable[[Tensor], Tensor]
"""Where a normalisation has its moments (N, 2, C) from, given what it normalises."""


def moments(x: Tensor) -> Tensor:
    """Mean and variance of each channel of (N, C, H, W): (N, 2, C), in float32."""
    values = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # channels last: several times as fast as torch.var_mean
    mean = values.mean(1)
    return torch.stack([mean, ((values * values).mean(1) - mean * mean).clamp_min(0)], 1)


def normalised(
    x: Tensor, measured: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, epsilon: float = 1e-5
) -> Tensor:
    """(N, C, H, W) with mean 0 and variance 1, if its moments (N, 2, C) are `measured`, times weight plus bias.

    Args:
        weight, bias: one number per channel (C,), or also per image (N, C).
        epsilon: added to variances.
    """
    mean, variance = measured.unbind(1)
    if len(x) == 1 and not torch.is_grad_enabled():  # moments stay in float32 beside bf16 pixels
        weight, bias = (None if values is None else values.float().flatten() for values in (weight, bias))
        return F.batch_norm(x, mean[0], variance[0], weight, bias, eps=epsilon)
    scale = torch.rsqrt(variance + epsilon)
    if weight is not None:
        scale = weight * scale
    shift = -mean * scale
    if bias is not None:
        shift = bias + shift
    return torch.addcmul(shift[..., None, None].to(x.dtype), x, scale[..., None, None].to(x.dtype))


class Measured(nn.Module):
    """A module that is called with images or features (N, C, H, W) and the source of moments."""


class Normalise(Measured):
    """Instance normalisation (Ulyanov et al. 2017); its state dict is that of `torch.nn.InstanceNorm2d`.

    Args:
        channels: of its input.
        affine: whether it has a learned scale and shift per channel.
        epsilon: added to variances.
    """

    def __init__(self, channels: int, *, affine: bool = True, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor, source: Source = moments) -> Tensor:
        return normalised(x, source(x), self.weight, self.bias, epsilon=self.epsilon)


class LayerNormalise(Normalise):
    """Layer normalisation (Ba et al. 2016) over all channels and positions, with a scale and shift per channel.

    The moments of all channels together follow from those of each, so it takes them from the same source.
    """

    def forward(self, x: Tensor, source: Source = moments) -> Tensor:
        means, variances = source(x).unbind(1)
        mean = means.mean(1, keepdim=True)
        variance = (variances + (means - mean).square()).mean(1, keepdim=True)
        together = torch.stack([mean, variance], 1).repeat(1, 1, x.shape[1])
        return normalised(x, together, self.weight, self.bias, epsilon=self.epsilon)


class Chain(nn.Sequential, Measured):
    """Modules one after the other; those that are `Measured` are handed the source."""

    def forward(self, x: Tensor, source: Source = moments) -> Tensor:
        for module in self:
            x = module(x, source) if isinstance(module, Measured) else module(x)
        return x


class NormalisingNetwork(Measured):
    """A network from images to images (N, 3, H, W) of the same size, RGB, 0..1, with instance normalisation.

    Attributes:
        multiple: what the sides must be multiples of.
        radius: how far in pixels an output pixel sees, given the moments; a multiple of `multiple`.
        description: class and size in a few words.
    """

    multiple: int = 1

    @property
    def radius(self) -> int:
        raise NotImplementedError

    @property
    def description(self) -> str:
        return type(self).__name__

    def measure(self, x: Tensor) -> list[Tensor]:
        """The moments that each normalisation sees in `x`, in order of their use."""
        found: list[Tensor] = []

        def record(value: Tensor) -> Tensor:
            found.append(moments(value))
            return found[-1]

        self(x, record)
        return found

    def apply_moments(self, x: Tensor, measured: Sequence[Tensor]) -> Tensor:
        """The output for `x`, a part of the image whose moments were `measured`."""
        given = iter(measured)
        output: Tensor = self(x, lambda _: next(given))
        return output
