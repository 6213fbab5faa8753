"""Backends: runtimes other than torch that may compute the networks of operators, on the CPU."""

from __future__ import annotations

import io
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from imgtk.engine.onnx import further_inputs, to_onnx
from imgtk.errors import BackendError, DeviceError, PluginError
from imgtk.geometry import Extent
from imgtk.op import ImageOp, in_torch
from imgtk.registry import default

__all__ = ["Backend", "OnnxRuntime", "OpenVINO", "Run", "known_backends", "resolve_backend"]

SAMPLES = ((32, 16), (48, 64))
"""Heights and widths on which a backend is compared with torch before it is used."""

BUILDING, BUILDING_PARAMETER = 5e11, 1e5
"""OpenVINO saves the time that it takes to build once each thread has done so many multiply-adds, and so many for each
parameter. Measured on cores with AVX512-BF16, where it was 1.2 times as fast as torch on RRDBNet, and took 0.2 seconds
(SRVGGNetCompact) to 2.2 seconds (23 blocks) to build."""

Run = Callable[..., np.ndarray]
"""Computes a network: maps (N, 3, H, W), and the further inputs of the model, to (N, 3, H * s, W * s), all float32 and
contiguous."""


class Backend(ABC):
    """A runtime that reads ONNX models. A call builds a network; the backend keeps what it has built.

    Args:
        sparing: use it only for networks and images for which building saves time.
    """

    name: ClassVar[str]
    extra: ClassVar[str] = ""
    """The extra of imgtk that installs it; empty for runtimes of plugins."""
    requires: ClassVar[str] = ""
    """The importable name of the runtime; by default that of the backend."""
    dtypes: ClassVar[tuple[torch.dtype, ...]]
    """The number formats that it computes in."""

    def __init__(self, sparing: bool = False) -> None:
        self.sparing = sparing
        self._built: WeakKeyDictionary[nn.Module, dict[torch.dtype, Callable[[Tensor], Tensor]]] = WeakKeyDictionary()
        self._refused: WeakSet[nn.Module] = WeakSet()

    @classmethod
    def installed(cls) -> bool:
        return find_spec(cls.requires or cls.name) is not None

    @classmethod
    def package(cls) -> str:
        """Return what to install, as pip takes it on the command line."""
        return f"'imgtk[{cls.extra}]'" if cls.extra else cls.requires or cls.name

    @abstractmethod
    def compile(self, model: bytes, dtype: torch.dtype) -> Run:
        """Make an ONNX model, whose images are float32, ready to be computed in one of `dtypes`, with as many threads
        as torch has."""

    def dtype(self, asked: str, resolved: torch.dtype) -> torch.dtype:
        """Return the number format for a run in which the user asked for one, or for "auto", which torch resolves so.

        Raises:
            DeviceError: if the backend does not compute in what was asked for.
        """
        if resolved in self.dtypes:
            return resolved
        if asked == "auto":
            return torch.float32
        raise DeviceError(f"{self.name} does not support {asked}", hint="Leave out --dtype, or --backend.")

    def takes(self, op: ImageOp, dtype: torch.dtype, pixels: int) -> bool:
        """Return whether it computes the network of `op` in `dtype`, for images of so many pixels.

        Operators that need statistics of the whole image stay with torch, because they use inner values of their
        network.
        """
        network = op.network
        if network is None or op.geometry.extent is not Extent.LOCAL or dtype not in self.dtypes:
            return False
        return network not in self._refused and (not self.sparing or _worthwhile(network, pixels))

    def __call__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor]:
        """Return a function that computes `network`: (N, 3, H, W), and what else it takes, to (N, 3, H * s, W * s), in
        the dtype of its input.

        Raises:
            BackendError: if it cannot, or not well; it then no longer `takes` this network.
        """
        built = self._built.setdefault(network, {})
        if dtype not in built:
            try:
                forward_fn = _on_tensors(self.compile(to_onnx(network), dtype))
                _compare(forward_fn, network, dtype)
            except BackendError:
                self._refused.add(network)
                raise
            except Exception as error:  # the runtimes have kinds of their own
                self._refused.add(network)
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise BackendError(f"{self.name} cannot read {type(network).__name__}: {reason}") from error
            built[dtype] = forward_fn
        return built[dtype]


class OpenVINO(Backend):
    """Computes networks in OpenVINO, in float32 or bfloat16."""

    name = "openvino"
    extra = "openvino"
    dtypes = (torch.float32, torch.bfloat16)

    def compile(self, model: bytes, dtype: torch.dtype) -> Run:
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",  # all threads on one tile
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
        }
        request = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", settings).create_infer_request()

        def run(*inputs: np.ndarray) -> np.ndarray:
            result: np.ndarray = request.infer(list(inputs))[0]
            return result

        return run


class OnnxRuntime(Backend):
    """Computes networks in onnxruntime, in float32."""

    name = "onnxruntime"
    extra = "onnx"
    dtypes = (torch.float32,)

    def compile(self, model: bytes, dtype: torch.dtype) -> Run:
        import onnxruntime

        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        names = [given.name for given in session.get_inputs()]

        def run(*inputs: np.ndarray) -> np.ndarray:
            result: np.ndarray = session.run(None, dict(zip(names, inputs, strict=True)))[0]
            return result

        return run


def known_backends() -> dict[str, type[Backend]]:
    """Return the backends of the installed plugins, by name.

    Raises:
        PluginError: if one cannot be imported.
    """
    found: dict[str, type[Backend]] = {}
    for name, spec in default().brought("imgtk_backends").items():
        module, _, attribute = spec.impl.partition(":")
        try:
            found[name] = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"cannot import the backend {name}, {spec.impl}: {error}") from error
    return found


def resolve_backend(name: str, device: torch.device) -> Backend | None:
    """Return the backend of that name; None for torch alone.

    "auto" takes OpenVINO where it is installed, on x86 processors, for networks and images that are worth it.

    Raises:
        BackendError: if it is not installed, or is not for this device.
        DeviceError: if there is none of that name.
    """
    if name == "torch":
        return None
    if name == "auto":
        usable = device.type == "cpu" and platform.machine().lower() in ("x86_64", "amd64") and OpenVINO.installed()
        return OpenVINO(sparing=True) if usable else None
    known = known_backends()
    if name not in known:
        raise DeviceError(f"unknown backend {name!r}", hint=f"Available: auto, torch, {', '.join(known)}.")
    kind = known[name]
    if device.type != "cpu":
        raise BackendError(
            f"the backend {name} computes on the CPU, not on {device}", hint="Add --device cpu, or use torch."
        )
    if not kind.installed():
        raise BackendError(f"the backend {name} is not installed", hint=f"pip install {kind.package()}")
    return kind()


def _worthwhile(network: nn.Module, pixels: int) -> bool:
    """Return whether computing so many pixels takes so long that OpenVINO saves more time than building costs."""
    parameters = sum(p.numel() for p in network.parameters())
    return parameters * pixels >= torch.get_num_threads() * (BUILDING + BUILDING_PARAMETER * parameters)


def _on_tensors(run: Run) -> Callable[..., Tensor]:
    def forward_fn(x: Tensor, *others: Tensor) -> Tensor:
        try:
            result = run(*(given.float().contiguous().numpy() for given in (x, *others)))
        except Exception as error:
            if "alloc" in str(error).lower():  # each runtime has its own kind
                raise MemoryError(str(error)) from None
            raise
        return torch.from_numpy(result).to(x.dtype)

    return forward_fn


def _compare(forward_fn: Callable[..., Tensor], network: nn.Module, dtype: torch.dtype) -> None:
    """Check that a network was translated faithfully: a trace may have kept values of one size.

    Raises:
        BackendError: if not.
    """
    reference = in_torch(network, torch.device("cpu"), torch.float32)
    allowed = 1e-3 if dtype == torch.float32 else 0.05
    for height, width in SAMPLES:
        x = torch.linspace(0, 1, 3 * height * width).reshape(3, height, width)[None]
        others = further_inputs(reference, x).values()
        expected, given = reference(x), forward_fn(x, *others)
        scale = max(1.0, float(expected.abs().max()))
        if given.shape != expected.shape or not (given - expected).abs().max() <= allowed * scale:
            raise BackendError(f"{type(network).__name__} gives other results there than in torch")
