"""Recognise any-style networks by their tensors."""

from __future__ import annotations

import torch
from torch import nn

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_anystyle.network import AnyStyleNetwork, encoder_for

__all__ = ["any_style_network"]


def any_style_network(state: State) -> tuple[nn.Module, State] | None:
    """Return the `AnyStyleNetwork` of these tensors."""
    if "painter.network.mix.conv.weight" not in state or "narrow.weight" not in state:
        return None
    width, _ = conv_shape(state, "painter.network.down2.conv.weight")
    bottleneck = len(state["narrow.weight"])
    if width % 2:
        raise ValueError(f"is {width} channels wide, an odd number")
    blocks = count_layers(state, r"painter\.network\.residuals\.(\d+)\.")
    with torch.device("meta"):
        return AnyStyleNetwork(width, blocks, bottleneck, encoder_for(state)), state
