"""The runtimes that imgtk knows beside torch: OpenVINO and onnxruntime. This module imports neither."""

from __future__ import annotations

from imgtk.backend_spec import BackendSpec
from imgtk.hookspecs import hookimpl


@hookimpl
def imgtk_backends() -> list[BackendSpec]:
    return [
        BackendSpec("openvino", "imgtk.engine.backend:OpenVINO"),
        BackendSpec("onnxruntime", "imgtk.engine.backend:OnnxRuntime"),
    ]
