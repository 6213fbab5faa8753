"""How a painted picture and the picture that it was painted from are put together."""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.nn.colour import luma


def finish(painted: Tensor, original: Tensor, strength: float, keep_colour: bool) -> Tensor:
    """The result of a style operator. All pictures are (N, 3, H, W), RGB, 0..1.

    Args:
        strength: 0 gives `original`, 1 gives `painted`.
        keep_colour: add only the difference in luma to the original, so that its colours stay.
    """
    original = original.to(painted.dtype)
    if keep_colour:
        change = luma(painted) - luma(original)
        painted = (original + change).clamp(0, 1)
    return painted if strength == 1 else torch.lerp(original, painted, strength)
