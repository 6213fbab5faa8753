"""What a pipeline gives the operators that it builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imgtk.context import BuildContext
from imgtk.engine import Settings
from imgtk.errors import PluginError, WeightsError
from imgtk.geometry import Geometry
from imgtk.image import Image
from imgtk.op import ImageOp, OpSpec
from imgtk.params import Integer, Number, Param
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing import check_op
from imgtk.upscaling import upscaler
from imgtk.upscaling.network import UpscalingNetwork
from imgtk.weights import Card, save
from imgtk.weights.architecture import Architecture, State


class Shade(ImageOp):
    """Multiply by what the context's seed draws."""

    geometry = Geometry()

    def __init__(self, strength: float, *, context: BuildContext, seed: int | None = None) -> None:
        self.context = context
        generator = torch.Generator().manual_seed(context.seed if seed is None else seed)
        self.factor = 1 - strength * float(torch.rand(1, generator=generator))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * self.factor


class Plain(ImageOp):
    """Asks for nothing; what else it is given, it keeps."""

    geometry = Geometry()

    def __init__(self, **given: Any) -> None:
        self.given = given

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x


class Doubled(UpscalingNetwork):
    """Repeat pixels, in a brightness of its own."""

    scale = 2
    halo = 0

    def __init__(self) -> None:
        super().__init__()
        self.brightness_of_doubled = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=2.0) * self.brightness_of_doubled


def detect(state: State) -> tuple[nn.Module, State] | None:
    with torch.device("meta"):
        return (Doubled(), state) if "brightness_of_doubled" in state else None


STRENGTH = Param("strength", Number(0, 1), "", default=1.0)
SEED = Param("seed", Integer(0), "", default=None)
SHADE = OpSpec("t:shade", f"{__name__}:Shade", "", (STRENGTH, SEED))
PLAIN = OpSpec("t:plain", f"{__name__}:Plain", "", (STRENGTH,))
DOUBLED = Architecture("Doubled", f"{__name__}:detect", "this test", operator="upscale:test")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "doubled.safetensors"
    save(path, Doubled().state_dict(), Card("doubled", "", "Doubled"))
    return path


def test_who_asks_is_given_it() -> None:
    context = BuildContext(packages=("somewhere",), seed=3)
    assert SHADE.build(context).context is context  # type: ignore[attr-defined]
    assert PLAIN.build(context).given == {"strength": 1.0}  # type: ignore[attr-defined]


def test_no_parameter_may_have_its_name() -> None:
    param = Param("context", Number(0, 1), "", default=1.0)
    with pytest.raises(PluginError, match="t:plain: no parameter can be called 'context'"):
        Registry.of(OpSpec("t:plain", f"{__name__}:Plain", "", (param,)))


def test_the_seed_is_the_pipelines_unless_a_stage_has_its_own() -> None:
    registry = Registry.of(SHADE)
    image = Image(np.full((5, 7, 3), 200, np.uint8))

    def shaded(text: str, **settings: Any) -> int:
        return int(Pipeline(text, device="cpu", registry=registry, **settings)(image).pixels[0, 0, 0])

    assert shaded("t:shade") == shaded("t:shade", seed=0) == shaded("t:shade seed=0", seed=1)
    assert shaded("t:shade", seed=1) == shaded("t:shade seed=1") != shaded("t:shade")
    assert shaded("t:shade", settings=Settings(seed=1)) == shaded("t:shade", seed=1)


def test_architectures_are_those_of_the_pipelines_registry(file: Path) -> None:
    """No installed plugin knows them, and others know nothing of installed plugins."""
    spec = upscaler("test", "", package="imgtk_esrgan", models={})
    text, image = f"upscale:test x2 model='{file}'", Image(np.full((5, 7, 3), 200, np.uint8))
    registry = Registry.of(spec, architectures=[DOUBLED])
    assert (Pipeline(text, device="cpu", registry=registry, dtype="fp32")(image).pixels == 100).all()
    with pytest.raises(WeightsError, match=r"unknown architecture.*") as error:
        Pipeline(text, device="cpu", registry=Registry.of(spec, architectures=default().architectures))(image)
    assert "Doubled" not in str(error.value.hint)
    with pytest.raises(WeightsError, match=r"unknown architecture.*"):
        Pipeline("upscale:test x2 model=compact-x2", device="cpu", registry=registry)(image)
    check_op(spec, registry=registry, model=str(file), scale=2, sizes=[(9, 7), (1, 1)])


def test_two_architectures_of_one_name() -> None:
    with pytest.raises(PluginError, match="'Doubled'"):
        Registry.of(architectures=[DOUBLED, DOUBLED])


def test_packages_are_those_of_the_pipelines_registry() -> None:
    spec = upscaler("test", "", package="imgtk_gramstyle", models={})
    alone, beside = Registry.of(spec), Registry.of(spec, packages=["imgtk_esrgan"])
    assert beside.build("upscale:test", model="compact-x4").paths  # type: ignore[attr-defined]
    with pytest.raises(WeightsError, match="'compact-x4' is neither shipped"):
        alone.build("upscale:test", model="compact-x4")
