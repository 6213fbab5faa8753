"""Layers that several of the networks here are built of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

__all__ = ["Enlarge"]

GROUPS = 4


class Enlarge(nn.Module):
    """Two convolutions, and twice the size, whose features a vector scales and shifts.

    Args:
        inputs, outputs: channels; `inputs` a multiple of 4.
        mixed: length of the vector.
        smooth: whether sizes double by interpolation, after the first convolution: less to compute, and no blocks.
    """

    def __init__(self, inputs: int, outputs: int, mixed: int, smooth: bool = False) -> None:
        super().__init__()
        self.smooth = smooth
        self.first, self.second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.GroupNorm(GROUPS, inputs)
        self.style = nn.Linear(mixed, 2 * inputs)

    def forward(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return (N, outputs, 2 H, 2 W) for (N, inputs, H, W) and vectors (N, mixed)."""
        scale, shift = self.style(mixed)[..., None, None].chunk(2, 1)
        styled = relu(self.norm(x) * (1 + scale) + shift)
        changed = self._doubled(relu(self.first(styled))) if self.smooth else relu(self.first(self._doubled(styled)))
        y: Tensor = self._doubled(self.skip(x)) + self.second(changed)
        return y

    def _doubled(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2.0, mode="bilinear" if self.smooth else "nearest")
