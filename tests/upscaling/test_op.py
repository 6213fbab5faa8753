"""`tta` and `tileable` of the upscalers, on small random networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from imgtk.image import Image
from imgtk.op import OpSpec
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing import check_op
from imgtk.upscaling.op import self_ensemble
from imgtk.weights import Card, save

from .conftest import NETWORKS, image

Run = Callable[..., Tensor]

FOLDED = {"rrdb-x2"}
"""Networks that fold the input, into blocks of two pixels."""


def turned(x: Tensor, turns: int, flip: bool) -> Tensor:
    x = x.rot90(turns, (2, 3))
    return x.flip(3) if flip else x


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("scale", ["x4", "x2.5"])
def test_turning_the_image_turns_the_ensemble(run: Run, name: str, scale: str) -> None:
    x = image(14, 10)  # sides that folding does not pad
    y = run(x, name, scale=scale, tta=8)
    assert (y - run(x, name, scale=scale)).abs().max() > 1e-3  # it is not what one view gives
    for turns, flip in ((1, False), (2, False), (3, True), (0, True)):
        again = run(turned(x, turns, flip), name, scale=scale, tta=8)
        assert (again - turned(y, turns, flip)).abs().max() < 1e-5


def test_the_ensemble_is_the_mean_of_eight_views() -> None:
    """Of a function that knows where it is, by hand."""
    x = image(3, 2)

    def network(view: Tensor) -> Tensor:
        return view * torch.linspace(0, 1, view.shape[3]).exp()

    views = [turned(network(turned(x, t, False)), -t, False) for t in range(4)]
    views += [network(turned(x, t, True)).flip(3).rot90(-t, (2, 3)) for t in range(4)]
    before = x.clone()
    assert (self_ensemble(network, x) - torch.stack(views).mean(0)).abs().max() < 1e-6
    assert torch.equal(x, before)
    assert self_ensemble(network, x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_of_an_ensemble(run: Run, name: str) -> None:
    x = image(41, 27)
    assert (run(x, name, tta=8, tile=13) - run(x, name, tta=8)).abs().max() < 1e-5


def rolled(x: Tensor, across: int, down: int) -> Tensor:
    return x.roll((down, across), (2, 3))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("scale", "factor"), [("x4", 4), ("x2", 2), ("x2.5", 2.5)])
@pytest.mark.parametrize("size", [(24, 16), (4, 6)], ids=str)
def test_a_rolled_texture_gives_the_rolled_result(
    run: Run, name: str, scale: str, factor: float, size: tuple[int, int]
) -> None:
    """There is no seam: the border is like any other place. (4, 6) is far smaller than the halo."""
    x = image(*size)
    y = run(x, name, scale=scale, tileable="both")
    again = run(rolled(x, 2, 4), name, scale=scale, tileable="both")
    assert (again - rolled(y, int(2 * factor), int(4 * factor))).abs().max() < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("axis", "periodic", "other"), [("x", 3, 2), ("y", 2, 3)])
def test_one_axis_alone(run: Run, name: str, axis: str, periodic: int, other: int) -> None:
    x = image(24, 22)
    y = run(x, name, tileable=axis)
    for dim, expected in ((periodic, True), (other, False)):
        again = run(x.roll(6, dim), name, tileable=axis)
        assert ((again - y.roll(24, dim)).abs().max() < 1e-5).item() is expected


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 3), (23, 17)], ids=str)
def test_it_is_the_middle_of_copies_laid_side_by_side(run: Run, name: str, size: tuple[int, int]) -> None:
    """Also for sides that folding would have to pad: the image keeps its place in the blocks."""
    width, height = size
    x, copies = image(*size), (61 // min(size) + 1) // 2 * 2  # an even number around the middle: blocks stay in place
    large = x.repeat(1, 1, copies + 1, copies + 1)
    left, top = copies // 2 * width * 4, copies // 2 * height * 4
    if name in FOLDED and (left % 8 or top % 8):
        large = x.repeat(1, 1, copies + 3, copies + 3)
        left, top = left + width * 4, top + height * 4
    middle = run(large, name)[..., top : top + height * 4, left : left + width * 4]
    assert (run(x, name, tileable="both") - middle).abs().max() < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("scale", "tileable"), [("x4", "both"), ("x2.5", "both"), ("x2", "x"), ("x3", "y")])
def test_tiles_of_a_texture(run: Run, name: str, scale: str, tileable: str) -> None:
    x = image(35, 29)
    whole = run(x, name, scale=scale, tileable=tileable)
    for tile in (9, 16):
        assert (run(x, name, scale=scale, tileable=tileable, tile=tile) - whole).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["compact-x4", "rrdb-x2"])
def test_an_ensemble_of_a_texture(run: Run, name: str) -> None:
    x = image(12, 8)
    y = run(x, name, tileable="both", tta=8)
    again = run(rolled(x.rot90(1, (2, 3)), 2, 4), name, tileable="both", tta=8, tile=5)
    assert (again - rolled(y.rot90(1, (2, 3)), 8, 16)).abs().max() < 1e-5


@pytest.fixture
def registry(spec: OpSpec) -> Registry:
    others = [s for s in default().specs if s.name.startswith(("resize:", "adjust:"))]
    return Registry.of(spec, *others, architectures=default().architectures)


def texture_chain(files: Path) -> str:
    return f"resize:bicubic x0.5 | upscale:test x4 model='{files / 'compact-x4.safetensors'}' tileable=both"


def test_chains(files: Path, registry: Registry) -> None:
    chain = f"{texture_chain(files)} | resize:bicubic x0.5"
    x = image(37, 28)
    whole = Pipeline(chain, device="cpu", dtype="fp32", tile="off", registry=registry)(x).tensor()
    tiled = Pipeline(chain, device="cpu", dtype="fp32", tile=11, registry=registry)(x).tensor()
    assert (whole - tiled).abs().max() < 1e-5


def test_the_plan_tells(files: Path, registry: Registry) -> None:
    plan = Pipeline(f"{texture_chain(files)} tta=8", tile=16, registry=registry).plan((64, 64))
    shrunk, enlarged = plan.rows[1], plan.rows[2]
    assert shrunk.note == "stored: upscale:test continues at the opposite border"
    assert "average of 8 turns and flips" in enlarged.weights
    assert "tileable across and down" in enlarged.weights


def test_opacity_goes_on_at_the_opposite_border(files: Path, registry: Registry) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 12, 3), dtype=np.uint8)
    alpha = np.random.default_rng(1).integers(128, 255, (16, 12), dtype=np.uint8)

    def result(shift: int, tileable: str) -> np.ndarray:
        chain = f"upscale:test x4 model='{files / 'compact-x4.safetensors'}' {tileable}"
        pipeline = Pipeline(chain, device="cpu", dtype="fp32", registry=registry)
        out = pipeline(Image(np.roll(pixels, shift, 1), np.roll(alpha, shift, 1))).alpha
        assert out is not None
        return np.roll(out, -4 * shift, 1)

    assert np.array_equal(result(0, "tileable=x"), result(3, "tileable=x"))
    assert not np.array_equal(result(0, "tileable=y"), result(3, "tileable=y"))


def test_memory_limits_hold_for_textures(files: Path, registry: Registry) -> None:
    """Tiles chosen by memory, which is probed on small images."""
    chain = f"upscale:test x4 model='{files / 'compact-x4.safetensors'}' tileable=both"
    x = image(150, 110)
    limited = Pipeline(chain, device="cpu", dtype="fp32", max_memory=8_000_000, registry=registry)
    assert limited.plan((150, 110)).tile is not None
    whole = Pipeline(chain, device="cpu", dtype="fp32", tile="off", registry=registry)(x).tensor()
    assert (limited(x).tensor() - whole).abs().max() < 1e-5


@pytest.mark.parametrize("flags", [{"tta": 8}, {"tileable": "both"}, {"tta": 8, "tileable": "x"}], ids=str)
@pytest.mark.parametrize(("name", "scale"), [("compact-x4", "x4"), ("rrdb-x2", "x2.5")])
def test_promises(tmp_path: Path, spec: OpSpec, name: str, scale: str, flags: dict[str, object]) -> None:
    torch.manual_seed(0)
    save(tmp_path / "network.safetensors", NETWORKS[name]().state_dict(), Card(name, "", "", "", ""))
    model = str(tmp_path / "network.safetensors")
    check_op(spec, sizes=[(37, 29), (1, 9), (1, 1)], tile=13, model=model, scale=scale, **flags)
