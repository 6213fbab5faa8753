"""Recognise style networks by their tensors."""

from __future__ import annotations

import re

import torch
from torch import nn

from imgtk.painting.network import StyleNetwork
from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_gramstyle.network import PlainStyleNetwork
from imgtk_gramstyle.transformer import TransformerNet

__all__ = ["style_network", "transformer_net"]

RUNNING = re.compile(r"(.*\.)?in\d+\.(running_mean|running_var|num_batches_tracked)")
"""Tensors of instance normalisations in files of old versions of PyTorch, which mean nothing."""


def style_network(state: State) -> tuple[nn.Module, State] | None:
    """Return the `StyleNetwork` of these tensors, or the `PlainStyleNetwork` of earlier versions."""
    if "down1.conv.weight" not in state or "residuals.0.first.conv.weight" not in state:
        return None
    width, _ = conv_shape(state, "down2.conv.weight")
    if width % 2:
        raise ValueError(f"is {width} channels wide, an odd number")
    kind = StyleNetwork if "mix.conv.weight" in state else PlainStyleNetwork
    with torch.device("meta"):
        return kind(width, count_layers(state, r"residuals\.(\d+)\.")), state


def transformer_net(state: State) -> tuple[nn.Module, State] | None:
    """Return the `TransformerNet` of these tensors, as PyTorch's example of fast neural style saves it."""
    if "conv1.conv2d.weight" not in state or "deconv3.conv2d.weight" not in state:
        return None
    with torch.device("meta"):
        return TransformerNet(), {name: value for name, value in state.items() if not RUNNING.fullmatch(name)}
