"""The network of an operator as an ONNX file, checked against torch."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imgtk import __version__
from imgtk.device import DTYPES
from imgtk.engine.backend import OnnxRuntime
from imgtk.engine.onnx import further_inputs, to_onnx
from imgtk.errors import BackendError, UsageError, WeightsError
from imgtk.geometry import Extent
from imgtk.io.write import check_place, replacing
from imgtk.language.graph import INPUT, Graph
from imgtk.op import ImageOp, in_torch
from imgtk.weights import Card, digest

__all__ = ["EXPORTED", "export", "only_network"]

EXPORTED = ("fp32", "fp16")
"""Number formats that files are written in."""

ALLOWED = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest difference between the file and torch, of values up to 1."""

SHAPES = ((1, 17, 13), (1, 1, 1), (1, 1, 29), (2, 24, 32))
"""Number, height and width of the images that a file is checked on, the sides in multiples of what the network
needs."""


def only_network(graph: Graph, ops: Mapping[int, ImageOp]) -> ImageOp:
    """Return the only operator of a pipeline, of whose graph `ops` has the operators by their stages.

    Raises:
        UsageError: if there are several.
    """
    stages = [node.op for index, node in enumerate(graph.nodes) if index != INPUT]
    if len(stages) != 1 or len(ops) != 1:
        able = dict.fromkeys(graph.nodes[index].op for index, op in ops.items() if op.network is not None)
        raise UsageError(
            f"one operator can be exported at a time, and this pipeline has {', '.join(stages) or 'none'}",
            hint=f"Export by themselves: {', '.join(able)}." if able else "None of them has a network.",
        )
    return next(iter(ops.values()))


def export(op: ImageOp, text: str, path: str | Path, *, dtype: str = "fp32", overwrite: bool = False) -> list[str]:
    """Write the network of `op` as an ONNX file for images of any size (one at a time if it uses their statistics).

    The file appears complete or not at all. Its `metadata_props` describe it: name, operator, architecture, scale,
    input, licence, and the SHA-256 of the weights.

    Args:
        text: the operator with its parameters, as in a pipeline.
        path: the file.
        dtype: "fp32" or "fp16", for weights, input and output.
        overwrite: whether an existing file may be replaced.

    Returns:
        Remarks for the user: that the file was not checked, or that the operator does more than its network.

    Raises:
        UsageError: if the operator has no network, or for another dtype.
        BackendError: if onnx is not installed, or the network cannot be exported faithfully.
        WriteError: if the file cannot be written.
    """
    network = op.network
    if network is None:
        raise UsageError(
            f"{text} has no network that could be exported",
            hint="Operators that run one trained network can be: `imgtk export upscale:esrgan --onnx F`.",
        )
    if dtype not in EXPORTED:
        raise UsageError(f"cannot export in {dtype!r}", hint=f"Use {' or '.join(EXPORTED)}.")
    if find_spec("onnx") is None:
        raise BackendError("exporting needs the package onnx", hint="pip install 'imgtk[onnx]'")
    path = Path(path)
    check_place(path, overwrite)
    notes = []
    single = op.geometry.extent is Extent.STATISTICS
    model = to_onnx(network, DTYPES[dtype], single=single)
    if OnnxRuntime.installed():
        _check(model, network, op.geometry.multiple, dtype, single)
    else:
        notes.append("the file was not checked: onnxruntime is not installed")
    with torch.inference_mode():
        sample = _images(1, 16 * op.geometry.multiple, 24 * op.geometry.multiple)
        op.to(torch.device("cpu"), torch.float32)
        given, own = op(sample), in_torch(network, sample.device, sample.dtype)(sample)
    scale = Fraction(own.shape[2], sample.shape[2])
    same = given.shape == own.shape and torch.allclose(given, own, atol=1e-3)
    if not same or any(op.geometry.periodic):
        notes.append(f"the file holds the network alone, which is x{scale}, and not what {text} does around it")
    content = _described(model, {**_facts(op, text, dtype), "scale": str(scale)})
    with replacing(path) as file:
        file.write(content)
    return notes


def _images(number: int, height: int, width: int) -> Tensor:
    """Return (number, 3, height, width), the same each time, with gradients and noise."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, number * width).view(number, 1, 1, width).expand(number, 3, height, width)
    return (ramp + 0.2 * torch.rand(ramp.shape, generator=generator)) / 1.2


def _check(model: bytes, network: nn.Module, multiple: int, dtype: str, single: bool) -> None:
    """Compare images of several sizes computed by onnxruntime and by torch.

    Raises:
        BackendError: if they differ by more than `ALLOWED`.
    """
    run = OnnxRuntime().compile(model, torch.float32)
    reference = in_torch(network, torch.device("cpu"), DTYPES[dtype])
    for number, height, width in SHAPES:
        x = _images(1 if single else number, height * multiple, width * multiple).to(DTYPES[dtype])
        with torch.inference_mode():
            expected = reference(x)
        others = [other.numpy() for other in further_inputs(reference, x).values()]
        given = torch.from_numpy(run(x.numpy(), *others))
        size = f"{x.shape[3]}x{x.shape[2]}"
        if given.shape != expected.shape:
            raise BackendError(f"the exported network gives another size than torch for an image of {size} pixels")
        difference = float((given.float() - expected.float()).abs().max())
        if not difference <= ALLOWED[dtype] * max(1.0, float(expected.abs().max())):
            raise BackendError(f"the exported network differs from torch by {difference:.2g} at {size} pixels")


def _facts(op: ImageOp, text: str, dtype: str) -> dict[str, str]:
    """Return the metadata of the file. Networks made of several files have lists, in the same order."""
    cards = [_card(file) for file in op.weight_files]
    multiple = op.geometry.multiple
    single = op.geometry.extent is Extent.STATISTICS
    shape = f"({1 if single else 'batch'}, 3, height, width)"
    sides = f", sides multiples of {multiple}" if multiple > 1 else ""
    whole = ", whole images only" if single else ""
    return {
        "name": op.summary().get("weights", ""),
        "operator": text,
        "architecture": type(op.network).__name__,
        "input": f"RGB, 0 to 1, {dtype}, {shape}{sides}{whole}",
        "licence": "; ".join(dict.fromkeys(card.licence for card in cards)),
        "sha256": " ".join(card.sha256 for card in cards),
        "made_by": f"imgtk {__version__}",
    }


def _card(file: Path) -> Card:
    """Return the card beside a file of weights, or one that knows only its name; with the file's own hash."""
    try:
        licence = Card.read(file.with_suffix(".toml")).licence
    except WeightsError:
        licence = "unstated"
    return Card(file.stem, "", "", licence=licence, sha256=digest(file))


def _described(model: bytes, facts: Mapping[str, str]) -> bytes:
    """Return the model with its metadata, valid."""
    import onnx

    described: Any = onnx.load_model_from_string(model)
    described.producer_name, described.producer_version = "imgtk", __version__
    described.graph.name = facts["name"]
    onnx.helper.set_model_props(described, dict(facts))
    onnx.checker.check_model(described, full_check=True)
    content: bytes = described.SerializeToString()
    return content
