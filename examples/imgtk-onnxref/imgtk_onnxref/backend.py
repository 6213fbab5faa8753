"""Networks by `onnx.reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator

from imgtk.engine.backend import Backend, Run


class OnnxReference(Backend):
    name = "onnxref"
    requires = "onnx"
    dtypes = (torch.float32,)

    def compile(self, model: bytes, dtype: torch.dtype) -> Run:
        evaluator: Any = ReferenceEvaluator(onnx.load_from_string(model))
        names = evaluator.input_names

        def run(*inputs: np.ndarray) -> np.ndarray:
            result: np.ndarray = evaluator.run(None, dict(zip(names, inputs, strict=True)))[0]
            return result

        return run
