"""Layers that several of the networks here are built of."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

__all__ = ["Enlarge", "doubled", "mirrored", "silent"]

GROUPS = 4


def mirrored(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """Return a convolution of (N, inputs, H, W), to (N, outputs, H / stride, W / stride), that sees what is inside
    mirrored at the border."""
    return nn.Conv2d(inputs, outputs, side, stride=stride, padding=1, padding_mode="reflect")


def silent(convolution: nn.Conv2d) -> nn.Conv2d:
    """Set all that a convolution has learnt to 0, and return it: what it adds to an image starts with nothing."""
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution


class Enlarge(nn.Module):
    """Two convolutions, and twice the size, whose features a vector scales and shifts.

    Args:
        inputs, outputs: channels; `inputs` a multiple of 4.
        mixed: length of the vector.
        smooth: whether sizes double by interpolation, after the first convolution: less to compute, and no blocks; and
            convolutions see what is inside mirrored at the border, not zeros, which leave a darker edge.
    """

    def __init__(self, inputs: int, outputs: int, mixed: int, smooth: bool = False) -> None:
        super().__init__()
        self.smooth = smooth
        convolution = mirrored if smooth else partial(nn.Conv2d, kernel_size=3, padding=1)
        self.first, self.second = convolution(inputs, outputs), convolution(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.GroupNorm(GROUPS, inputs)
        self.style = nn.Linear(mixed, 2 * inputs)

    def forward(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return (N, outputs, 2 H, 2 W) for (N, inputs, H, W) and vectors (N, mixed)."""
        scale, shift = self.style(mixed)[..., None, None].chunk(2, 1)
        styled = relu(self.norm(x) * (1 + scale) + shift)
        if self.smooth:
            y: Tensor = doubled(self.skip(x)) + self.second(doubled(relu(self.first(styled))))
            return y
        y = _repeated(self.skip(x)) + self.second(relu(self.first(_repeated(styled))))
        return y


def doubled(x: Tensor) -> Tensor:
    """Return (N, C, H, W) at twice the size, by bilinear interpolation."""
    return interpolate(x, scale_factor=2.0, mode="bilinear")


def _repeated(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")
