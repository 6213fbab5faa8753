"""Recognise UNIT by the tensors of a checkpoint: our own files, and the authors'."""

from __future__ import annotations

import re

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers, renamed
from imgtk_unit.network import UNIT

__all__ = ["unit"]

NAMES = {"a": "photo", "b": "painting"}
"""Domains, as the authors call them and as we do."""

STATISTICS = re.compile(r"\.norm\.running_(mean|var)$")
"""Instance normalisation of old versions of torch kept them; they are not used."""


def unit(state: State) -> tuple[UNIT, State] | None:
    """Return the `UNIT` of these tensors. Of the authors' files, those are recognised that hold both networks, as a and
    b."""
    if "a.dec.model.0.model.0.model.0.conv.weight" in state:
        if "a.mlp.model.0.fc.weight" in state:
            raise ValueError("is a MUNIT, whose decoders also need a style")
        state = _under_our_names(state)
    if "photo.encoder.0.conv.weight" not in state or "painting.encoder.0.conv.weight" not in state:
        return None
    width, _ = conv_shape(state, "photo.encoder.0.conv.weight")
    halving = count_layers(state, r"photo\.encoder\.(\d+)\.conv\.") - 1
    layers = count_layers(state, r"photo\.encoder\.(\d+)\.")
    shared = count_layers(state, r"encoder\.(\d+)\.")
    published = "photo.encoder.0.norm.weight" not in state
    noise = any(name.endswith(".noise.gain") for name in state)
    if noise and halving != 2:
        raise ValueError("adds noise, but not at a quarter of the resolution")
    with torch.device("meta"):
        return UNIT(width, halving, layers - halving - 1, shared, published, noise), state


def _under_our_names(state: State) -> State:
    """Return the authors' tensors. They nest what we count through: the residual blocks are one layer, and so is
    enlarging."""
    downs = count_layers(state, r"a\.enc\.model\.(\d+)\.conv\.weight") - 1
    blocks = count_layers(state, r"a\.dec\.model\.0\.model\.(\d+)\.")
    table = []
    for theirs, ours in NAMES.items():
        for half, first in (("enc", downs + 1), ("dec", 0)):
            coder = "encoder" if half == "enc" else "decoder"
            for block in range(blocks):
                inner = rf"^{theirs}\.{half}\.model\.{first}\.model\.{block}\.model"
                place = f"{ours}.{coder}.{block + first}"
                table += [(rf"{inner}\.0\.conv\.", f"{place}.first."), (rf"{inner}\.1\.conv\.", f"{place}.second.")]
        for level in range(downs):
            place = f"{ours}.decoder.{blocks + level}"
            before = rf"^{theirs}\.dec\.model\.{2 * level + 2}"
            table += [(rf"{before}\.conv\.", f"{place}.conv.")]
            table += [(rf"{before}\.norm\.gamma$", f"{place}.norm.weight")]
            table += [(rf"{before}\.norm\.beta$", f"{place}.norm.bias")]
        table += [(rf"^{theirs}\.dec\.model\.{2 * downs + 1}\.conv\.", f"{ours}.decoder.{blocks + downs}.")]
        table += [(rf"^{theirs}\.enc\.model\.(\d+)\.conv\.", rf"{ours}.encoder.\1.conv.")]
    return renamed({name: value for name, value in state.items() if not STATISTICS.search(name)}, table)
