"""`RestorationNet`, `InpaintNet` and `ColouriseNet` told from the tensors of a checkpoint."""

from __future__ import annotations

import re

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_restore.colour_network import ColouriseNet
from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.network import RestorationNet

__all__ = ["colouriser", "inpainting", "restoration"]


def restoration(state: State) -> tuple[RestorationNet, State] | None:
    """Recognise a `RestorationNet`, of any widths."""
    if "head.weight" not in state or "encoder.0.0.first.weight" not in state or "tail.weight" not in state:
        return None
    if "inner.0.gate.weight" in state:  # an `InpaintNet`
        return None
    levels = count_layers(state, r"encoder\.(\d+)\.")
    widths = [conv_shape(state, f"encoder.{level}.0.first.weight")[0] for level in range(levels)]
    blocks = [count_layers(state, rf"encoder\.{level}\.(\d+)\.") for level in range(levels)]
    with torch.device("meta"):
        return RestorationNet(widths, blocks), state


def inpainting(state: State) -> tuple[InpaintNet, State] | None:
    """Recognise an `InpaintNet`, of any widths."""
    if "head.weight" not in state or "inner.0.gate.weight" not in state or "tail.weight" not in state:
        return None
    levels = count_layers(state, r"encoder\.(\d+)\.")
    outer = [f"encoder.{level}" for level in range(levels)]
    widths = [conv_shape(state, f"{part}.0.first.weight")[0] for part in (*outer, "inner")]
    blocks = [count_layers(state, rf"{re.escape(part)}\.(\d+)\.") for part in (*outer, "inner")]
    with torch.device("meta"):
        return InpaintNet(widths, blocks), state


def colouriser(state: State) -> tuple[ColouriseNet, State] | None:
    """Recognise a `ColouriseNet`, of any width."""
    if not {"deep.weight", "eighth.weight", "height", "around.0.weight"} <= state.keys():
        return None
    with torch.device("meta"):
        return ColouriseNet(conv_shape(state, "deep.weight")[0]), state
