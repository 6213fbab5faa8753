"""Images of one kind share a batch, and get what they get alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from imgtk import Pipeline
from imgtk import pipeline as pipeline_module
from imgtk.batch import run
from imgtk.engine import in_memory
from imgtk.engine.session import Session
from imgtk.errors import ImgtkError, UsageError
from imgtk.image import Image
from imgtk.testing import sample_image
from tests.batch.conftest import Make

CHAINS = [
    "upscale:compact x2",
    "upscale:compact x3 tta=8",
    "upscale:rrdb x4",
    "upscale:srresnet x1.5",
    "upscale:lanczos x1.7",
    "resize:area x0.4",
    "adjust:vignette 0.5 | adjust:blur 2 | adjust:sharpen",
    "style:mosaic",
    "style:mosaic keep-colour=luma scale=0.5 | upscale:bicubic x2",
    "style:mosaic scale=2",
    "style:mosaic keep-colour=histogram",
    "style:any {style}",
    "translate:photo2monet",
    "translate:unit",
    "translate:photo2sketch",
    "translate:sketch2photo",
    "stylize-sr:monet",
    "adjust:gamma 1.4 as light | style:mosaic | blend @light",
]


def images(count: int = 3) -> list[Image]:
    """A flat one among them, a gray one, and one with transparency."""
    made = [
        Image.of(sample_image(61, 47)),
        Image.of(sample_image(61, 47, gray=True)),
        Image.of(np.full((47, 61, 3), 0.3)),
    ]
    rest = [Image.of(1 - sample_image(61, 47) * k / count) for k in range(3, count)]
    pixels = [np.rint(image.pixels * 255).astype(np.uint8) for image in (*made, *rest)]
    alpha = np.full((47, 61), 200, np.uint8)
    return [Image(one, alpha if k == 0 else None) for k, one in enumerate(pixels)]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were rendered at the same time, each time."""
    counts: list[int] = []
    rendered = in_memory.render_images

    def counted(session: Session, images: list[Image], *others: Any) -> list[Image]:
        counts.append(len(images))
        return rendered(session, images, *others)

    for module in (pipeline_module, in_memory):
        monkeypatch.setattr(module, "render_images", counted)
    return counts


@pytest.mark.parametrize("chain", CHAINS)
def test_each_gets_what_it_gets_alone(tmp_path: Path, chain: str) -> None:
    Image.of(sample_image(50, 40)).save(tmp_path / "style.png")
    pipeline = Pipeline(chain.format(style=tmp_path / "style.png"), device="cpu", dtype="fp32")
    samples = images()
    for alone, together in zip([pipeline(one) for one in samples], pipeline.batch(samples), strict=True):
        assert alone.gray == together.gray
        assert alone.pixels.dtype == together.pixels.dtype
        assert np.abs(alone.pixels.astype(int) - together.pixels).max() <= 1
        assert np.array_equal(alone.alpha, together.alpha) if alone.alpha is not None else together.alpha is None


def test_of_one_kind_only() -> None:
    pipeline = Pipeline("adjust:gamma 2", device="cpu")
    for other in (np.zeros((47, 60, 3), np.uint8), np.zeros((47, 61, 3), np.uint16)):
        with pytest.raises(UsageError, match="one size"):
            pipeline.batch([*images(), Image.of(other)])


@pytest.mark.parametrize(
    ("chain", "settings", "together"),
    [
        ("adjust:gamma 2", {}, [5]),
        ("upscale:nearest x16", {}, [2, 2, 1]),  # of 752x976 pixels each
        ("upscale:nearest x64", {}, [1] * 5),
        ("resize:area width=20", {}, [1] * 5),  # it sees the image as a whole
        ("style:mosaic keep-colour=covariance", {}, [1] * 5),
        ("adjust:gamma 2", {"tile": 16}, [1] * 5),
        ("adjust:gamma 2", {"max_memory": 10**9}, [1] * 5),
    ],
)
def test_how_many_together(chain: str, settings: dict[str, Any], together: list[int], batches: list[int]) -> None:
    Pipeline(chain, device="cpu", **settings).batch(images(5))
    assert batches == together


def test_a_run_in_batches(make: Make, batches: list[int]) -> None:
    make(*(f"in/{k:02}.png" for k in range(20)))
    pipeline = Pipeline("upscale:bicubic x2", device="cpu")
    alone = list(run(pipeline, "in", "alone", jobs=6))
    assert set(batches) == {1}
    batches.clear()
    together = list(run(pipeline, "in", "together", jobs=6, batch=4))
    assert sum(batches) == 20
    assert 1 < max(batches) <= 4
    assert [row.sha256 for row in together] == [row.sha256 for row in alone]
    assert all(row.seconds["compute"] > 0 for row in together)


def test_images_of_several_kinds(make: Make) -> None:
    for k in range(12):
        Image.of(sample_image(20 + k % 3, 15, gray=k % 2 == 0)).save(make(f"in/{k}.png")[0], overwrite=True)
    pipeline = Pipeline("adjust:gamma 2 | upscale:nearest x2", device="cpu")
    rows = list(run(pipeline, "in", "out", jobs=6, batch=4))
    assert [row.status for row in rows] == ["done"] * 12
    assert [row.sha256 for row in rows] == [row.sha256 for row in run(pipeline, "in", "alone")]


def test_one_that_fails_fails_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(*(f"in/{k}.png" for k in range(8)))
    rendered = in_memory.render_images

    def picky(session: Session, images: list[Image], *others: Any) -> list[Image]:
        if any(one.path and one.path.name == "5.png" for one in images):
            raise ImgtkError("this one")
        return rendered(session, images, *others)

    for module in (pipeline_module, in_memory):
        monkeypatch.setattr(module, "render_images", picky)
    rows = list(run(Pipeline("adjust:gamma 2", device="cpu"), "in", "out", jobs=8, batch=8))
    assert [row.error for row in rows] == [None] * 5 + ["this one"] + [None] * 2


def test_frames_in_batches(tmp_path: Path, batches: list[int]) -> None:
    frames = [PIL.Image.fromarray(np.full((20, 30, 3), 9 * k, np.uint8)) for k in range(25)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=40)
    pipeline = Pipeline("adjust:gamma 2 | upscale:bicubic x2", device="cpu")
    (alone,) = run(pipeline, tmp_path / "a.png", tmp_path / "alone.png")
    assert set(batches) == {1}
    batches.clear()
    (together,) = run(pipeline, tmp_path / "a.png", tmp_path / "together.png", batch=4)
    assert (sum(batches), max(batches)) == (25, 4)
    assert together.sha256 == alone.sha256
