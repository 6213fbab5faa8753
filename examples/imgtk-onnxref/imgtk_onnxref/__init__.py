"""The reference implementation of ONNX as a backend. This module imports no library."""

from imgtk import hookimpl
from imgtk.backend_spec import BackendSpec


@hookimpl
def imgtk_backends() -> list[BackendSpec]:
    return [BackendSpec("onnxref", "imgtk_onnxref.backend:OnnxReference")]
