"""Writes networks as ncnn's converters do: a `.param` text and a `.bin`."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact


@dataclass
class Writer:
    """Collects layers and weights.

    Attributes:
        half: weights of convolutions are stored as float16.
        fused: as after `ncnnoptimize`, with activations inside convolutions and weighted sums.
    """

    half: bool = False
    fused: bool = True
    layers: list[tuple[str, list[str], str]] = field(default_factory=list)
    data: bytes = b""

    def layer(self, kind: str, inputs: list[str], params: str = "") -> str:
        self.layers.append((kind, list(inputs), params))
        return f"b{len(self.layers) - 1}"

    def conv(self, conv: nn.Module, x: str, slope: float | None = None) -> str:
        weight, bias = (np.asarray(t.detach(), "<f4") for t in (conv.weight, conv.bias))
        stored = weight.astype("<f2").tobytes() if self.half else weight.tobytes()
        tag = struct.pack("<I", 0x01306B47 if self.half else 0)
        self.data += tag + stored + bytes(-len(stored) % 4) + bias.tobytes()
        params = f"0={len(weight)} 1=3 4=1 5=1 6={weight.size}"
        if slope is None:
            return self.layer("Convolution", [x], params)
        if self.fused:
            return self.layer("Convolution", [x], f"{params} 9=2 -23310=1,{slope:e}")
        return self.layer("ReLU", [self.layer("Convolution", [x], params)], f"0={slope:e}")

    def prelu(self, prelu: nn.Module, x: str) -> str:
        slopes = np.asarray(prelu.weight.detach(), "<f4")
        self.data += slopes.tobytes()
        return self.layer("PReLU", [x], f"0={len(slopes)}")

    def residual(self, x: str, y: str, factor: float) -> str:
        """x + factor * y."""
        if self.fused:
            return self.layer("Eltwise", [y, x], f"0=1 -23301=2,{factor:e},{1:e}")
        return self.layer("BinaryOp", [x, self.layer("BinaryOp", [y], f"0=2 1=1 2={factor:e}")], "0=0")

    def resized(self, x: str, kind: int, factor: float) -> str:
        return self.layer("Interp", [x], f"0={kind} 1={factor:e} 2={factor:e}")

    def save(self, path: Path) -> Path:
        """Write FILE.param and FILE.bin. What several layers take is split, as ncnn wants it."""
        uses = Counter(name for _, inputs, _ in self.layers for name in inputs)
        seen = Counter[str]()
        lines, blobs = [], 0
        for index, (kind, inputs, params) in enumerate(self.layers):
            taken = [f"{name}_{seen.update([name]) or seen[name]}" if uses[name] > 1 else name for name in inputs]
            output = f"b{index}"
            lines.append(f"{kind:24} L{index} {len(taken)} 1 {' '.join([*taken, output])} {params}")
            blobs += 1
            if uses[output] > 1:
                parts = [f"{output}_{part + 1}" for part in range(uses[output])]
                lines.append(f"{'Split':24} split{index} 1 {len(parts)} {' '.join([output, *parts])}")
                blobs += len(parts)
        path.write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines]) + "\n")
        path.with_suffix(".bin").write_bytes(self.data)
        return path


def write(path: Path, network: nn.Module, *, half: bool = False, fused: bool = True) -> Path:
    """Write an RRDBNet or SRVGGNetCompact as `path` (*.param), and its weights beside it."""
    writer = Writer(half, fused)
    image = writer.layer("Input", [])
    if isinstance(network, RRDBNet):
        _rrdb(writer, network, image)
    else:
        assert isinstance(network, SRVGGNetCompact)
        _compact(writer, network, image)
    return writer.save(path)


def _rrdb(w: Writer, network: RRDBNet, image: str) -> None:
    def dense(block: nn.Module, x: str) -> str:
        features = [x]
        for k in range(1, 5):
            joined = w.layer("Concat", features) if k > 1 else x
            features.append(w.conv(block.get_submodule(f"conv{k}"), joined, 0.2))
        return w.residual(x, w.conv(block.get_submodule("conv5"), w.layer("Concat", features)), 0.2)

    if network.unshuffle > 1:
        image = w.layer("Reorg", [image], f"0={network.unshuffle}")
    first = x = w.conv(network.conv_first, image)
    for block in network.body:
        y = x
        for k in range(1, 4):
            y = dense(block.get_submodule(f"rdb{k}"), y)
        x = w.residual(x, y, 0.2)
    x = w.layer("BinaryOp", [first, w.conv(network.conv_body, x)])
    for name in network.upsamplers:
        x = w.conv(network.get_submodule(name), w.resized(x, 1, 2), 0.2)
    w.conv(network.conv_last, w.conv(network.conv_hr, x, 0.2))


def _compact(w: Writer, network: SRVGGNetCompact, image: str) -> None:
    x = image
    for index, layer in enumerate(network.body):
        x = w.prelu(layer, x) if index % 2 else w.conv(layer, x)
    shuffle = network.shuffle
    if shuffle > 1:
        x, image = w.layer("PixelShuffle", [x], f"0={shuffle}"), w.resized(image, 1, shuffle)
    x = w.layer("BinaryOp", [x, image], "0=0")
    if network.scale != shuffle:
        w.resized(x, 3, network.scale / shuffle)


def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict as it comes back where the weights of convolutions were stored as float16."""
    return {name: value.half().float() if value.dim() == 4 else value for name, value in state.items()}
