"""U-Nets: the published one of pix2pix, and our own, which leaves no checkerboard and knows the whole image.

Both normalise by moments that can be measured once and applied to every tile (`imgtk.nn.normalise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import OWN, Chain, Measured, Normalise, NormalisingNetwork, Source

__all__ = ["SmoothUNet", "TransposedUNet", "published_widths", "smooth_widths"]

EPSILON = 1e-3
"""Added to variances in `SmoothUNet`: white paper stays white paper, whatever its rounding errors."""

TINT = 6.0
"""Initial factor, in logits, by which the output of `SmoothUNet` is more colourful than the input."""


def published_widths(width: int = 64, depth: int = 8) -> list[int]:
    """Return the channels of the published U-Net after each of its `depth` strided convolutions."""
    return [width * min(2**level, 8) for level in range(depth)]


def smooth_widths(width: int = 32, depth: int = 5) -> list[int]:
    """Return the channels of `SmoothUNet` at 1/2, 1/4 … 1/2**depth of the resolution; beyond sixfold they only cost
    time."""
    return [width * min(2**level, 6) for level in range(depth)]


class Convolution(Measured):
    """3x3 convolution, normalised, and a ReLU. Zeros go on beyond the border: paper, in a sketch."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm = Normalise(width, epsilon=EPSILON)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return self.norm(self.conv(x), source).relu()


class Overview(Measured):
    """Tells every place what the whole image shows: a perceptron of the moments of all channels is added to them.

    A flat area of a sketch is white, be it sky or snow; only the rest of the image can say which (global features,
    Iizuka et al. 2016, section 3.2). Being moments, they are measured once for all tiles.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * channels, channels)
        self.second = nn.Linear(channels, channels)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        mean, variance = source(x).unbind(1)
        seen = torch.cat([mean, (variance + EPSILON).sqrt()], 1).to(self.first.weight.dtype)
        told: Tensor = self.second(self.first(seen).relu())
        return x + told[..., None, None].to(x.dtype)


class SmoothUNet(NormalisingNetwork):
    """U-Net of 3x3 convolutions that enlarges bilinearly before it convolves, so it leaves no checkerboard (Odena et
    al. 2016). It sees the image as ink on white paper. The output is in float32, within 0..1.

    Normalisation takes away what colour an image is as a whole, so colours also take a way around it (`tint`).

    Args:
        widths: channels at 1/2, 1/4 … of the resolution, one for each level.
        fine: channels at full resolution.
        dropout: share of the features of the deepest level that are dropped in training.

    Shape: (N, 3, H, W), sides multiples of 2 ** len(widths), to the same.
    """

    def __init__(self, widths: Sequence[int], fine: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.widths, self.fine = list(widths), fine
        self.multiple = 2 ** len(widths)
        self.down = nn.ModuleList([Convolution(12, widths[0])])
        self.down.extend(Convolution(wide, wider, 2) for wide, wider in pairwise(widths))
        self.deepest = Convolution(widths[-1], widths[-1])
        self.overview = Overview(widths[-1])
        self.dropout = nn.Dropout2d(dropout)
        shallower = [3, *widths]  # beside what comes from below, each level has what went down there
        ahead = [fine, *widths]
        self.up = nn.ModuleList(
            Convolution(widths[level] + shallower[level], ahead[level]) for level in reversed(range(len(widths)))
        )
        self.out = nn.Conv2d(fine, 3, 3, padding=1)
        self.tint = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():  # gray ink has no effect
            self.tint.weight.copy_(-TINT * (torch.eye(3) - 1 / 3)[..., None, None])

    @property
    def description(self) -> str:
        return f"SmoothUNet, {len(self.widths)} levels of {', '.join(map(str, self.widths))} channels"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels. On the way down each 3x3 convolution sees one pixel of its input's level further;
        so does the one at the deepest. On the way up each enlargement sees one pixel of the level below further,
        each convolution one of its own, and the last one more."""
        down = 3 + sum(2**level for level in range(1, len(self.widths)))
        up = sum(2**level + 2 ** (level + 1) for level in range(len(self.widths)))
        return -(-(down + self.multiple + up + 1) // self.multiple) * self.multiple

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        ink = 1 - x
        passed = [ink]
        x = F.pixel_unshuffle(ink, 2)
        for down in self.down:
            x = down(x, source)
            passed.append(x)
        x = self.dropout(self.overview(self.deepest(passed.pop(), source), source))
        for up in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = up(torch.cat([x, passed.pop().to(x.dtype)], 1), source)
        return torch.sigmoid((self.out(x) + self.tint(ink)).float())


class TransposedUNet(NormalisingNetwork):
    """The generator of pix2pix (Isola et al. 2017, section 6.1.1), tensors named as in pytorch-CycleGAN-and-pix2pix.

    Its batch normalisation sees one image at a time, in training as (there) in use: that is instance normalisation
    with the image's own moments.

    Args:
        widths: channels after each strided convolution, from the outermost.
        affine: whether normalisations have a scale and a shift (those of batch normalisation do).
        dropout: share of the features that are dropped in training in the inner blocks that have eight times the
            width of the first; 0.5 in the paper, which also drops them in use, for diversity. We do not.

    Shape: (N, 3, H, W), sides multiples of 2 ** len(widths), to the same.
    """

    def __init__(self, widths: Sequence[int], affine: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.widths, self.affine = list(widths), affine
        self.multiple = 2 ** len(widths)
        block: _Block | None = None
        for level in reversed(range(len(widths))):
            outer, dropped = widths[max(0, level - 1)], dropout if 4 < level + 1 < len(widths) else 0.0
            block = _Block(outer if level else 3, widths[level], block, affine, dropped, outermost=level == 0)
        assert block is not None
        self.model = block

    @property
    def description(self) -> str:
        return f"TransposedUNet, {len(self.widths)} levels, {self.widths[0]} to {max(self.widths)} channels"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels. On the way down a 4x4 convolution of stride 2 sees two pixels of its input's
        level further; on the way up a transposed one sees one of the level below further."""
        return (
            -(-sum(2**level + 2 ** (level + 1) for level in range(len(self.widths))) // self.multiple) * self.multiple
        )

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        painted: Tensor = self.model(2 * x - 1, source)
        return (painted.float() + 1) / 2


class _Block(Measured):
    """A level: down, what is within, up; beside the result goes what came in, but for the outermost."""

    def __init__(
        self, channels: int, width: int, within: _Block | None, affine: bool, dropout: float, outermost: bool
    ) -> None:
        super().__init__()
        self.outermost = outermost
        down = nn.Conv2d(channels, width, 4, 2, 1, bias=not affine)
        up = nn.ConvTranspose2d(2 * width if within else width, channels, 4, 2, 1, bias=outermost or not affine)
        modules: list[nn.Module] = [down] if outermost else [nn.LeakyReLU(0.2), down]
        if within:
            modules += [within] if outermost else [Normalise(width, affine=affine), within]
        modules += [nn.ReLU(), up, nn.Tanh() if outermost else Normalise(channels, affine=affine)]
        if dropout:
            modules.append(nn.Dropout(dropout))
        self.model = Chain(*modules)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        result: Tensor = self.model(x, source)
        return result if self.outermost else torch.cat([x, result], 1)
