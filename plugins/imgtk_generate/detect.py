"""The networks told from the tensors of a checkpoint."""

from __future__ import annotations

import torch

from imgtk.weights.architecture import State, conv_shape
from imgtk_generate.glyph_network import GlyphVAE
from imgtk_generate.vae_network import SceneVAE, SceneVAEGAN

__all__ = ["glyph", "scene_vae", "scene_vaegan"]


def glyph(state: State) -> tuple[GlyphVAE, State] | None:
    """`GlyphVAE`, of any width and size of styles."""
    if "character.weight" not in state or "spread" not in state:
        return None
    width, _ = conv_shape(state, "encoder.0.weight")
    with torch.device("meta"):
        return GlyphVAE(width, len(state["centre"])), state


def scene_vae(state: State) -> tuple[SceneVAE, State] | None:
    """`SceneVAE`, of any width and size of codes, with or without grain and a finer stage."""
    if "moments.weight" not in state or "decoder.mixer.0.weight" not in state:
        return None
    with torch.device("meta"):
        grain, finer = "decoder.grain.0.gains.weight" in state, "decoder.finer.last.weight" in state
        return SceneVAE(*_shape(state, "decoder."), grain, finer), state


def scene_vaegan(state: State) -> tuple[SceneVAEGAN, State] | None:
    """`SceneVAEGAN`, of any width and size of codes."""
    if "refiner.first.weight" not in state or "vae.moments.weight" not in state:
        return None
    features, _ = conv_shape(state, "refiner.first.weight")
    with torch.device("meta"):
        return SceneVAEGAN(*_shape(state, "vae.decoder."), features), state


def _shape(state: State, prefix: str) -> tuple[int, int]:
    """Return width and length of codes of a `SceneGenerator`."""
    _, width = conv_shape(state, f"{prefix}last.weight")
    return width, state[f"{prefix}mixer.0.weight"].shape[1]
