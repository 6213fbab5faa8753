"""PaintingUpscaler told from the tensors of a checkpoint."""

from __future__ import annotations

from math import isqrt

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_stylizesr.network import PaintingUpscaler

__all__ = ["painting_upscaler"]


def painting_upscaler(state: State) -> tuple[PaintingUpscaler, State] | None:
    """PaintingUpscaler, under our own names."""
    if not {"enter.0.weight", "palette.weight", "tail.2.weight"} <= state.keys():
        return None
    out_channels, width = conv_shape(state, "tail.2.weight")
    scale = isqrt(out_channels // 3)
    if 3 * scale**2 != out_channels or not 1 <= scale <= 16:
        raise ValueError(f"has {out_channels} channels before the pixel shuffle, so its scale cannot be told")
    blocks = count_layers(state, r"residuals\.(\d+)\.")
    with torch.device("meta"):
        return PaintingUpscaler(width=width, blocks=blocks, scale=scale), state
