"""The engine through `Pipeline`, with operators made for the purpose: fused tiles, memory, overflow, sharing."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from imgtk.engine import plan as planning
from imgtk.engine.plan import Plan, choose_tile
from imgtk.engine.render import Progress, Renderer
from imgtk.engine.stages import plan_stages
from imgtk.errors import DeviceError, ImgtkError, MemoryLimitError, UsageError
from imgtk.geometry import Box, Extent, Geometry, Size, Window, cut
from imgtk.language.graph import Graph, Node
from imgtk.op import Facts, ImageOp, OpSpec
from imgtk.params import ImageInput, Integer, Param
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry
from imgtk.testing import check_op


class Smooth(ImageOp):
    """Box filter of radius `radius`, replicated borders."""

    calls: ClassVar[list[tuple[int, ...]]] = []
    fail_above: ClassVar[int] = 10**9

    def __init__(self, radius: int = 1, scale: int = 1) -> None:
        self.radius, self.scale = radius, scale

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(Fraction(self.scale), halo=self.radius, multiple=2)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        Smooth.calls.append(tuple(x.shape))
        if x.shape[2] * x.shape[3] > Smooth.fail_above:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        padded = F.pad(x, [self.radius] * 4, mode="replicate")
        smooth = F.avg_pool2d(padded, 2 * self.radius + 1, 1)
        return F.interpolate(smooth, scale_factor=self.scale) if self.scale > 1 else smooth


class Normalise(ImageOp):
    """Subtract the mean of the whole image, mirrored to even sides."""

    geometry = Geometry(multiple=2, extent=Extent.STATISTICS)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.apply(x, self.measure(x))

    def measure(self, x: Tensor) -> Any:
        assert x.shape[2] % 2 == x.shape[3] % 2 == 0
        return x.float().mean((2, 3), keepdim=True)

    def apply(self, x: Tensor, statistics: Any) -> Tensor:
        return x - statistics.to(x.dtype) + 0.5


class Shade(ImageOp):
    """Subtract the mean of the whole image, and what lies to the left of a pixel, relative to the width."""

    geometry = Geometry(multiple=2, halo=1, extent=Extent.STATISTICS)
    facts = Facts(position_dependent=True)
    measured: ClassVar[list[Size]] = []

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        window = Window(Box.of(size), size, Box.of(size), size)
        return self.render(x, window=window, statistics=self.measure(x))

    def check(self, size: Size) -> None:
        if size.width > 1000:
            raise UsageError(f"{size} is too wide")

    def measure(self, x: Tensor) -> Tensor:
        Shade.measured.append(Size(x.shape[3], x.shape[2]))
        return x.float().mean((2, 3), keepdim=True)

    def render(self, *inputs: Tensor, window: Window, statistics: Tensor | None = None) -> Tensor:
        assert statistics is not None
        x = cut(inputs[0], window.output.shifted(-window.input.left, -window.input.top))
        ramp = torch.arange(window.output.left, window.output.right, dtype=x.dtype, device=x.device)
        ramp = ramp / window.output_size.width
        return x - statistics.to(x.dtype) + ramp / 2


class Flip(ImageOp):
    """Needs the whole image."""

    geometry = Geometry(extent=Extent.WHOLE)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.flip(3)


class Half(ImageOp):
    """Every second pixel."""

    geometry = Geometry(Fraction(1, 2), multiple=2)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]


class Mean(ImageOp):
    """The average of two images, in float32."""

    geometry = Geometry()
    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return (x + others[0]) / 2


class Overflow(ImageOp):
    """Infinite in reduced precision."""

    geometry = Geometry()

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x if x.dtype == torch.float32 else x / 0


class Poison(Overflow):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * float("nan")


class Hungry(ImageOp):
    """Out of memory above `limit` pixels."""

    geometry = Geometry()

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        if x.shape[2] * x.shape[3] > self.limit:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        return x + 0.25


def spec(name: str, kind: type, *params: Param, **more: Any) -> OpSpec:
    return OpSpec(name, f"{__name__}:{kind.__name__}", name, params, **more)


@pytest.fixture
def registry() -> Registry:
    radius = Param("radius", Integer(0), "", 1, positional=True)
    scale = Param("scale", Integer(1), "", 1)
    limit = Param("limit", Integer(0), "", positional=True)
    return Registry.of(
        spec("t:smooth", Smooth, radius, scale),
        spec("t:normalise", Normalise),
        spec("t:shade", Shade),
        spec("t:flip", Flip),
        spec("t:half", Half),
        spec("t:mean", Mean, Param("other", ImageInput(), "", positional=True)),
        spec("t:overflow", Overflow),
        spec("t:poison", Poison),
        spec("t:hungry", Hungry, limit),
    )


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((61, 83, 3), dtype=np.float32)


CHAINS = [
    "t:smooth 3",
    "t:smooth 3 scale=4 | t:smooth 9 | t:smooth 2 scale=2",
    "t:smooth 2 | t:normalise | t:smooth 5",
    "t:smooth 2 scale=2 | t:flip | t:smooth 5",
    "t:smooth 4 as s | t:smooth 7 | t:mean @s",
    "t:smooth scale=2 | t:mean ( @in | t:smooth 6 scale=2 )",
    "t:flip | t:normalise | t:flip",
    "t:smooth 2 scale=2 | t:shade | t:smooth 5 | t:shade",
]


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("tile", [1, 16, 37])
def test_tiled_is_untiled(chain: str, tile: int, registry: Registry, image: np.ndarray) -> None:
    image = image[:19, :23] if tile == 1 else image
    whole = Pipeline(chain, registry=registry, tile="off", dtype="fp32")(image).numpy()
    tiled = Pipeline(chain, registry=registry, tile=tile, dtype="fp32")(image).numpy()
    assert np.abs(tiled - whole).max() < 1e-5
    assert whole.std() > 0.005


def test_statistics_of_a_large_image_come_from_a_thumbnail(
    registry: Registry, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgtk.engine.statistics.MEASURED_PIXELS", 400)
    monkeypatch.setattr("imgtk.engine.render.MEASURED_PIXELS", 400)
    monkeypatch.setattr(planning, "MEASURED_PIXELS", 400)
    gradient = np.linspace(0, 1, 83, dtype=np.float32)[None, :, None] * np.ones((61, 1, 3), np.float32)
    run = [
        Pipeline("t:smooth 2 scale=2 | t:normalise", registry=registry, tile=tile, dtype="fp32")(gradient).numpy()
        for tile in ("off", 20)
    ]
    assert np.abs(run[0] - run[1]).max() < 1e-5
    assert abs(run[0].mean() - 0.5) < 0.01


def test_a_shared_stage_runs_once_per_tile(registry: Registry, image: np.ndarray) -> None:
    Smooth.calls.clear()
    Pipeline("t:smooth 4 as s | t:mean @s", registry=registry, tile="off")(image)
    assert len(Smooth.calls) == 1


def test_no_full_size_intermediate_exists_in_a_local_chain(registry: Registry, image: np.ndarray) -> None:
    Smooth.calls.clear()
    plan = Pipeline("t:smooth 1 scale=4 | t:smooth 1", registry=registry, tile=20).plan((83, 61))
    assert not any(stage.stored for stage in plan.stages)
    Pipeline("t:smooth 1 scale=4 | t:smooth 1", registry=registry, tile=20)(image)
    assert max(shape[2] * shape[3] for shape in Smooth.calls) < 90 * 90


def test_overflow_in_reduced_precision_is_computed_again(registry: Registry, image: np.ndarray) -> None:
    pipeline = Pipeline("t:overflow", registry=registry, dtype="bf16", tile=50)
    result = pipeline(image)
    assert np.allclose(result.numpy(), image)
    assert len(result.notes) == 4
    assert "computed in float32" in result.notes[0]


def test_lasting_nan_is_an_error(registry: Registry, image: np.ndarray) -> None:
    with pytest.raises(ImgtkError, match=r"t:poison gave NaN"):
        Pipeline("t:poison", registry=registry, dtype="bf16")(image)


def test_tiles_halve_until_they_fit_and_nothing_is_lost(registry: Registry, image: np.ndarray) -> None:
    pipeline = Pipeline("t:hungry 500", registry=registry, dtype="fp32")
    seen: list[Progress] = []
    result = pipeline(image, seen.append)
    assert np.allclose(result.numpy(), image + 0.25)
    assert any("halved" in note for note in result.notes)
    assert seen[-1].done == seen[-1].total


def test_memory_that_never_suffices_is_a_clear_error(registry: Registry, image: np.ndarray) -> None:
    with pytest.raises(MemoryLimitError, match=r"out of memory on cpu at t:hungry"):
        Pipeline("t:hungry 0", registry=registry)(image)


def test_other_runtime_errors_pass(registry: Registry, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Renderer, "_compute", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        Pipeline("t:smooth", registry=registry)(image)


def test_max_memory_makes_small_tiles(registry: Registry) -> None:
    roomy = Pipeline("t:smooth 3 scale=4", registry=registry).plan((4000, 3000))
    tight = Pipeline("t:smooth 3 scale=4", registry=registry, max_memory=8_000_000).plan((4000, 3000))
    assert tight.tile is not None
    assert roomy.tile is not None
    assert tight.tile < roomy.tile
    assert tight.peak is not None
    assert tight.peak <= 8_000_000


def test_max_memory_below_the_smallest_tile(registry: Registry) -> None:
    with pytest.raises(MemoryLimitError, match=r"smallest tile.*bytes that may"):
        Pipeline("t:smooth 3 scale=4", registry=registry, max_memory=1000).plan((4000, 3000))


def test_choose_tile() -> None:
    def whole(width: int, height: int) -> Plan:
        stages = plan_stages(Graph((Node("in"),), 0), {}, Size(width, height), torch.float32)
        return Plan(stages, 0, None, torch.device("cpu"))

    assert choose_tile(whole(100, 100), 0, 100, 10**9) is None
    assert choose_tile(whole(1000, 1000), 0, 100, 10**6) == 100
    assert choose_tile(whole(1, 1), 10, 100, 110) is None
    with pytest.raises(MemoryLimitError):
        choose_tile(whole(1000, 1000), 0, 100, 10_000)


def test_large_halos_are_stored_instead_of_computed_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.engine.session.WORKING", 40_000_000)
    plan = Pipeline("t:smooth 1 | t:smooth 200", registry=registry).plan((3000, 3000))
    fused = Pipeline("t:smooth 1 | t:smooth 1", registry=registry).plan((3000, 3000))
    assert plan.stages[1].stored
    assert "would be computed" in plan.stages[1].note
    assert not fused.stages[1].stored


def test_images_of_different_sizes_do_not_meet(registry: Registry, image: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"t:mean needs images of one size, but gets 166x122 and 83x61"):
        Pipeline("t:smooth scale=2 | t:mean @in", registry=registry)(image)


@pytest.mark.parametrize("settings", [{"device": "cuda:99"}, {"device": "abacus"}, {"dtype": "int3"}])
def test_what_the_machine_has_not_got(settings: dict[str, str], registry: Registry) -> None:
    with pytest.raises(DeviceError, match=r"available|no device|unknown number format"):
        Pipeline("t:smooth", registry=registry, **settings)


@pytest.mark.parametrize("tile", [0, -3, "big", 2.5])
def test_wrong_tiles(tile: Any, registry: Registry) -> None:
    with pytest.raises(UsageError, match="tile must be"):
        Pipeline("t:smooth", registry=registry, tile=tile)


def test_the_input_is_not_changed(registry: Registry, image: np.ndarray) -> None:
    before = image.copy()
    Pipeline("t:overflow", registry=registry, dtype="fp32")(image)
    assert np.array_equal(before, image)


def test_overflow_is_seen_behind_a_stage_that_computes_in_float32(registry: Registry, image: np.ndarray) -> None:
    pipeline = Pipeline("t:overflow | t:mean @in", registry=registry, dtype="bf16", tile=50)
    result = pipeline(image)
    assert np.allclose(result.numpy(), image)
    assert len(result.notes) == 4


def test_deep_images_are_computed_in_float32_unless_told_otherwise(registry: Registry) -> None:
    ramp = np.linspace(0, 60000, 4000, dtype=np.uint16).reshape(1, -1, 1).repeat(3, 2)
    assert len(np.unique(Pipeline("t:smooth 0", registry=registry)(ramp).numpy())) == 4000
    assert len(np.unique(Pipeline("t:smooth 0", registry=registry, dtype="bf16")(ramp).numpy())) < 2000


def test_one_stage_that_needs_everything_does_not_switch_tiling_off(registry: Registry) -> None:
    plan = Pipeline("t:smooth 1 scale=4 | t:flip", registry=registry, max_memory=20_000_000).plan((4000, 3000))
    assert plan.tile is not None
    assert plan.peak is not None
    assert plan.peak <= 20_000_000


def test_max_memory_counts_halos(registry: Registry) -> None:
    plan = Pipeline("t:smooth 100", registry=registry, max_memory=8_000_000).plan((4000, 3000))
    near = Pipeline("t:smooth 1", registry=registry, max_memory=8_000_000).plan((4000, 3000))
    assert plan.tile is not None
    assert near.tile is not None
    assert plan.tile < near.tile - 150


def test_half_and_back_meets_the_original_when_memory_is_measured(registry: Registry) -> None:
    chain = "t:half | t:half | t:smooth scale=2 | t:smooth scale=2 | t:mean @in | t:smooth scale=3"
    assert Pipeline(chain, registry=registry, max_memory=10**9).plan((4000, 3000)).output_size == (12000, 9000)


def test_statistics_of_a_large_image_behind_stored_stages(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgtk.engine.statistics.MEASURED_PIXELS", 400)
    monkeypatch.setattr("imgtk.engine.render.MEASURED_PIXELS", 400)
    monkeypatch.setattr(planning, "MEASURED_PIXELS", 400)
    pixels = np.full((60, 60, 3), 200, np.uint8)
    chain = f"t:smooth | save '{tmp_path / 's.png'}' | t:flip | t:half | t:smooth scale=2 | t:mean @in | t:normalise"
    result = Pipeline(chain, registry=registry, tile=20)(pixels).numpy()
    assert np.abs(result.astype(int) - 128).max() <= 1


def test_a_image_that_is_tiled_after_all_keeps_its_statistics(
    registry: Registry, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradient = np.linspace(0, 1, 83, dtype=np.float32)[None, :, None] * np.ones((61, 1, 3), np.float32)
    chain = "t:normalise | t:smooth 1"
    whole = Pipeline(chain, registry=registry, tile="off")(gradient).numpy()
    monkeypatch.setattr(Smooth, "fail_above", 3000)
    assert np.abs(Pipeline(chain, registry=registry)(gradient).numpy() - whole).max() < 1e-5


def test_position_dependent_operators_are_given_statistics_of_all_of_the_image(
    registry: Registry, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_op(registry.spec("t:shade"))
    Shade.measured.clear()
    Smooth.calls.clear()
    Pipeline("t:smooth 1 | t:shade | t:half | t:half", registry=registry, tile="off", dtype="fp32")(image)
    assert Shade.measured == [Size(84, 62)]
    assert len(Smooth.calls) == 1
    monkeypatch.setattr("imgtk.engine.statistics.MEASURED_PIXELS", 400)
    monkeypatch.setattr("imgtk.engine.render.MEASURED_PIXELS", 400)
    monkeypatch.setattr(planning, "MEASURED_PIXELS", 400)
    gradient = np.linspace(0, 1, 83, dtype=np.float32)[None, :, None] * np.ones((61, 1, 3), np.float32)
    run = [
        Pipeline("t:shade | t:smooth 2 | t:shade", registry=registry, tile=tile, dtype="fp32")(gradient).numpy()
        for tile in ("off", 20)
    ]
    assert np.abs(run[0] - run[1]).max() < 1e-5
    assert all(size.pixels < 500 for size in Shade.measured[1:])


def test_operators_refuse_sizes_before_anything_is_computed(registry: Registry) -> None:
    pipeline = Pipeline("t:smooth scale=4 | t:shade", registry=registry)
    assert pipeline.plan((250, 10)).output_size == (1000, 40)
    Smooth.calls.clear()
    with pytest.raises(UsageError, match="1004x40 is too wide"):
        pipeline(np.zeros((10, 251, 3), np.uint8))
    assert not Smooth.calls


@pytest.mark.parametrize("shape", [(1, 300, 3), (300, 1, 3), (1, 1, 3)])
def test_lasting_lack_of_memory_ends_for_narrow_images_too(shape: tuple[int, ...], registry: Registry) -> None:
    with pytest.raises(MemoryLimitError):
        Pipeline("t:hungry 0", registry=registry)(np.zeros(shape, np.uint8))


def test_a_result_that_cannot_fit_is_refused_before_computing(registry: Registry) -> None:
    with pytest.raises(MemoryLimitError, match="need"):
        Pipeline("t:smooth scale=64 | t:smooth scale=64 | t:smooth scale=64", registry=registry, tile=1)(
            np.zeros((40, 40, 3), np.uint8)
        )


def test_the_output_may_be_a_stage_that_is_also_read(registry: Registry, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    chain = f"t:flip as x | save '{tmp_path / 'a.png'}' ; @x"
    assert np.array_equal(Pipeline(chain, registry=registry)(pixels).numpy(), pixels[:, ::-1])
    assert (tmp_path / "a.png").exists()


def test_two_saves_of_one_file_are_refused(registry: Registry, tmp_path: Path) -> None:
    chain = f"save '{tmp_path / 'a.png'}' | t:flip | save '{tmp_path / 'a.png'}'"
    with pytest.raises(UsageError, match="two save stages"):
        Pipeline(chain, registry=registry, overwrite=True)(np.zeros((4, 4, 3), np.uint8))


def test_gray_through_many_branches_is_quick(registry: Registry) -> None:
    chain = "t:smooth 0 as s0" + "".join(f" | t:mean @s{i} as s{i + 1}" for i in range(60))
    assert Pipeline(chain, registry=registry)(np.full((4, 4), 7, np.uint8)).gray
