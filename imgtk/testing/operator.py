"""`check_op`: verify what every operator promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from imgtk.engine.planes import channels
from imgtk.geometry import Size
from imgtk.language.graph import INPUT, Graph, Node
from imgtk.metrics import psnr
from imgtk.op import ImageOp, OpSpec, Planes
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing.images import sample_image

SIZES = (Size(61, 47), Size(32, 33), Size(1, 19), Size(23, 1), Size(1, 1))
"""Width and height of the images that `check_op` tries: odd and even sides, and the smallest ones."""

LEAST_BF16_PSNR = 48.0
"""Decibels by which bfloat16 may differ from float32 unless an operator sets `needs_float32`."""


def check_op(
    op: str | OpSpec,
    *,
    sizes: Iterable[tuple[int, int]] = SIZES,
    tile: int = 24,
    tolerance: float = 1e-5,
    registry: Registry | None = None,
    **params: Any,
) -> None:
    """Check that an operator keeps the promises of `ImageOp` and `Geometry`, on the CPU.

    It tries images of each size, in colour and gray, and checks that

    - the output has the promised size, is finite and not far outside 0..1;
    - the same input gives the same output, from this operator and from one built again;
    - the input is not changed, and its memory layout does not matter;
    - an image in a batch, if the operator takes batches, gives the result of the image alone;
    - through the engine, tiles give the result of the whole image;
    - bfloat16 gives nearly the result of float32.

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

    Example:
        >>> from imgtk.testing import check_op
        >>> check_op("adjust:blur", radius=3)
    """
    registry = registry or default()
    spec = registry.spec(op) if isinstance(op, str) else op
    registry = Registry.of(spec, architectures=registry.architectures, packages=registry.packages)
    for size in (Size(*size) for size in sizes):
        for gray in (False, True):
            x = sample_image(*size, gray=gray)
            where = f"{spec.name} on {'a gray' if gray else 'a'} {size} image"
            if spec.inputs:
                _check_calls(spec, registry, params, x, where)
            _check_engine(spec, registry, params, x, where, tile, tolerance)


def _build(spec: OpSpec, registry: Registry, params: dict[str, Any]) -> ImageOp:
    op = spec.build(registry.context(), **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


def _check_calls(spec: OpSpec, registry: Registry, params: dict[str, Any], x: Tensor, where: str) -> None:
    """Check the promises of the operator itself, on inputs whose sides are multiples of `Geometry.multiple`."""
    op = _build(spec, registry, params)
    sides = (-(-side // op.geometry.multiple) * op.geometry.multiple for side in (x.shape[3], x.shape[2]))
    size = Size(*sides)
    x = x[..., [min(i, x.shape[2] - 1) for i in range(size.height)], :]
    x = x[..., [min(i, x.shape[3] - 1) for i in range(size.width)]].contiguous(memory_format=torch.channels_last)
    if op.facts.planes in (Planes.ALPHA, Planes.FLAT):
        x = torch.cat([x, x.mean(1, keepdim=True)], 1).contiguous(memory_format=torch.channels_last)
    inputs = [x.clone(memory_format=torch.preserve_format) for _ in range(spec.inputs)]
    with torch.inference_mode():
        output = op(*inputs)
        expected = op.output_size(*[size] * spec.inputs)
        shape = (1, channels(op, x.shape[1] == 4), expected.height, expected.width)
        assert output.shape == shape, (
            f"{where}: output_size() promises {shape}, but the output is {tuple(output.shape)}"
        )
        assert output.is_floating_point(), f"{where}: the output must be floating point, but is {output.dtype}"
        assert output.isfinite().all(), f"{where}: the output has NaN or infinite values"
        low, high = output.min().item(), output.max().item()
        assert max(-low, high - 1) <= 1, f"{where}: the output, nominally 0..1, goes from {low:.3g} to {high:.3g}"
        for tensor in inputs:
            assert torch.equal(tensor, x), f"{where}: the operator changes its input"
        assert torch.equal(op(*inputs), output), f"{where}: called again on the same input, the output differs"
        assert torch.equal(_build(spec, registry, params)(*inputs), output), f"{where}: built again, the output differs"
        contiguous = op(*(tensor.contiguous() for tensor in inputs))
        _assert_close(contiguous, output, 1e-4, f"{where}: the output depends on the memory layout of the input")
        if op.facts.batched:
            both = op(*(torch.cat([1 - tensor, tensor]) for tensor in inputs))
            # not 1e-4: networks that normalise make much of rounding where an image is flat
            _assert_close(both[1:], output, 1e-2, f"{where}: in a batch it gives something else")
    op.close()


def _check_engine(
    spec: OpSpec, registry: Registry, params: dict[str, Any], x: Tensor, where: str, tile: int, tolerance: float
) -> None:
    """Check the promises that only show when the engine runs the operator."""
    converted = {name: param.convert(value, spec.name) for name, value in params.items() if (param := spec.param(name))}
    graph = Graph((Node("in"), Node(spec.name, (INPUT,) * spec.inputs, converted)), output=1)

    def run(tile: int | Literal["off"], dtype: str = "fp32") -> Tensor:
        return Pipeline(graph, device="cpu", dtype=dtype, tile=tile, registry=registry)(x).tensor()

    whole = run("off")
    _assert_close(run(tile), whole, tolerance, f"{where}: tiles of {tile} differ from the whole (see Geometry.halo)")
    if not _build(spec, registry, params).facts.needs_float32:
        agreement = psnr(run("off", "bf16"), whole)
        assert agreement >= LEAST_BF16_PSNR, (
            f"{where}: bfloat16 is {agreement:.1f} dB from float32, less than {LEAST_BF16_PSNR:.0f}; "
            "set needs_float32 = True"
        )


def _assert_close(actual: Tensor, expected: Tensor, tolerance: float, message: str) -> None:
    assert actual.shape == expected.shape, f"{message}: {tuple(actual.shape)} against {tuple(expected.shape)}"
    difference = (actual - expected).abs().amax((0, 1))
    worst = difference.max().item()
    row, column = divmod(int(difference.argmax()), difference.shape[1])
    assert worst <= tolerance, f"{message}: by {worst:.3g} at x = {column}, y = {row}, more than {tolerance:g}"
