"""Recognise networks that paint and enlarge by the tensors of a checkpoint."""

from __future__ import annotations

from math import isqrt

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_stylizesr.network import StyleUpscaler
from imgtk_stylizesr.plain import PaintingUpscaler

__all__ = ["painting_upscaler", "style_upscaler"]

LAST = "tail.5.weight"


def style_upscaler(state: State) -> tuple[StyleUpscaler, State] | None:
    """Return the StyleUpscaler of these tensors."""
    if "style.down2.conv.weight" not in state or "moments0" not in state:
        return None
    width, _ = conv_shape(state, "style.down2.conv.weight")
    if width % 2:
        raise ValueError(f"is {width} channels wide, an odd number")
    with torch.device("meta"):
        return StyleUpscaler(width, count_layers(state, r"style\.residuals\.(\d+)\.")), state


def painting_upscaler(state: State) -> tuple[PaintingUpscaler, State] | None:
    """Return the PaintingUpscaler of these tensors."""
    if not {"enter.0.weight", "palette.weight", LAST} <= state.keys():
        return None
    out_channels, half = conv_shape(state, LAST)
    shuffled = isqrt(out_channels // 3)
    if 3 * shuffled**2 != out_channels or not 1 <= shuffled <= 8:
        raise ValueError(f"has {out_channels} channels before the pixel shuffle, so its scale is unknown")
    blocks = count_layers(state, r"residuals\.(\d+)\.")
    with torch.device("meta"):
        return PaintingUpscaler(width=2 * half, blocks=blocks, scale=2 * shuffled), state
