"""`RestorationNet` told from the tensors of a checkpoint."""

from __future__ import annotations

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers
from imgtk_restore.network import RestorationNet

__all__ = ["restoration"]


def restoration(state: State) -> tuple[RestorationNet, State] | None:
    """Recognise a `RestorationNet`, of any widths."""
    if "head.weight" not in state or "encoder.0.0.first.weight" not in state or "tail.weight" not in state:
        return None
    levels = count_layers(state, r"encoder\.(\d+)\.")
    widths = [conv_shape(state, f"encoder.{level}.0.first.weight")[0] for level in range(levels)]
    blocks = [count_layers(state, rf"encoder\.{level}\.(\d+)\.") for level in range(levels)]
    with torch.device("meta"):
        return RestorationNet(widths, blocks), state
