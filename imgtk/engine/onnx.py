"""Networks as ONNX models, which other runtimes read."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from imgtk.errors import BackendError
from imgtk.op import in_torch

__all__ = ["INPUT", "OUTPUT", "further_inputs", "to_onnx"]

INPUT, OUTPUT = "input", "output"
"""Names of the model's input and output."""

OPSET = 17
"""Version of the operators: of 2022, so old runtimes know it too, and the first with all that our networks need."""

EXAMPLE = (16, 32)
"""Sides of the images that the network is traced with; they suit networks that fold blocks of up to 16 pixels."""


class _Plain(nn.Module):
    """A network of an image and further inputs: the exporter takes defaults of other arguments for inputs as well."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        if others:
            result: Tensor = self.network.with_inputs(x, *others)  # type: ignore[operator]
        else:
            result = self.network(x)
        return result


def further_inputs(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return what a network takes beside the image `x`, by name, for an image that starts at the origin: its noise."""
    given = getattr(network, "further_inputs", None)
    return given(x) if given else {}


def to_onnx(network: nn.Module, dtype: torch.dtype = torch.float32, *, single: bool = False) -> bytes:
    """Return an ONNX model that computes what `network` does, for any batch, height and width.

    Args:
        network: (N, 3, H, W) to (N, 3, H * s, W * s), ready for inference; it is left alone. What it takes beside the
            image (`further_inputs`: noise) become further inputs of the model, by name.
        dtype: float32 or float16, of the images and the weights.
        single: for batches of one image only, for which networks may have a shorter way.

    Raises:
        BackendError: if the network has something that ONNX has not.
    """
    file = io.BytesIO()
    batch = {} if single else {0: "batch"}
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # The exporter that traces is to go one day, and says so. It takes a tenth of the time of torch.export, needs no
        # further package, and gives the same graph.
        warnings.simplefilter("ignore")
        copy = in_torch(network, torch.device("cpu"), dtype).eval()
        example = torch.rand(1 if single else 2, 3, *EXAMPLE, dtype=dtype)
        others = further_inputs(copy, example)
        try:
            torch.onnx.export(
                _Plain(copy),
                (example, *others.values()),
                file,  # type: ignore[arg-type]  # takes one, but does not say so
                input_names=[INPUT, *others],
                output_names=[OUTPUT],
                dynamic_axes={
                    INPUT: {**batch, 2: "height", 3: "width"},
                    **{name: {2: f"{name}_height", 3: f"{name}_width"} for name in others},
                    OUTPUT: {**batch, 2: "output_height", 3: "output_width"},
                },
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # of many kinds, by what the network does
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BackendError(f"{type(network).__name__} cannot be written as ONNX: {reason}") from error
    return file.getvalue()
