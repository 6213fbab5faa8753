"""Recognise painters, and generators of CycleGAN and CUT, by their tensors."""

from __future__ import annotations

import re

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_cyclegan.network import ResnetGenerator
from imgtk_cyclegan.painter import Painter

__all__ = ["painter", "resnet_generator"]

UNUSED = re.compile(r"\.(running_mean|running_var|num_batches_tracked|filt)$")
"""Tensors without use: statistics of instance normalisation in files of PyTorch before 0.4, and CUT's constant blurs.
"""
PLAIN, ANTIALIASED = 10, 12
"""Number of the first residual block: blurs count as layers, too."""


def resnet_generator(state: State) -> tuple[ResnetGenerator, State] | None:
    """Return `ResnetGenerator`, under the names of its two projects, with dropout (whose layers count) or without."""
    first = next((n for n in (PLAIN, ANTIALIASED) if f"model.{n}.conv_block.1.weight" in state), None)
    if first is None or "model.1.weight" not in state:
        return None
    features, channels = conv_shape(state, "model.1.weight")
    if channels != 3:
        raise ValueError(f"takes images of {channels} channels instead of 3")
    if f"model.{first}.conv_block.2.weight" in state:
        raise ValueError("normalises by the statistics of batches instead of those of each image")
    blocks = sum(name.endswith(".conv_block.1.weight") for name in state)
    tensors = {
        name.replace(".conv_block.6.", ".conv_block.5."): tensor
        for name, tensor in state.items()
        if not UNUSED.search(name)
    }
    with torch.device("meta"):
        network = ResnetGenerator(
            features,
            blocks,
            antialias=first == ANTIALIASED,
            skip="skip.weight" in state,
            noise=f"model.{first}.noise.gain" in state,
        )
    return network, tensors


def painter(state: State) -> tuple[Painter, State] | None:
    """Return the `Painter` of these tensors."""
    if "tie.weight" not in state or "style.down2.conv.weight" not in state:
        return None
    width, _ = conv_shape(state, "style.down2.conv.weight")
    if width % 2:
        raise ValueError(f"is {width} channels wide, an odd number")
    with torch.device("meta"):
        return Painter(width, count_layers(state, r"style\.residuals\.(\d+)\.")), state
