"""One pipeline, called from several threads at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from torch import Tensor

from imgtk.geometry import Geometry, Size
from imgtk.image import Image
from imgtk.op import ImageOp, OpSpec
from imgtk.pipeline import Pipeline, Progress
from imgtk.registry import Registry

THREADS = 4


class Touchy(ImageOp):
    """Invert. It refuses to be moved while it computes, and images in another number format than its own; what is dark
    overflows in reduced precision."""

    geometry = Geometry()

    def __init__(self) -> None:
        self.dtype, self.busy = torch.float64, False

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        assert not self.busy
        self.dtype = dtype

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        assert not self.busy
        assert x.dtype == self.dtype
        self.busy = True
        time.sleep(0.001)
        self.busy = False
        return 1 - x if x.dtype == torch.float32 or x.mean() > 0.5 else x / 0


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """For which 8-bit images are computed in bf16, and deeper ones in fp32."""
    monkeypatch.setattr("imgtk.engine.session.resolve_dtype", lambda name, device: torch.bfloat16)
    registry = Registry.of(OpSpec("t:touchy", f"{__name__}:Touchy", "t:touchy"))
    return Pipeline("t:touchy", device="cpu", tile=20, registry=registry)


def images() -> list[Image]:
    """Of 8 and 16 bits, dark and light, each of a size of its own."""
    random = np.random.default_rng(0)
    made = []
    for k in range(12):
        dtype = np.uint16 if k % 3 == 1 else np.uint8
        top = np.iinfo(dtype).max
        low = top * (k % 2) * 2 // 3
        made.append(Image(random.integers(low, low + top // 3, (30 + k, 50 - k, 3), dtype)))
    return made


def test_each_thread_gets_what_it_gets_alone(pipeline: Pipeline) -> None:
    samples = images()
    alone = [pipeline(one) for one in samples]
    assert len({result.notes for result in alone}) > 3
    together = Barrier(THREADS)

    def several(first: int) -> list[Image]:
        together.wait()
        return [pipeline(one) for one in samples[first::THREADS]]

    with ThreadPoolExecutor(THREADS) as threads:
        for first, results in enumerate(threads.map(several, range(THREADS))):
            for expected, result in zip(alone[first::THREADS], results, strict=True):
                assert np.array_equal(result.pixels, expected.pixels)
                assert result.notes == expected.notes


def test_files_and_images_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    samples = images()
    for k, one in enumerate(samples):
        one.save(tmp_path / f"{k}.png")
    alone = [pipeline(one) for one in samples]

    def through(k: int) -> tuple[Image, tuple[str, ...]]:
        if k % 2:
            result = pipeline(samples[k])
            return result, result.notes
        result = pipeline.run_file(tmp_path / f"{k}.png", tmp_path / f"{k}.tif")
        return Image.open(result.path), result.notes

    with ThreadPoolExecutor(THREADS) as threads:
        for expected, (result, notes) in zip(alone, threads.map(through, range(len(samples))), strict=True):
            assert np.array_equal(result.pixels, expected.pixels)
            assert notes == expected.notes


def test_sizes_are_told_while_an_image_is_computed(pipeline: Pipeline) -> None:
    told = []

    def ask(progress: Progress) -> None:
        with ThreadPoolExecutor(1) as other:
            told.append(other.submit(pipeline.output_size, Size(9, 8)).result(timeout=30))

    pipeline(images()[0], ask)
    assert set(told) == {Size(9, 8)}


def test_a_failure_lets_others_go_on(pipeline: Pipeline) -> None:
    def fail(progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pipeline(images()[0], fail)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(pipeline, images()[1]).result(timeout=30).size == images()[1].size
