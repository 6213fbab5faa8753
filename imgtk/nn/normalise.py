"""Instance normalisation whose moments may come from outside, so that all tiles of an image are normalised alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.geometry import Box
from imgtk.nn.noise import COARSE_CHANNELS, COARSE_STEP, Noise, noise_in

__all__ = [
    "OWN",
    "AddNoise",
    "Chain",
    "LayerNormalise",
    "Measured",
    "Normalise",
    "NormalisingNetwork",
    "Source",
    "moments",
    "normalised",
]


def moments(x: Tensor) -> Tensor:
    """Return the mean and variance of each channel of (N, C, H, W): (N, 2, C), in float32."""
    values = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # channels last: several times as fast as torch.var_mean
    mean = values.mean(1)
    return torch.stack([mean, ((values * values).mean(1) - mean * mean).clamp_min(0)], 1)


def normalised(
    x: Tensor, measured: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, epsilon: float = 1e-5
) -> Tensor:
    """Return (N, C, H, W) with mean 0 and variance 1, if its moments (N, 2, C) are `measured`, times weight plus bias.

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


class Source:
    """Values that layers take from elsewhere than their input.

    Args:
        moments: returns the moments (N, 2, C) by which a layer normalises, given its input.
        noise: for the region that the network sees; None if the network takes none, or is to use that of an image which
            starts at the origin.
        affine: returns scale and shift, each (N, C), of one normalisation after the other; None if each has its own.
    """

    def __init__(
        self,
        moments: Callable[[Tensor], Tensor] = moments,
        noise: Noise | None = None,
        affine: Callable[[], tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        self.moments, self.noise, self.affine = moments, noise, affine

    def __call__(self, x: Tensor) -> Tensor:
        return self.moments(x)


OWN = Source()
"""Each layer normalises by the moments of its own input."""


class Measured(nn.Module):
    """A module that is called with images or features (N, C, H, W) and a `Source`."""


class AddNoise(Measured):
    """Add noise times a learned gain per channel (Karras et al. 2019, section 3.2).

    Args:
        channels: of its input.
        scale: pixels of the image per pixel of its input, across and down.
        layer: which of scale ** 2 independent fields of white noise it takes.
        coarse: add coarse noise, too; for a scale of `COARSE_STEP`.
    """

    def __init__(self, channels: int, scale: int, layer: int, *, coarse: bool = False) -> None:
        super().__init__()
        assert not coarse or scale == COARSE_STEP, "coarse noise has one resolution"
        self.scale, self.layer = scale, layer
        self.gain = nn.Parameter(torch.full((channels,), 0.1))
        self.coarse = nn.Conv2d(COARSE_CHANNELS, channels, 1, bias=False) if coarse else None
        if self.coarse is not None:
            nn.init.normal_(self.coarse.weight, std=0.05)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        noise = source.noise
        assert noise is not None, "networks with AddNoise call `sourced` first"
        white = noise.white_at(self.scale, self.layer).to(x.dtype)
        y = _outer_added(x, white, self.gain.to(x.dtype))
        return y if self.coarse is None else y + self.coarse(noise.coarse.to(x.dtype))


def _outer_added(x: Tensor, plane: Tensor, gain: Tensor) -> Tensor:
    """Return `x` (N, C, H, W) plus `plane` (1 or N, 1, H, W) times `gain` (C,).

    As a product of matrices, which for channels last takes a sixth of the time of broadcasting. ONNX models broadcast.
    """
    if torch.jit.is_tracing():
        return torch.addcmul(x, gain[:, None, None], plane)
    rows = x.permute(0, 2, 3, 1)
    amounts = plane.expand(x.shape[0], -1, -1, -1).reshape(-1, 1)
    return torch.addmm(rows.flatten(0, 2), amounts, gain[None]).view(rows.shape).permute(0, 3, 1, 2)


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

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        weight, bias = (self.weight, self.bias) if source.affine is None else source.affine()
        return normalised(x, source(x), weight, bias, epsilon=self.epsilon)


class LayerNormalise(Normalise):
    """Layer normalisation (Ba et al. 2016) over all channels and positions, with a scale and shift per channel.

    The moments of all channels together follow from those of each, so it takes them from the same source.
    """

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        means, variances = source(x).unbind(1)
        mean = means.mean(1, keepdim=True)
        variance = (variances + (means - mean).square()).mean(1, keepdim=True)
        together = torch.stack([mean, variance], 1).repeat(1, 1, x.shape[1])
        return normalised(x, together, self.weight, self.bias, epsilon=self.epsilon)


class Chain(nn.Sequential, Measured):
    """Modules one after the other; those that are `Measured` are handed the source."""

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        for module in self:
            x = module(x, source) if isinstance(module, Measured) else module(x)
        return x


class NormalisingNetwork(Measured):
    """A network from images to images (N, 3, H, W) of the same size, RGB, 0..1, with instance normalisation.

    Attributes:
        multiple: what the sides must be multiples of.
        radius: how far in pixels an output pixel sees, given the moments; a multiple of `multiple`.
        description: class and size in a few words.
        noisy: whether it takes noise.
    """

    multiple: int = 1
    noisy: bool = False

    @property
    def radius(self) -> int:
        raise NotImplementedError

    @property
    def description(self) -> str:
        return type(self).__name__

    def sourced(self, source: Source, x: Tensor) -> Source:
        """Return `source` with the noise of an image that starts at the origin, if it has none and the network needs
        it."""
        if not self.noisy or source.noise is not None:
            return source
        height, width = x.shape[2:]
        noise = noise_in(Box(0, 0, width, height)).to(x.device, x.dtype)
        return Source(source.moments, noise, source.affine)

    def further_inputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return what the network takes beside an image `x` that starts at the origin, by the names of ONNX inputs."""
        noise = self.sourced(OWN, x).noise
        return {} if noise is None else noise.named()

    def with_inputs(self, x: Tensor, white: Tensor, coarse: Tensor) -> Tensor:
        """Return the output for `x`, given its `further_inputs`."""
        output: Tensor = self(x, Source(noise=Noise(white, coarse)))
        return output

    def measure(self, x: Tensor, noise: Noise | None = None) -> list[Tensor]:
        """Return the moments that each normalisation sees in `x`, in order of their use."""
        found: list[Tensor] = []

        def record(value: Tensor) -> Tensor:
            found.append(moments(value))
            return found[-1]

        self(x, Source(record, noise))
        return found

    def apply_moments(self, x: Tensor, measured: Sequence[Tensor], noise: Noise | None = None) -> Tensor:
        """Return the output for `x`, a part of the image whose moments were `measured`; `noise` is that of the part."""
        given = iter(measured)
        output: Tensor = self(x, Source(lambda _: next(given), noise))
        return output
