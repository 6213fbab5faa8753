"""`check_op`: what every operator promises, tried out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from imgtk.adaptive_op import AdaptiveOp, View
from imgtk.engine.planes import channels
from imgtk.errors import BrokenContract, OperatorError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.language.graph import INPUT, Graph, Node
from imgtk.metrics import psnr
from imgtk.op import ImageOp, OpSpec, Planes, check_output
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing.devices import StayedOnCPUError, other_device
from imgtk.testing.images import sample_image

__all__ = ["SIZES", "check_op"]

SIZES = (Size(61, 47), Size(32, 33), Size(1, 19), Size(23, 1), Size(1, 1))
"""Width and height of the images that `check_op` tries: odd and even sides, and the smallest ones."""

LEAST_BF16_PSNR = 48.0
"""Decibels by which bfloat16 may differ from float32 unless an operator sets `Facts.needs_float32`."""

LEAST_COLOUR = 0.1
"""Difference of channels that counts as colour."""


def check_op(
    op: str | OpSpec,
    *,
    sizes: Iterable[tuple[int, int]] = SIZES,
    tile: int = 24,
    tolerance: float = 1e-5,
    registry: Registry | None = None,
    **params: Any,
) -> None:
    """Check that an operator keeps the promises of `ImageOp`, `Facts` and `Geometry`, on the CPU.

    It tries images of each size, in colour and gray, and checks that

    - the output has the promised size, channels and number format, is finite and not far outside 0..1;
    - the same input gives the same output, from this operator and from one built again;
    - the input is not changed, and its memory layout does not matter;
    - an image in a batch, if the operator takes batches, gives the result of the image alone;
    - gray stays gray, unless `Facts.may_add_colour` is set or it is the work of a network;
    - the engine gives the result of a call, and tiles give that of the whole image, also with alpha;
    - bfloat16 gives nearly the result of float32;
    - `to` moves all that the operator keeps.

    Args:
        op: the description of the operator, or the name of an installed one.
        sizes: (width, height) of the images.
        tile: side of the tiles in pixels of the input; some of the sizes should be larger.
        tolerance: largest difference of a pixel between tiles and the whole. Operators whose halo is smaller than what
            their output depends on need more, and should state how much in their documentation.
        registry: where the operator, its weights and their architectures are looked up; None for all installed plugins.
        params: the operator's parameters, by name with underscores. Its further input images are the same image.

    Raises:
        AssertionError: which promise was broken, and where.
        ImgtkError: if the operator cannot be built or run.

    >>> check_op("adjust:gamma", gamma=0.5, sizes=[(24, 40)])
    """
    registry = registry or default()
    spec = registry.spec(op) if isinstance(op, str) else op
    registry = Registry.of(spec, architectures=registry.architectures, packages=registry.packages)
    tried = [Size(*size) for size in sizes]
    ops = _Builds(spec, registry, params)
    for size in tried:
        for gray in (False, True):
            where = f"{spec.name} on {'a gray' if gray else 'a'} {size} image"
            try:
                _Check(ops, size, gray, where).run(tile, tolerance)
            except (BrokenContract, OperatorError) as error:
                raise AssertionError(f"{where}: {error}") from error
    ops.close()
    if spec.inputs:
        _check_devices(ops.built(), spec, tried[0])


class _Builds:
    """An operator, built by itself and in pipelines; what it is built for, it is built once, for images of all sizes.

    Args:
        spec: its description.
        registry: where its weights and their architectures are looked up.
        params: its parameters.
    """

    def __init__(self, spec: OpSpec, registry: Registry, params: dict[str, Any]) -> None:
        self.spec, self.registry, self.params = spec, registry, params
        self._pipelines: dict[tuple[int | str, str], Pipeline] = {}

    def built(self, dtype: torch.dtype = torch.float32) -> ImageOp:
        op = self.spec.build(self.registry.context(), **self.params)
        op.to(torch.device("cpu"), dtype)
        return op

    @cached_property
    def op(self) -> ImageOp:
        return self.built()

    @cached_property
    def again(self) -> ImageOp:
        return self.built()

    @cached_property
    def reduced(self) -> ImageOp:
        return self.built(torch.bfloat16)

    def pipeline(self, tile: int | Literal["off"], dtype: str) -> Pipeline:
        if (tile, dtype) not in self._pipelines:
            spec = self.spec
            given = {param.keyword: param for param in spec.params}
            converted = {
                name: given[name].convert(value, spec.name) for name, value in self.params.items() if name in given
            }
            graph = Graph((Node("in"), Node(spec.name, (INPUT,) * spec.inputs, converted)), output=1)
            pipeline = Pipeline(graph, device="cpu", dtype=dtype, tile=tile, registry=self.registry)
            self._pipelines[tile, dtype] = pipeline
        return self._pipelines[tile, dtype]

    def close(self) -> None:
        """Close the operators that were built."""
        for name in ("op", "again", "reduced"):
            if name in vars(self):
                getattr(self, name).close()


def _resolved(op: ImageOp, inputs: Iterable[Tensor]) -> ImageOp:
    """Return what an operator becomes for its inputs: itself, unless it is adaptive."""
    return op.resolve(*map(View.of, inputs)) if isinstance(op, AdaptiveOp) else op


@dataclass
class _Check:
    """An operator and an image."""

    ops: _Builds
    size: Size
    gray: bool
    where: str

    @property
    def spec(self) -> OpSpec:
        return self.ops.spec

    @property
    def op(self) -> ImageOp:
        return self.ops.op

    def run(self, tile: int, tolerance: float) -> None:
        plain = self.calls() if self.spec.inputs else None
        whole = self.through_engine("off")
        self.check_gray(whole if plain is None else plain)
        mirrored = any(side % self.op.geometry.multiple for side in self.size)
        if plain is not None and not mirrored and not any(self.op.geometry.periodic):
            _assert_close(
                whole, plain, max(tolerance, 1e-4), f"{self.where}: the engine gives something else than a call"
            )
        for alpha in (False, True) if self.spec.inputs else (False,):
            expected = self.through_engine("off", alpha=True) if alpha else whole
            message = f"{self.where}{' with alpha' if alpha else ''}: tiles of {tile} differ from the whole"
            _assert_close(self.through_engine(tile, alpha=alpha), expected, tolerance, f"{message} (see Geometry.halo)")
        if not self.op.facts.needs_float32:
            agreement = psnr(self.through_engine("off", "bf16"), whole)
            assert agreement >= LEAST_BF16_PSNR, (
                f"{self.where}: bfloat16 is {agreement:.1f} dB from float32, less than {LEAST_BF16_PSNR:.0f}; "
                "set Facts.needs_float32"
            )

    @cached_property
    def inputs(self) -> list[Tensor]:
        """What a call is given: the image as the engine would make it, mirrored to multiples, with the planes that the
        operator sees."""
        x, multiple = sample_image(*self.size, gray=self.gray), self.op.geometry.multiple
        height, width = (-(-side // multiple) * multiple for side in x.shape[2:])
        x = x[..., [min(i, x.shape[2] - 1) for i in range(height)], :]
        x = x[..., [min(i, x.shape[3] - 1) for i in range(width)]]
        if self.op.facts.planes in (Planes.ALPHA, Planes.FLAT):
            x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        return [x.clone(memory_format=torch.channels_last) for _ in range(self.spec.inputs)]

    def calls(self) -> Tensor:
        """Check the promises of the operator itself, and return its output."""
        op, inputs, where = self.op, self.inputs, self.where
        kept = [tensor.clone() for tensor in inputs]
        sizes = [Size(tensor.shape[3], tensor.shape[2]) for tensor in inputs]
        with torch.no_grad():
            output = op(*inputs)
            expected = _resolved(op, inputs).output_size(*sizes)
            check_output(output, expected, inputs[0], channels(op, inputs[0].shape[1] == 4))
            assert output.isfinite().all(), f"{where}: the output has NaN or infinite values"
            low, high = output.min().item(), output.max().item()
            assert max(-low, high - 1) <= 1, f"{where}: the output, nominally 0..1, goes from {low:.3g} to {high:.3g}"
            for tensor, before in zip(inputs, kept, strict=True):
                assert torch.equal(tensor, before), f"{where}: the operator changes its input"
            assert torch.equal(op(*inputs), output), f"{where}: called again on the same input, the output differs"
            assert torch.equal(self.ops.again(*inputs), output), f"{where}: built again, the output differs"
            contiguous = op(*(tensor.contiguous() for tensor in inputs))
            _assert_close(contiguous, output, 1e-4, f"{where}: the output depends on the memory layout of the input")
            if op.facts.batched:
                both = op(*(torch.cat([1 - tensor, tensor]) for tensor in inputs))
                # not 1e-4: networks that normalise make much of rounding where an image is flat
                _assert_close(both[1:], output, 1e-2, f"{where}: in a batch it gives something else")
            if not op.facts.needs_float32:
                reduced = [tensor.bfloat16() for tensor in inputs]
                check_output(self.ops.reduced(*reduced), expected, reduced[0])
        return output

    def check_gray(self, output: Tensor) -> None:
        """Check the promises about colours. Networks may tint what is gray: the engine removes that, as it should."""
        facts = self.op.facts
        kept = self.gray and self.spec.inputs and not facts.may_add_colour and self.op.network is None
        if facts.gray or kept:
            colours = (output[:, :3].amax(1) - output[:, :3].amin(1)).max().item()
            assert colours <= LEAST_COLOUR, f"{self.where}: the output is in colour, by {colours:.3g}; " + (
                "it promises Facts.gray" if facts.gray else "set Facts.may_add_colour"
            )

    def through_engine(self, tile: int | Literal["off"], dtype: str = "fp32", *, alpha: bool = False) -> Tensor:
        """Return what the engine makes of the image: (1, 3, H, W), or with alpha as a fourth channel."""
        colour = sample_image(*self.size, gray=self.gray)
        opacity = sample_image(*self.size, seed=1, gray=True)[0, 0].numpy().copy() if alpha else None
        image = Image(colour[0].permute(1, 2, 0).numpy().copy(), opacity)
        result = self.ops.pipeline(tile, dtype)(image)
        samples = result.numpy() if result.numpy().ndim == 3 else result.numpy()[..., None]
        tensor = torch.from_numpy(samples.copy()).permute(2, 0, 1)[None]
        return tensor if tensor.shape[1] != 1 else tensor.expand(1, 3, -1, -1)


def _check_devices(op: ImageOp, spec: OpSpec, size: Size) -> None:
    """Find what `to` forgets: on a device without values it is not mixed with what was moved."""
    multiple = op.geometry.multiple
    sides = (-(-side // multiple) * multiple for side in size[::-1])
    planes = 4 if op.facts.planes in (Planes.ALPHA, Planes.FLAT) else 3
    with other_device() as device, torch.no_grad():
        x = torch.empty(1, planes, *sides, device=device)
        try:
            op.to(device, torch.float32)
            output = op(*[x] * spec.inputs)
        except StayedOnCPUError as error:
            fault = f"to() does not move all that the operator keeps: {error}"
            raise AssertionError(f"{spec.name}: {fault}") from error
        except Exception:
            return  # values that are made up may not suit it
    assert output.device == x.device, f"{spec.name}: on another device the output is on {output.device}"


def _assert_close(actual: Tensor, expected: Tensor, tolerance: float, message: str) -> None:
    assert actual.shape == expected.shape, f"{message}: {tuple(actual.shape)} against {tuple(expected.shape)}"
    difference = (actual.float() - expected.float()).abs().amax((0, 1))
    worst = difference.max().item()
    row, column = divmod(int(difference.argmax()), difference.shape[1])
    assert worst <= tolerance, f"{message}: by {worst:.3g} at x = {column}, y = {row}, more than {tolerance:g}"
