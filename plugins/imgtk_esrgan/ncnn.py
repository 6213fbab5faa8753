"""RRDBNet and SRVGGNetCompact told from what an ncnn network computes, and its tensors under their names."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from math import isqrt

import torch
from torch import Tensor

from imgtk.weights.architecture import State
from imgtk.weights.ncnn import NcnnState, Value, activated, added, apply, interpolated
from imgtk_esrgan.network import RESIDUAL, SLOPE

__all__ = ["compact_state", "rrdb_state"]


def rrdb_state(state: NcnnState) -> State | None:
    """Return the tensors under BasicSR's names; None if the network computes something else than an RRDBNet."""
    convs = _count(state, "conv")
    blocks, steps = divmod(convs - 4, 15)
    unshuffle = isqrt(state["conv.0.weight"].shape[1] // 3) if convs else 0
    if blocks < 1 or unshuffle < 1 or state.output != _rrdb(blocks, steps, unshuffle):
        return None
    dense = [f"body.{i}.rdb{j}.conv{k}" for i in range(blocks) for j in range(1, 4) for k in range(1, 6)]
    names = ["conv_first", *dense, "conv_body", *(f"conv_up{k + 1}" for k in range(steps)), "conv_hr", "conv_last"]
    result: dict[str, Tensor] = {}
    for index, name in enumerate(names):
        result |= _conv(state, index, name)
    return result


def compact_state(state: NcnnState) -> State | None:
    """Return the tensors under BasicSR's names, and, where the network ends in a resampling, `output_scale`; None if
    the network computes something else than an SRVGGNetCompact."""
    convs, slopes = _count(state, "conv"), _count(state, "prelu")
    shuffle = isqrt(state[f"conv.{convs - 1}.weight"].shape[0] // 3) if convs else 0
    scales = (scale for scale in range(1, shuffle + 1) if state.output == _compact(convs, shuffle, scale))
    scale = next(scales, None) if slopes == convs - 1 else None
    if scale is None:
        return None
    result: dict[str, Tensor] = {}
    for index in range(convs):
        result |= _conv(state, index, f"body.{2 * index}")
        if index < slopes:  # one slope may stand for all channels
            width = len(state[f"conv.{index}.bias"])
            slope = state[f"prelu.{index}.weight"]
            result[f"body.{2 * index + 1}.weight"] = slope.repeat(width) if len(slope) == 1 else slope
    return result if scale == shuffle else {**result, "output_scale": torch.tensor(scale)}


def _count(state: NcnnState, kind: str) -> int:
    return sum(name.startswith(f"{kind}.") and name.endswith(".weight") for name in state)


def _conv(state: NcnnState, index: int, name: str) -> dict[str, Tensor]:
    """Return a convolution's tensors under the name of its layer."""
    return {f"{name}.{kind}": state[f"conv.{index}.{kind}"] for kind in ("weight", "bias")}


def _rrdb(blocks: int, steps: int, unshuffle: int) -> Value:
    """Return what `RRDBNet` computes."""
    index = count()
    residual, slope = Fraction(str(RESIDUAL)), Fraction(str(SLOPE))

    def conv(x: Value) -> Value:
        return apply("conv", next(index), x)

    def dense(x: Value) -> Value:
        features = [x]
        for _ in range(4):
            features.append(activated(conv(apply("concat", *features) if features[1:] else x), slope))
        return added(x, Value(conv(apply("concat", *features)).key, residual))

    image = apply("input")
    first = x = conv(apply("unshuffle", unshuffle, image) if unshuffle > 1 else image)
    for _ in range(blocks):
        x = added(x, Value(dense(dense(dense(x))).key, residual))
    x = added(first, conv(x))
    for _ in range(steps):
        x = activated(conv(interpolated(x, "nearest", Fraction(2))), slope)
    return conv(activated(conv(x), slope))


def _compact(convs: int, shuffle: int, scale: int) -> Value:
    """Return what `SRVGGNetCompact` computes."""
    image = x = apply("input")
    for index in range(convs):
        x = apply("conv", index, x)
        if index < convs - 1:
            x = apply("prelu", index, x)
    shuffled = apply("shuffle", shuffle, x) if shuffle > 1 else x
    sharp = added(shuffled, interpolated(image, "nearest", Fraction(shuffle)))
    return interpolated(sharp, "bicubic", Fraction(scale, shuffle))
