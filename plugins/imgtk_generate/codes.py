"""Codes of which networks make images: of seeds, from files, and between others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from imgtk.errors import ParameterError, ReadError

__all__ = ["between", "check_frames", "distribution", "drawn", "load_codes", "mixed"]

MOST = 1024
"""Codes that a file may hold."""


def drawn(seeds: Sequence[int], length: int) -> Tensor:
    """Return a standard normal code for each seed, (N, length)."""
    return torch.stack([torch.randn(length, generator=Generator().manual_seed(seed)) for seed in seeds])


def distribution(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (length,) and a square root of the covariance (length, length) of codes (N, length), in
    float64."""
    codes = codes.double()
    centre = codes.mean(0)
    values, axes = torch.linalg.eigh((codes - centre).T @ (codes - centre) / len(codes))
    return centre, axes * values.clamp_min(1e-8).sqrt()


def load_codes(file: Path, length: int) -> Tensor:
    """Return the codes in a NumPy file, (N, length): a code a row, or only one.

    Raises:
        ReadError: it cannot be read, or holds something else.
    """
    hint = f"It must hold numbers in rows of {length}, as numpy.save writes them."
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise ReadError(f"cannot read {file}: {error.strerror or 'it is no .npy file'}", hint=hint) from None
    except (ValueError, EOFError):
        raise ReadError(f"cannot read {file}: it is no .npy file", hint=hint) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise ReadError(f"{file} holds no codes", hint=hint)
    codes = np.atleast_2d(array)
    if codes.shape[1] != length:
        raise ReadError(f"{file} holds codes of {codes.shape[1]} numbers, and the network takes {length}", hint=hint)
    if not 1 <= len(codes) <= MOST:
        raise ReadError(f"{file} holds {len(codes)} codes", hint=f"There must be 1 to {MOST}.")
    with np.errstate(over="ignore"):
        found = torch.from_numpy(codes.astype(np.float32))
    if not found.isfinite().all():
        raise ReadError(f"{file} holds numbers that are not finite")
    return found


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
