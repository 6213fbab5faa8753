"""Images generated for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.geometry import Size
from imgtk.nn.resample import resample


def sample_image(width: int, height: int, *, seed: int = 0, gray: bool = False) -> Tensor:
    """Return a synthetic image, (1, 3, height, width), float32, 0..1: large soft shapes, hard edges, and fine grain.

    Args:
        seed: the same seed gives the same image.
        gray: the three channels are equal.
    """
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if gray else 3
    soft = resample(torch.rand(1, channels, 4, 4, generator=generator), Size(width, height))
    hard = resample(torch.rand(1, channels, 3, 5, generator=generator), Size(width, height), kernel="nearest")
    grain = torch.rand(1, channels, height, width, generator=generator)
    mixed = (0.5 * soft + 0.4 * hard + 0.1 * grain).clamp(0, 1)
    return mixed.expand(1, 3, height, width).contiguous(memory_format=torch.channels_last)
