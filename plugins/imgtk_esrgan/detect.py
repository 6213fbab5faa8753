"""From the tensors of a checkpoint to the network they belong to: architecture and parameters are read off the tensors.

RRDBNet is found under three public namings, each of which is a table of substitutions to ours (BasicSR's):
old ESRGAN (2018), the ESRGAN repository and BSRGAN, BasicSR and Real-ESRGAN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from imgtk.errors import WeightsError
from imgtk.weights import read_state
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

__all__ = ["build", "load"]

Network = RRDBNet | SRVGGNetCompact
State = Mapping[str, Tensor]

KNOWN = "Known are RRDBNet (ESRGAN, BSRGAN, Real-ESRGAN) and SRVGGNetCompact (Real-ESRGAN's compact models)."

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


def load(path: str | Path) -> Network:
    """The network in a checkpoint, on the CPU, in the file's dtype, ready for inference.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `build`.
    """
    return build(read_state(path), str(path))


def build(state: State, source: str = "the checkpoint") -> Network:
    """The network that a state dict belongs to, with its tensors in it.

    Args:
        state: tensors by name, in any of the known layouts.
        source: what messages call it.

    Raises:
        WeightsError: the architecture is unknown, its scale cannot be told, or tensors are missing, left over or of
            the wrong shape.
    """
    try:
        if "body.0.weight" in state:
            network: Network = _compact(state)
        else:
            state = _to_basicsr(state)
            network = _rrdb(state)
    except (KeyError, IndexError):
        names = ", ".join(sorted(state)[:4])
        raise WeightsError(
            f"{source}: the architecture is not known; its {len(state)} tensors begin with {names}", hint=KNOWN
        ) from None
    except ValueError as error:
        raise WeightsError(f"{source}: {error}", hint=KNOWN) from None
    _compare(network, state, source)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _to_basicsr(state: State) -> State:
    """The state dict in BasicSR's names. Names that no table knows stay, and are then found to be left over."""
    if "RRDB_trunk.0.RDB1.conv1.weight" in state:
        return _rename(state, ESRGAN_REPOSITORY)
    if "model.1.sub.0.RDB1.conv1.0.weight" in state:
        # After the trunk come steps of (upsampling, convolution, activation) from index 2 on, then two convolutions
        # with an activation between: their indices follow from the last one.
        last = max(int(found[1]) for name in state if (found := re.match(r"model\.(\d+)\.", name)))
        steps = (last - 4) // 3
        tail = {3 * step: f"conv_up{step}." for step in range(1, steps + 1)}
        tail |= {last - 2: "conv_hr.", last: "conv_last."}
        return _rename(state, (*OLD_ESRGAN, *((rf"^model\.{index}\.", name) for index, name in tail.items())))
    return state


def _rename(state: State, table: tuple[tuple[str, str], ...]) -> State:
    renamed = {}
    for name, value in state.items():
        for pattern, ours in table:
            new = re.sub(pattern, ours, name)
            if new != name:
                break
        renamed[new] = value
    return renamed


def _rrdb(state: State) -> RRDBNet:
    features, channels = _conv_shape(state, "conv_first.weight")
    out_channels, _ = _conv_shape(state, "conv_last.weight")
    growth, _ = _conv_shape(state, "body.0.rdb1.conv1.weight")
    unshuffle = {3: 1, 12: 2, 48: 4}.get(channels)
    if unshuffle is None or out_channels != 3:
        raise ValueError(f"takes {channels} channels and gives {out_channels}; only RGB networks can be used")
    steps = len({name for name in state if re.fullmatch(r"conv_up\d+\.weight", name)})
    scale, rest = divmod(2**steps, unshuffle)
    if rest or steps > 4:
        raise ValueError(f"the scale cannot be told ({steps} upsampling steps, {channels} input channels)")
    blocks = _count(state, r"body\.(\d+)\.")
    with torch.device("meta"):
        return RRDBNet(features=features, blocks=blocks, growth=growth, scale=scale, unshuffle=unshuffle)


def _compact(state: State) -> SRVGGNetCompact:
    layers = _count(state, r"body\.(\d+)\.")
    features, channels = _conv_shape(state, "body.0.weight")
    out_channels, _ = _conv_shape(state, f"body.{layers - 1}.weight")
    scale = isqrt(out_channels // 3)
    if channels != 3 or 3 * scale**2 != out_channels or not scale:
        raise ValueError(f"the scale cannot be told ({channels} channels in, {out_channels} before the pixel shuffle)")
    if layers < 3 or layers % 2 == 0:
        raise ValueError(f"has {layers} layers, which is no stack of convolutions with PReLU between")
    with torch.device("meta"):
        return SRVGGNetCompact(features=features, convs=(layers - 3) // 2, scale=scale)


def _conv_shape(state: State, name: str) -> tuple[int, int]:
    """Output and input channels of a convolution's weight."""
    weight = state[name]
    if weight.dim() != 4 or 0 in weight.shape:
        raise ValueError(f"{name} has shape {tuple(weight.shape)}, which is no convolution's")
    return weight.shape[0], weight.shape[1]


def _count(state: State, pattern: str) -> int:
    """How many different indices names have, which must be 0, 1, 2 …"""
    indices = {int(found[1]) for name in state if (found := re.match(pattern, name))}
    if indices != set(range(len(indices))):
        raise ValueError("numbered layers are missing between others")
    return len(indices)


def _compare(network: Network, state: State, source: str) -> None:
    wanted = network.state_dict()
    complaints = [f"{name} is missing" for name in wanted.keys() - state.keys()]
    complaints += [f"{name} is left over" for name in state.keys() - wanted.keys()]
    complaints += [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        if state[name].shape != value.shape
        else f"{name} holds {state[name].dtype}, not floating-point numbers"
        for name, value in wanted.items()
        if name in state and (state[name].shape != value.shape or not state[name].is_floating_point())
    ]
    if complaints:
        more = f", and {len(complaints) - 3} more" if len(complaints) > 3 else ""
        raise WeightsError(
            f"{source} looks like {type(network).__name__}, but {', '.join(sorted(complaints)[:3])}{more}", hint=KNOWN
        )
