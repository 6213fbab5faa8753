"""Recognise RRDBNet and SRVGGNetCompact by the tensors of a checkpoint.

RRDBNet is found under three public namings, each of which is a table of substitutions to ours (BasicSR's): old ESRGAN
(2018), the ESRGAN repository and BSRGAN, BasicSR and Real-ESRGAN. In files of ncnn both are recognised by what the
network computes (`imgtk_esrgan.ncnn`).
"""

from __future__ import annotations

import re
from math import isqrt

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers, renamed
from imgtk.weights.ncnn import NcnnState
from imgtk_esrgan.ncnn import compact_state, rrdb_state
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

__all__ = ["compact", "rrdb"]

ESRGAN_REPOSITORY = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)

OLD_ESRGAN = (
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
)


def rrdb(state: State) -> tuple[RRDBNet, State] | None:
    """Return the RRDBNet of these tensors, under any of its namings."""
    named = rrdb_state(state) if isinstance(state, NcnnState) else _to_basicsr(state)
    if named is None:
        return None
    state = named
    if not any(name.startswith("body.0.rdb1.") for name in state):
        return None
    features, channels = conv_shape(state, "conv_first.weight")
    out_channels, _ = conv_shape(state, "conv_last.weight")
    growth, _ = conv_shape(state, "body.0.rdb1.conv1.weight")
    unshuffle = {3: 1, 12: 2, 48: 4}.get(channels)
    if unshuffle is None or out_channels != 3:
        raise ValueError(f"takes {channels} channels and gives {out_channels}; only RGB networks can be used")
    steps = len({name for name in state if re.fullmatch(r"conv_up\d+\.weight", name)})
    scale, rest = divmod(2**steps, unshuffle)
    if rest or steps > 4:
        raise ValueError(f"has {steps} upsampling steps and {channels} input channels, so its scale is unknown")
    blocks = count_layers(state, r"body\.(\d+)\.")
    with torch.device("meta"):
        return RRDBNet(features=features, blocks=blocks, growth=growth, scale=scale, unshuffle=unshuffle), state


def _to_basicsr(state: State) -> State:
    """Return the state dict in BasicSR's names. Names that no table knows stay, and are then found to be left over."""
    if "RRDB_trunk.0.RDB1.conv1.weight" in state:
        return renamed(state, ESRGAN_REPOSITORY)
    if "model.1.sub.0.RDB1.conv1.0.weight" in state:
        # After the trunk come steps of (upsampling, convolution, activation) from index 2 on, then two convolutions
        # with an activation between: their indices follow from the last one.
        last = max(int(found[1]) for name in state if (found := re.match(r"model\.(\d{1,3})\.", name)))
        tail = {index: f"conv_up{index // 3}." for index in range(3, last - 2, 3)}
        tail |= {last - 2: "conv_hr.", last: "conv_last."}
        return renamed(state, (*OLD_ESRGAN, *((rf"^model\.{index}\.", name) for index, name in tail.items())))
    return state


def compact(state: State) -> tuple[SRVGGNetCompact, State] | None:
    """Return the SRVGGNetCompact of these tensors, a plain numbered stack."""
    named = compact_state(state) if isinstance(state, NcnnState) else state
    if named is None or "body.0.weight" not in named:
        return None
    state = named
    layers = count_layers(state, r"body\.(\d+)\.")
    features, channels = conv_shape(state, "body.0.weight")
    out_channels, _ = conv_shape(state, f"body.{layers - 1}.weight")
    shuffle = isqrt(out_channels // 3)
    if channels != 3 or 3 * shuffle**2 != out_channels or not 1 <= shuffle <= 16:
        raise ValueError(
            f"takes {channels} channels and has {out_channels} before the pixel shuffle, so its scale is unknown"
        )
    if layers < 3 or layers % 2 == 0:
        raise ValueError(f"has {layers} layers, which is not a stack of convolutions with PReLU between")
    scale = int(state["output_scale"]) if "output_scale" in state else shuffle
    if not 1 <= scale <= shuffle:
        raise ValueError(f"shuffles to x{shuffle}, and then says that its scale is {scale}")
    with torch.device("meta"):
        return SRVGGNetCompact(features=features, convs=(layers - 3) // 2, scale=scale, shuffle=shuffle), state
