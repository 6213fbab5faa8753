"""The networks told from the tensors of a checkpoint."""

from __future__ import annotations

import torch

from imgtk.weights.architecture import State, conv_shape
from imgtk_generate.glyph_network import GlyphVAE

__all__ = ["glyph"]


def glyph(state: State) -> tuple[GlyphVAE, State] | None:
    """`GlyphVAE`, of any width and size of styles."""
    if "character.weight" not in state or "spread" not in state:
        return None
    width, _ = conv_shape(state, "encoder.0.weight")
    with torch.device("meta"):
        return GlyphVAE(width, len(state["centre"])), state
