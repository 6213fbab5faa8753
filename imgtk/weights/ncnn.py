"""Reading ncnn models: a `.param` text that describes a graph of layers, and a `.bin` with its weights.

The text is followed layer by layer, as ncnn would run it, with expressions in place of pixels. The result says what the
network computes, however a converter has named, fused or split its layers; the plugin of an architecture compares it
with what its own network computes. The formats are those of ncnn's sources (`net.cpp`, `modelbin.cpp`, and the layers'
`load_param` and `load_model`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from imgtk.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BINARY_PARAM",
    "NcnnState",
    "Value",
    "activated",
    "added",
    "apply",
    "interpolated",
    "pair",
    "read_ncnn",
    "weights_file",
]

MAGIC = b"7767517"
"""First line of a `.param` file."""

BINARY_PARAM = b"\xdd\x85\x76\x00"
"""First bytes of a `.param.bin` file, which lacks the names of the layers."""

MAX_PARAM = 1 << 22
"""Bytes of the largest `.param` that is read; a thousand layers take a hundred kilobytes."""

FLOAT16, FLOAT32 = 0x01306B47, (0, 0x0002C056)
"""Tags before weights, which say how they are stored."""

HINT = "imgtk reads ncnn files of plain upscaling networks (RRDBNet, SRVGGNetCompact)."

NEAREST, BICUBIC = "nearest", "bicubic"


class Value(NamedTuple):
    """What a blob holds: `factor` times what `key`, a digest, stands for. Equal values are computed alike."""

    key: str
    factor: Fraction = Fraction(1)


class NcnnState(dict[str, "Tensor"]):
    """The tensors of an ncnn network, in float32: "conv.0.weight", "conv.0.bias", "prelu.0.weight" … in the order in
    which layers run.

    Attributes:
        output: what the network computes, to be compared with a `Value` that is built by `apply`, `activated`, `added`
            and `interpolated` from `apply("input")`.
    """

    output: Value


def apply(kind: str, *parts: object) -> Value:
    """Return the value that an operation gives: `apply("conv", 0, x)` for the first convolution, `apply("prelu", 0,
    x)`, `apply("concat", x, y)`, `apply("shuffle", 2, x)`, `apply("unshuffle", 2, x)`."""
    return Value(hashlib.sha256(repr((kind, parts)).encode()).hexdigest())


def activated(x: Value, slope: Fraction) -> Value:
    """Return LeakyReLU, or ReLU where the slope is 0."""
    return apply("leaky", slope, x)


def added(*terms: Value) -> Value:
    """Return the sum of values, in any order."""
    return apply("sum", *sorted(terms))


def interpolated(x: Value, mode: str, factor: Fraction) -> Value:
    """Return `x` resized ("nearest" or "bicubic", which does not antialias) by a factor; nothing happens to it at 1."""
    return x if factor == 1 else apply(mode, factor, x)


def pair(path: Path, head: bytes) -> tuple[Path, Path] | None:
    """Return the `.param` and the `.bin` that belong to a file, which may be either; None if it is neither.

    Args:
        path: the file.
        head: its first bytes.
    """
    param, bin = path.with_suffix(".param"), path.with_suffix(".bin")
    if head.split(None, 1)[:1] == [MAGIC]:
        return path, bin
    torch_save = (b"PK", b"\x80")  # which people call .bin too
    return (param, path) if path == bin and param.is_file() and not head.startswith(torch_save) else None


def weights_file(path: Path) -> Path:
    """Return the file that has the numbers: the `.bin` for a `.param`, else the file itself."""
    with path.open("rb") as file:
        found = pair(path, file.read(64))
    return found[1] if found else path


def read_ncnn(param: Path, bin: Path) -> NcnnState:
    """Return the network in a pair of files.

    Raises:
        WeightsError: a file is missing, cut short or too long; the text is damaged; or a layer is of a kind or has a
            parameter that no plain upscaling network has. The message names the line.
    """
    try:
        if param.stat().st_size > MAX_PARAM:
            raise WeightsError(f"{param} has {param.stat().st_size} bytes, too many for a .param file", hint=HINT)
        lines = param.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise WeightsError(f"cannot read {param}: {error.strerror}", hint="Check the path.") from None
    except UnicodeDecodeError:
        raise WeightsError(f"{param} is not text, as a .param file must be: it is damaged or something else") from None
    try:
        content = bin.read_bytes()
    except FileNotFoundError:
        raise WeightsError(
            f"{bin} is missing: the weights of {param.name} are in it", hint="Put both files into one folder."
        ) from None
    except OSError as error:
        raise WeightsError(f"cannot read {bin}: {error.strerror}", hint="Check the path.") from None
    return _Reader(param, bin, content).run(lines)


@dataclass
class _Layer:
    """One line of a `.param` file, and what its layer needs."""

    kind: str
    inputs: list[Value]
    params: dict[int, list[float]]
    fail: Callable[[str], NoReturn]

    def number(self, key: int, default: float = 0) -> float:
        """Take a parameter that is one number."""
        numbers = self.params.pop(key, [default])
        return numbers[0] if len(numbers) == 1 else self.fail(f"parameter {key} has {len(numbers)} values")

    def integer(self, key: int, default: int = 0) -> int:
        number = self.number(key, default)
        return int(number) if number == int(number) else self.fail(f"parameter {key} is {number}, no whole number")

    def fraction(self, key: int, default: float = 0) -> Fraction:
        return _fraction(self.number(key, default))

    def numbers(self, key: int) -> list[float]:
        """Take a parameter that is an array."""
        return self.params.pop(-23300 - key, [])

    @property
    def x(self) -> Value:
        """The only input."""
        return self.inputs[0] if len(self.inputs) == 1 else self.fail(f"it has {len(self.inputs)} inputs, not one")


def _fraction(number: float) -> Fraction:
    """Return the short fraction that a decimal number in a text means."""
    return Fraction(number).limit_denominator(10_000)


@dataclass
class _Reader:
    """Follows the lines of a `.param`, and takes the weights from the `.bin` as they are needed."""

    param: Path
    bin: Path
    content: bytes
    position: int = 0
    state: NcnnState = field(default_factory=NcnnState)
    counts: dict[str, int] = field(default_factory=lambda: {"conv": 0, "prelu": 0})

    def run(self, lines: list[str]) -> NcnnState:
        rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
        try:
            layers, blobs = (int(word) for word in rows[1][1])
        except (IndexError, ValueError):
            raise WeightsError(f"{self.param}, line 2: the numbers of layers and blobs are missing") from None
        if len(rows) - 2 != layers:
            raise WeightsError(
                f"{self.param} has {len(rows) - 2} layers, but says that it has {layers}: it is cut short or damaged",
                hint="Download or copy it again.",
            )
        values: dict[str, Value] = {}
        unused: dict[str, None] = {}
        for number, words in rows[2:]:
            names, layer = self._layer(number, words, values)
            for name in words[4 : 4 + len(layer.inputs)]:
                unused.pop(name, None)
            if layer.kind not in OPERATIONS:
                layer.fail("layers of this kind are not known")
            value = OPERATIONS[layer.kind](self, layer)
            if any(number for numbers in layer.params.values() for number in numbers):
                layer.fail(f"parameter {min(layer.params)} is not known")
            for name in names:
                if name in values:
                    layer.fail(f"there are two blobs {name!r}")
                values[name] = value
                unused[name] = None
        if len(values) > blobs:
            raise WeightsError(f"{self.param} has {len(values)} blobs, but says that it has {blobs}: it is damaged")
        if len(unused) != 1:
            raise WeightsError(f"{self.param} describes a network with {len(unused)} outputs instead of one", hint=HINT)
        if self.position != len(self.content):
            raise WeightsError(
                f"{self.bin} has {len(self.content)} bytes, but {self.param.name} describes {self.position}: they do "
                "not belong together",
                hint="Download or copy both again.",
            )
        self.state.output = values[unused.popitem()[0]]
        return self.state

    def _layer(self, line: int, words: list[str], values: dict[str, Value]) -> tuple[list[str], _Layer]:
        """Return the names of a layer's outputs, and the layer."""

        def fail(message: str) -> NoReturn:
            raise WeightsError(f"{self.param}, line {line} ({' '.join(words[:2])[:80]}): {message}", hint=HINT)

        try:
            takes, gives = (int(word) for word in words[2:4])
            inputs, outputs = words[4 : 4 + takes], words[4 + takes : 4 + takes + gives]
            if min(takes, gives) < 0 or len(inputs + outputs) != takes + gives:
                raise ValueError
            params = {}
            for word in words[4 + takes + gives :]:
                key, _, text = word.partition("=")
                numbers = [float(part) for part in text.split(",")]
                if int(key) <= -23300 and numbers.pop(0) != len(numbers):
                    raise ValueError
                if not all(isfinite(number) and abs(number) < 1e12 for number in numbers):
                    raise ValueError
                params[int(key)] = numbers
        except (ValueError, IndexError):
            fail("the line is damaged")
        for name in inputs:
            if name not in values:
                fail(f"no layer above it gives the blob {name!r}")
        return outputs, _Layer(words[0], [values[name] for name in inputs], params, fail)

    def take(self, layer: _Layer, count: int, tagged: bool) -> Tensor:
        """Return the next `count` weights, after a tag that says how they are stored; without one, they are float32."""
        import numpy as np
        import torch

        dtype = "<f4"
        if tagged:
            tag = int.from_bytes(self._bytes(layer, 4), "little")
            if tag == FLOAT16:
                dtype = "<f2"
            elif tag not in FLOAT32:
                layer.fail(f"its weights in {self.bin} are quantised, or the file is damaged (tag {tag:#010x})")
        size = count * int(dtype[-1])
        values = np.frombuffer(self._bytes(layer, -(-size // 4) * 4)[:size], dtype)
        return torch.from_numpy(values.astype(np.float32))

    def _bytes(self, layer: _Layer, size: int) -> bytes:
        part = self.content[self.position : self.position + size]
        if len(part) != size:
            layer.fail(
                f"its weights end at byte {self.position + size} of {self.bin}, which has {len(self.content)}: the "
                "file is cut short, or belongs to another .param"
            )
        self.position += size
        return part

    def weighted(self, kind: str, tensors: dict[str, Tensor], x: Value) -> Value:
        """Keep the tensors of the next layer of a kind, and give its output."""
        index = self.counts[kind]
        self.counts[kind] += 1
        self.state |= {f"{kind}.{index}.{name}": tensor for name, tensor in tensors.items()}
        return apply(kind, index, x)


def _input(reader: _Reader, layer: _Layer) -> Value:
    layer.params.clear()  # the size of the images, which are of any size
    if layer.inputs or reader.state:
        layer.fail("there is more than one input")
    return apply("input")


def _same(reader: _Reader, layer: _Layer) -> Value:
    return layer.x


def _convolution(reader: _Reader, layer: _Layer) -> Value:
    """Return a convolution that keeps the size, and what is fused with it."""
    outputs, kernel = layer.integer(0), layer.integer(1)
    pad = layer.integer(4)
    tall, top = layer.integer(11, kernel), layer.integer(14, pad)
    geometry = (tall, top, layer.integer(15, pad), layer.integer(16, top))
    across = (layer.integer(2, 1), layer.integer(3, 1))
    steps = (*across, layer.integer(12, across[0]), layer.integer(13, across[1]))
    same = (kernel // 2, kernel, *[kernel // 2] * 3)
    if kernel < 1 or kernel % 2 == 0 or (pad, *geometry) != same or set(steps) != {1}:
        layer.fail("it is no convolution that keeps an image's size")
    size = layer.integer(6)
    inputs, rest = divmod(size, max(1, outputs) * kernel**2)
    if outputs < 1 or inputs < 1 or rest:
        layer.fail(f"{size} weights do not make {outputs} filters of {kernel}x{kernel}")
    weight = reader.take(layer, size, tagged=True).reshape(outputs, inputs, kernel, kernel)
    bias = reader.take(layer, outputs, tagged=False) if layer.integer(5) else weight.new_zeros(outputs)
    value = reader.weighted("conv", {"weight": weight, "bias": bias}, layer.x)
    activation, slopes = layer.integer(9), layer.numbers(10)
    if activation == 0:
        return value
    if activation == 1 or (activation == 2 and len(slopes) == 1):
        return activated(value, _fraction(slopes[0]) if activation == 2 else Fraction(0))
    layer.fail(f"its activation {activation} is not known")


def _relu(reader: _Reader, layer: _Layer) -> Value:
    return activated(layer.x, layer.fraction(0))


def _prelu(reader: _Reader, layer: _Layer) -> Value:
    count = layer.integer(0)
    if count < 1:
        layer.fail(f"it has {count} slopes")
    return reader.weighted("prelu", {"weight": reader.take(layer, count, tagged=False)}, layer.x)


def _concat(reader: _Reader, layer: _Layer) -> Value:
    if layer.integer(0):
        layer.fail("it joins along another axis than the channels")
    return apply("concat", *layer.inputs)


def _eltwise(reader: _Reader, layer: _Layer) -> Value:
    factors = layer.numbers(1) or [1.0] * len(layer.inputs)
    if layer.integer(0) != 1 or len(factors) != len(layer.inputs):
        layer.fail("it is no sum")
    return added(*(_scaled(x, _fraction(factor)) for x, factor in zip(layer.inputs, factors, strict=True)))


def _binary(reader: _Reader, layer: _Layer) -> Value:
    operation, scalar, factor = layer.integer(0), layer.integer(1), layer.fraction(2)
    if operation == 0 and not scalar and len(layer.inputs) == 2:
        return added(*layer.inputs)
    if operation == 2 and scalar:
        return _scaled(layer.x, factor)
    layer.fail("it is neither a sum nor a product with a number")


def _scaled(x: Value, factor: Fraction) -> Value:
    return Value(x.key, (x.factor * factor).limit_denominator(10_000))


def _interp(reader: _Reader, layer: _Layer) -> Value:
    mode = {1: NEAREST, 3: BICUBIC}.get(layer.integer(0))
    down, across = layer.fraction(1, 1), layer.fraction(2, 1)
    if mode is None or down != across or down <= 0:
        layer.fail("only nearest and bicubic resizing by one factor are known")
    return interpolated(layer.x, mode, down)


def _shuffle(kind: str) -> Callable[[_Reader, _Layer], Value]:
    def operation(reader: _Reader, layer: _Layer) -> Value:
        size = layer.integer(0, 1)
        return layer.x if size == 1 else apply(kind, size, layer.x)

    return operation


OPERATIONS: dict[str, Callable[[_Reader, _Layer], Value]] = {
    "Input": _input,
    "Split": _same,
    "Noop": _same,
    "Convolution": _convolution,
    "ReLU": _relu,
    "PReLU": _prelu,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "BinaryOp": _binary,
    "Interp": _interp,
    "PixelShuffle": _shuffle("shuffle"),
    "Reorg": _shuffle("unshuffle"),
}
"""The layers that are known, by their names in a `.param` file."""
