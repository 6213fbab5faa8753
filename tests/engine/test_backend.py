"""Networks in other runtimes than torch: the same images, and torch where they cannot or need not."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgtk.engine import backend as backends
from imgtk.engine.backend import OnnxRuntime, OpenVINO, resolve_backend
from imgtk.errors import BackendError, DeviceError
from imgtk.geometry import Extent, Geometry
from imgtk.image import Image
from imgtk.op import ImageOp, OpSpec
from imgtk.params import Integer, Param
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry

CPU = torch.device("cpu")


class Double(nn.Module):
    """A convolution and an enlargement by two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor, gain: float = 0.5) -> Tensor:
        return F.interpolate(x + gain * self.conv(x), scale_factor=2.0, mode="nearest")


class SizeBound(Double):
    """Multiplies by the width of the image, which a trace keeps as a number."""

    def forward(self, x: Tensor, gain: float = 0.5) -> Tensor:
        return super().forward(x, gain) * (float(x.shape[3]) / 64)


class Untraceable(Double):
    """Multiplies by complex numbers, which ONNX has not."""

    def forward(self, x: Tensor, gain: float = 0.5) -> Tensor:
        return super().forward(torch.fft.ifft2(torch.fft.fft2(x.float())).real.to(x.dtype), gain)


class Enlarge(ImageOp):
    """One of the networks above, by number."""

    geometry = Geometry(Fraction(2), halo=1)

    def __init__(self, which: int) -> None:
        self.which = which

    @cached_property
    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return [Double, SizeBound, Untraceable][self.which]().eval().requires_grad_(False)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.forward_fn(x)


class Centred(Enlarge):
    """Its statistics are of the whole image."""

    geometry = Geometry(Fraction(2), halo=1, extent=Extent.STATISTICS)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.apply(x, self.measure(x))

    def measure(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        return self.forward_fn(x - statistics)


@pytest.fixture
def registry() -> Registry:
    which = Param("which", Integer(0), "", 0, positional=True)
    return Registry.of(
        OpSpec("t:enlarge", f"{__name__}:Enlarge", "", (which,)),
        OpSpec("t:centred", f"{__name__}:Centred", "", (which,)),
    )


@pytest.fixture(params=["openvino", "onnxruntime"])
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, reason=f"needs {request.param}")
    return str(request.param)


@pytest.fixture
def openvino() -> None:
    pytest.importorskip("openvino", reason="needs openvino")


def pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("shape", [(31, 45, 3), (1, 1, 3), (1, 17, 1), (64, 32, 3)])
def test_a_backend_gives_what_torch_gives(name: str, shape: tuple[int, int, int]) -> None:
    image = pixels(*shape)
    ours = Pipeline("upscale:compact x4", dtype="fp32", backend="torch")(image).numpy()
    theirs = Pipeline("upscale:compact x4", dtype="fp32", backend=name)
    result = theirs(image)
    assert np.abs(result.numpy().astype(int) - ours).max() <= 1
    assert theirs.plan((45, 31)).rows[1].backend == name
    assert result.notes == ()


def test_dense_blocks_fractional_scales_and_turned_views(name: str) -> None:
    image, text = pixels(13, 11), "upscale:esrgan x2.5 tta=8"
    ours = Pipeline(text, dtype="fp32", backend="torch")(image).numpy()
    theirs = Pipeline(text, dtype="fp32", backend=name)(image).numpy()
    assert np.abs(theirs.astype(int) - ours).max() <= 1


def test_tiles_of_all_sizes_give_the_whole(name: str) -> None:
    image = np.float32(pixels(61, 47)) / 255
    whole = Pipeline("upscale:compact x4", backend=name, tile="off")(image).numpy()
    tiled = Pipeline("upscale:compact x4", backend=name, tile=20)(image).numpy()
    assert np.abs(tiled - whole).max() < 1e-5


def test_results_can_be_repeated(name: str) -> None:
    first, second = (Pipeline("upscale:compact x4", backend=name)(pixels(30, 30)).numpy() for _ in range(2))
    assert (first == second).all()


@pytest.mark.usefixtures("openvino")
def test_bf16_is_as_near_to_fp32_as_in_torch() -> None:
    image = Image(pixels(40, 40))
    exact = Pipeline("upscale:compact x4", dtype="fp32", backend="torch")(image).numpy().astype(int)
    errors = {
        backend: np.abs(Pipeline("upscale:compact x4", dtype="bf16", backend=backend)(image).numpy() - exact).mean()
        for backend in ("torch", "openvino")
    }
    assert errors["openvino"] < 1.2 * errors["torch"]


def test_sixteen_bits_are_computed_in_fp32(name: str) -> None:
    image = Image(pixels(20, 20).astype(np.uint16) * 257)
    ours = Pipeline("upscale:compact x4", backend="torch")(image).numpy()
    theirs = Pipeline("upscale:compact x4", backend=name)(image).numpy()
    assert theirs.dtype == np.uint16
    assert np.abs(theirs.astype(int) - ours).max() <= 8


@pytest.mark.parametrize(("which", "reason"), [(1, "other results"), (2, "cannot be written as ONNX")])
def test_networks_that_cannot_be_translated_stay_in_torch(
    name: str, which: int, reason: str, registry: Registry
) -> None:
    text, image = f"t:enlarge {which}", pixels(21, 33)
    pipeline = Pipeline(text, dtype="fp32", backend=name, registry=registry)
    result = pipeline(image)
    assert (result.numpy() == Pipeline(text, dtype="fp32", backend="torch", registry=registry)(image).numpy()).all()
    (note,) = result.notes
    assert note.startswith(f"torch computes {text.split()[0]}")
    assert reason in note
    assert pipeline.plan((33, 21)).rows[1].backend == "torch"
    assert pipeline(image).notes == ()


def test_statistics_stay_in_torch(name: str, registry: Registry) -> None:
    pipeline = Pipeline("t:centred | t:enlarge", dtype="fp32", backend=name, registry=registry, tile=10)
    assert [row.backend for row in pipeline.plan((33, 21)).rows] == ["", "torch", name]
    ours = Pipeline("t:centred | t:enlarge", dtype="fp32", backend="torch", registry=registry)(pixels(21, 33)).numpy()
    assert np.abs(pipeline(pixels(21, 33)).numpy().astype(int) - ours).max() <= 1


def test_memory_is_planned_as_for_torch(name: str) -> None:
    plans = [
        Pipeline("upscale:compact x4", dtype="fp32", backend=one, max_memory=200_000_000).plan((2000, 1500))
        for one in ("torch", name)
    ]
    assert plans[0].tile == plans[1].tile
    assert plans[1].rows[1].backend == name


def test_out_of_memory_is_told_as_such() -> None:
    def run(x: np.ndarray) -> np.ndarray:
        raise Exception("Failed to allocate memory for requested buffer of size 1")

    with pytest.raises(MemoryError):
        backends._on_tensors(run)(torch.zeros(1, 3, 2, 2))


@pytest.mark.usefixtures("openvino")
def test_auto_takes_openvino_for_images_that_are_worth_it(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BUILDING", 84 * 1000 * 1000 / torch.get_num_threads())  # parameters * pixels
    monkeypatch.setattr(backends, "BUILDING_PARAMETER", 0)
    monkeypatch.setattr(backends.platform, "machine", lambda: "x86_64")
    pipeline = Pipeline("t:enlarge", registry=registry, tile=500, device="cpu")
    found = [pipeline.plan(size).rows[1].backend for size in ((999, 1000), (1000, 1000), (999, 1000))]
    assert found == ["torch", "openvino", "torch"]


def test_auto_is_torch_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_backend("auto", torch.device("cuda")) is None
    monkeypatch.setattr(backends.platform, "machine", lambda: "arm64")
    assert resolve_backend("auto", CPU) is None
    monkeypatch.setattr(backends.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(OpenVINO, "installed", lambda: False)
    assert resolve_backend("auto", CPU) is None


def test_what_cannot_be_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match=r"unknown backend 'tpu'\n  Available: auto, torch, openvino, onnxruntime"):
        resolve_backend("tpu", CPU)
    with pytest.raises(BackendError, match="not on cuda"):
        resolve_backend("openvino", torch.device("cuda"))
    monkeypatch.setattr(OpenVINO, "installed", lambda: False)
    with pytest.raises(BackendError, match=r"openvino is not installed\n  pip install 'imgtk\[openvino\]'"):
        Pipeline("upscale:compact", backend="openvino", device="cpu")


@pytest.mark.parametrize(("kind", "dtype"), [(OpenVINO, "fp16"), (OnnxRuntime, "bf16"), (OnnxRuntime, "fp16")])
def test_number_formats_that_a_backend_lacks(kind: type, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "installed", lambda: True)
    with pytest.raises(DeviceError, match=f"does not support {dtype}"):
        Pipeline("upscale:compact", backend=kind.name, dtype=dtype, device="cpu")
    assert Pipeline("upscale:compact", backend=kind.name, device="cpu").dtype in kind.dtypes
