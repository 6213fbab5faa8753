"""Adaptive operators: what they become, and that everything that asks for plans and sizes copes with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from torch import Tensor

from imgtk.adaptive_op import AdaptiveOp, View
from imgtk.batch import RunOptions, list_jobs, run_jobs
from imgtk.errors import ImgtkError, OperatorError
from imgtk.geometry import Box, Geometry, Size
from imgtk.image import Image
from imgtk.io import WriteOptions
from imgtk.op import Facts, ImageOp, OpSpec
from imgtk.pipeline import Pipeline, Progress
from imgtk.registry import Registry
from imgtk.testing import sample_image


class Scaled(ImageOp):
    def __init__(self, scale: int, *, gray: bool = False) -> None:
        self.geometry, self.facts = Geometry(scale * Geometry().scale), Facts(gray=gray)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        scale = int(self.geometry.scale)
        return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


class Odd(AdaptiveOp):
    """Becomes something else than it promised."""

    def __init__(self, what: str) -> None:
        super().__init__(Scaled(1))
        self.what = what

    def resolve(self, *views: View) -> ImageOp:
        if self.what == "fails":
            raise KeyError("psnr")
        return {"size": Scaled(2), "facts": Scaled(1, gray=True), "adaptive": self, "none": None}[self.what]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("size", "promised 6x5"),
        ("facts", "other facts"),
        ("adaptive", "becomes Odd"),
        ("none", "becomes NoneType"),
        ("fails", "KeyError: 'psnr'"),
    ],
)
def test_broken_promises_are_named(what: str, told: str) -> None:
    spec = OpSpec("test:odd", f"{__name__}:Odd", "", preset={"what": what})
    with pytest.raises(OperatorError, match=rf"^test:odd .*{told}"):
        Pipeline("test:odd", registry=Registry.of(spec), device="cpu")(sample_image(6, 5))


@pytest.mark.parametrize("size", [Size(1, 1), Size(3, 40), Size(61, 47)])
def test_views_show_the_image(size: Size) -> None:
    x = sample_image(61, 47)
    view = View.of(x)
    assert np.allclose(view.reduced(view.size), x)
    small = view.reduced(size)
    assert small.shape == (1, 3, *size[::-1])
    assert np.allclose(small.mean((2, 3)), x.mean((2, 3)), atol=0.02)
    assert sum(box.size.height for box, _ in view.bands()) == 47
    assert view.region(Box(3, 4, 9, 5)).shape == (1, 3, 1, 6)


def bordered(width: int, border: int, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(10, 255, (20, width, 3), np.uint8)
    return np.pad(pixels, ((border, 3), (2, border), (0, 0)))


def test_plans_say_that_the_size_is_not_known_yet() -> None:
    pipeline = Pipeline("trim | flip h", device="cpu")
    plan = pipeline.plan((40, 30))
    assert plan.output_size == pipeline.output_size(Size(40, 30)) == (40, 30)
    assert plan.to_dict()["output_at_most"]
    assert ["known only when it runs" in row.note for row in plan.rows] == [False, True, True]
    image = Image.of(bordered(30, 5))
    resolved = pipeline.resolve(pipeline.plan_for(image), image)
    assert (resolved.output_size, resolved.to_dict()["output_at_most"]) == ((30, 20), False)
    assert not any(row.note for row in Pipeline("crop 9 9 gravity=smart", device="cpu").plan((40, 30)).rows)


def test_every_image_of_a_batch_is_looked_at() -> None:
    pipeline = Pipeline("trim", device="cpu")
    images = [Image.of(np.pad(bordered(20, 2), ((0, n), (n, 9 - n), (0, 0)))) for n in (1, 9)]
    images[1].pixels[:5] = 99
    images = [replace(image, pixels=np.ascontiguousarray(image.pixels[:26])) for image in images]
    assert [result.size for result in pipeline.batch(images)] == [pipeline(image).size for image in images]


def test_statistics_behind_it_are_those_of_what_is_left() -> None:
    pixels = np.random.default_rng(0).integers(60, 90, (1100, 1100, 3), np.uint8)
    framed = np.pad(pixels, ((40, 0), (0, 60), (0, 0)))
    expected = Pipeline("adjust:auto-levels", device="cpu", tile=300)(pixels)
    result = Pipeline("trim | adjust:auto-levels", device="cpu", tile=300)(framed)
    assert result.size == expected.size
    assert np.abs(result.pixels.astype(int) - expected.pixels).max() <= 3
    Pipeline("adjust:auto-levels | crop 1000 1000 | trim fuzz=0.01", device="cpu", tile=300)(framed)


def test_files_larger_than_memory_and_their_places_on_earth(tmp_path: Path) -> None:
    tags = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 1000.0, 2000.0, 0.0), True)]
    tags.append((34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True))
    pixels = bordered(50, 12)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb", extratags=tags, metadata=None)
    for text in ("trim", "crop 20 10 gravity=smart", "trim | fit 9 9 gravity=smart"):
        pipeline = Pipeline(text, device="cpu", tile=16)
        expected = pipeline(tmp_path / "in.tif")
        result = pipeline.run_file(tmp_path / "in.tif", tmp_path / "out.tif", WriteOptions(overwrite=True))
        assert result.size == expected.size
        assert np.array_equal(Image.open(tmp_path / "out.tif").pixels, expected.pixels)
    pipeline = Pipeline("trim", device="cpu")
    pipeline.run_file(tmp_path / "in.tif", tmp_path / "out.tif", WriteOptions(overwrite=True))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].tags.valueof(33922)[3:5] == (1001.0, 1994.0)
        assert file.pages[0].shape == (20, 50, 3)


def test_all_frames_of_a_clip_get_what_the_first_one_gets(tmp_path: Path) -> None:
    frames = [Image.of(bordered(30, border, border)) for border in (5, 5, 5)]
    frames[1].pixels[:, :4] = frames[2].pixels[:2] = 77
    folder = tmp_path / "frames"
    folder.mkdir()
    shown = [PIL.Image.fromarray(frame.pixels) for frame in frames]
    shown[0].save(tmp_path / "in.png", save_all=True, append_images=shown[1:], duration=100)
    rows = list(run_jobs([Pipeline("trim", device="cpu")], list_jobs([str(tmp_path / "in.png")], folder), RunOptions()))
    assert [(row.status, row.size) for row in rows] == [("done", (30, 20))]


def test_progress_within_what_is_looked_at_can_cancel() -> None:
    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        Pipeline("trim", device="cpu", tile=16)(bordered(60, 9), stop)


def test_an_image_that_it_does_not_suit_fails_alone(tmp_path: Path) -> None:
    Image.of(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")
    Image.of(bordered(9, 2)).save(tmp_path / "b.png")
    jobs = list_jobs([str(tmp_path)], tmp_path / "out")
    rows = {Path(row.path).name: row for row in run_jobs([Pipeline("trim", device="cpu")], jobs, RunOptions())}
    assert rows["b.png"].size == (9, 20)
    assert isinstance(rows["a.png"].exception, ImgtkError)
    assert json.dumps(Pipeline("trim", device="cpu").plan((9, 9)).to_dict())
