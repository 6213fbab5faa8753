"""PaintingUpscaler told from the tensors of a checkpoint."""

from __future__ import annotations

from math import isqrt

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_stylizesr.network import PaintingUpscaler

__all__ = ["painting_upscaler"]


def painting_upscaler(state: State) -> tuple[PaintingUpscaler, State] | None:
    """PaintingUpscaler, under our own names."""
    if not {"down.0.weight", "up.weight", "tail.2.weight"} <= state.keys():
        return None
    features, width = conv_shape(state, "up.weight")
    out_channels, _ = conv_shape(state, "tail.2.weight")
    scale = isqrt(out_channels // 3)
    if 3 * scale**2 != out_channels or not 1 <= scale <= 16:
        raise ValueError(f"has {out_channels} channels before the pixel shuffle, so its scale cannot be told")
    blocks = count_layers(state, r"residuals\.(\d+)\.")
    with torch.device("meta"):
        return PaintingUpscaler(features=features, width=width, blocks=blocks, scale=scale), state
