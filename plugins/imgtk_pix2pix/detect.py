"""Recognise U-Nets by their tensors."""

from __future__ import annotations

import re

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet

__all__ = ["smooth", "transposed"]

STATISTICS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


def smooth(state: State) -> tuple[SmoothUNet, State] | None:
    """Return the `SmoothUNet` of these tensors."""
    if "down.0.conv.weight" not in state or "overview.first.weight" not in state:
        return None
    widths = [
        conv_shape(state, f"down.{level}.conv.weight")[0] for level in range(count_layers(state, r"down\.(\d+)\."))
    ]
    fine, _ = conv_shape(state, f"up.{len(widths) - 1}.conv.weight")
    with torch.device("meta"):
        return SmoothUNet(widths, fine), state


def transposed(state: State) -> tuple[TransposedUNet, State] | None:
    """Return the published U-Net of any depth and width. Running statistics are left out: see `TransposedUNet`."""
    if "model.model.0.weight" not in state or "model.model.1.model.1.weight" not in state:
        return None
    name = "model.model"
    channels = conv_shape(state, f"{name}.0.weight")[1]
    widths = [conv_shape(state, f"{name}.0.weight")[0]]
    painted = conv_shape(state, f"{name}.3.weight")[1]
    if (channels, painted) != (3, 3):
        raise ValueError(f"makes {painted} channels of {channels}, and images have 3")
    name += ".1.model"
    while f"{name}.1.weight" in state:
        widths.append(conv_shape(state, f"{name}.1.weight")[0])
        name += ".3.model"
    affine = "model.model.1.model.1.bias" not in state
    with torch.device("meta"):
        network = TransposedUNet(widths, affine)
    return network, {key: value for key, value in state.items() if not STATISTICS.search(key)}
