"""Codes of which networks make images: of seeds, and between others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from imgtk.errors import ParameterError

__all__ = ["between", "check_frames", "drawn", "mixed"]


def drawn(seeds: Sequence[int], length: int) -> Tensor:
    """Return a standard normal code for each seed, (N, length)."""
    return torch.stack([torch.randn(length, generator=Generator().manual_seed(seed)) for seed in seeds])


def check_frames(seeds: Sequence[int], frames: int) -> None:
    """Raise ParameterError unless a clip of that many frames can lead through the images of the seeds."""
    if not 2 <= len(seeds) <= frames:
        plural = "s" if len(seeds) > 1 else ""
        raise ParameterError(
            f"frames={frames} cannot lead through {len(seeds)} seed{plural}", hint="For example: seed=1..8 frames=96"
        )


def mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return what lies between codes (N, length): `one` at a `share` of 0, `other` at 1.

    It is as long as codes are: the mean of two independent ones would be nearer to the mean of all.
    """
    return torch.lerp(one, other, share) / (share**2 + (1 - share) ** 2) ** 0.5


def between(codes: Tensor, frame: int, frames: int) -> Tensor:
    """Return the code (1, length) of a frame of a clip that leads through codes (N, length) in order.

    Args:
        codes: the first is that of the first frame, the last that of the last.
        frame: 0 to `frames` - 1.
        frames: of the clip.
    """
    place = frame * (len(codes) - 1) / max(1, frames - 1)
    before = min(int(place), len(codes) - 2) if len(codes) > 1 else 0
    ends = codes[before : before + 2]
    return mixed(ends[:1], ends[-1:], place - before)
