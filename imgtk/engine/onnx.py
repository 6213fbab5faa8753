"""Networks as ONNX models, which other runtimes read."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from imgtk.errors import BackendError
from imgtk.op import in_torch

__all__ = ["INPUT", "OUTPUT", "to_onnx"]

INPUT, OUTPUT = "input", "output"
"""Names of the model's input and output."""

OPSET = 17
"""Version of the operators: of 2022, so old runtimes know it too, and the first with all that our networks need."""

EXAMPLE = (16, 32)
"""Sides of the images that the network is traced with; they suit networks that fold blocks of up to 16 pixels."""


class _Plain(nn.Module):
    """A network of one argument: the exporter takes defaults of further ones for inputs of the model."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network(x)
        return result


def to_onnx(network: nn.Module, dtype: torch.dtype = torch.float32, *, single: bool = False) -> bytes:
    """An ONNX model that computes what `network` does, for any batch, height and width.

    Args:
        network: (N, 3, H, W) to (N, 3, H * s, W * s), ready for inference; it is left alone.
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
        try:
            torch.onnx.export(
                _Plain(copy),
                (torch.rand(1 if single else 2, 3, *EXAMPLE, dtype=dtype),),
                file,  # type: ignore[arg-type]  # takes one, but does not say so
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={
                    INPUT: {**batch, 2: "height", 3: "width"},
                    OUTPUT: {**batch, 2: "output_height", 3: "output_width"},
                },
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # of many kinds, by what the network does
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BackendError(f"{type(network).__name__} cannot be written as ONNX: {reason}") from error
    return file.getvalue()
