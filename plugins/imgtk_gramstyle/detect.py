"""Telling style networks from their tensors."""

from __future__ import annotations

import torch
from torch import nn

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_gramstyle.network import StyleNetwork

__all__ = ["style_network"]


def style_network(state: State) -> tuple[nn.Module, State] | None:
    """`StyleNetwork`."""
    if "down1.conv.weight" not in state or "residuals.0.first.conv.weight" not in state:
        return None
    width, _ = conv_shape(state, "down2.conv.weight")
    if width % 2:
        raise ValueError(f"is {width} channels wide, an odd number")
    with torch.device("meta"):
        return StyleNetwork(width, count_layers(state, r"residuals\.(\d+)\.")), state
