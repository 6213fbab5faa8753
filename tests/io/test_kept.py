"""Images on the disk: a run that ends in whatever way goes on at the rows that it had finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imgtk.batch import run
from imgtk.geometry import Box
from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions, read, write
from imgtk.io.large import output, raster
from imgtk.pipeline import Pipeline, Progress

NOISE = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.io.large.kept.RECORDED", 16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(Image.of(NOISE.integers(0, 256, (150, 101, 3), np.uint8)), tmp_path / "a.png")
    return tmp_path / "a.png"


class Stop:
    """A `progress` that ends the run after so many tiles, and counts them."""

    def __init__(self, after: int | None = None) -> None:
        self.after, self.tiles = after, 0

    def __call__(self, progress: Progress) -> None:
        self.tiles += 1
        if self.tiles == self.after:
            raise ZeroDivisionError("power cut")


def attempt(
    text: str, source: Path, target: Path, stop: Stop, tile: int = 25, depth: int | None = None, seed: int = 0
) -> tuple[str, ...]:
    """Run as far as `stop` lets it; the notes."""
    pipeline = Pipeline(text, device="cpu", tile=tile, overwrite=True, seed=seed)
    try:
        return pipeline.run_file(source, target, WriteOptions(depth=depth), resume=True, progress=stop).notes
    except ZeroDivisionError:
        assert not target.exists()
        return ()


def left(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name != "a.png")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp"])
def test_goes_on(tmp_path: Path, source: Path, suffix: str) -> None:
    out, straight = tmp_path / f"out{suffix}", tmp_path / f"straight{suffix}"
    text = "upscale:bicubic x2"
    attempt(text, source, out, Stop(18))
    assert len(left(tmp_path)) == 1  # the folder of what is kept; no temporary file
    second, third, whole = Stop(7), Stop(), Stop()
    attempt(text, source, out, second)
    assert "rows were there" in attempt(text, source, out, third)[0]
    assert left(tmp_path) == [out.name]
    attempt(text, source, straight, whole)
    assert out.read_bytes() == straight.read_bytes()
    assert third.tiles < whole.tiles - 12


@pytest.mark.parametrize("tile", [13, 40, 200])
def test_goes_on_with_other_tiles(tmp_path: Path, source: Path, tile: int) -> None:
    """Whose rows lie elsewhere."""
    attempt("upscale:bicubic x3", source, tmp_path / "out.tif", Stop(12))
    attempt("upscale:bicubic x3", source, tmp_path / "out.tif", Stop(), tile)
    attempt("upscale:bicubic x3", source, tmp_path / "straight.tif", Stop())
    assert np.array_equal(read(tmp_path / "out.tif").pixels, read(tmp_path / "straight.tif").pixels)


def test_pages(tmp_path: Path) -> None:
    pages = [NOISE.integers(0, 256, (height, 60, 3), np.uint8) for height in (90, 40, 70)]
    with output(tmp_path / "a.tif", 10**5, 0) as file:
        for page in pages:
            with raster(tmp_path / "a.tif", page.shape, page.dtype) as samples:
                samples.write(Box.of(samples.size), page)
                file.add(samples, Metadata())
    text, whole = "upscale:nearest x2", Stop()
    attempt(text, tmp_path / "a.tif", tmp_path / "straight.tif", whole)
    counts = []
    for cut in (15, 9, None):
        stop = Stop(cut)
        attempt(text, tmp_path / "a.tif", tmp_path / "out.tif", stop)
        counts.append(stop.tiles)
    assert counts[2] < whole.tiles - 15
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "straight.tif").read_bytes()


def test_what_is_saved_on_the_way(tmp_path: Path, source: Path) -> None:
    text = f"upscale:bicubic x2 | save {tmp_path / 'up.png'} | adjust:gamma 2"
    attempt(text, source, tmp_path / "out.png", Stop(40))  # 30 of them were saved
    saved = read(tmp_path / "up.png").pixels
    last = Stop()
    attempt(text, source, tmp_path / "out.png", last)
    assert last.tiles <= 30
    assert left(tmp_path) == ["out.png", "up.png"]
    assert np.array_equal(read(tmp_path / "up.png").pixels, saved)
    assert np.array_equal(saved, Pipeline("upscale:bicubic x2", device="cpu")(source).pixels)


@pytest.mark.parametrize("change", ["pipeline", "source", "depth", "seed"])
def test_what_something_else_has_left_is_not_taken(tmp_path: Path, source: Path, change: str) -> None:
    out, text, depth, seed = tmp_path / "out.tif", "upscale:bicubic x2", None, 0
    attempt(text, source, out, Stop(20))
    (before,) = left(tmp_path)
    if change == "pipeline":
        text = "upscale:bilinear x2"
    elif change == "source":
        os.utime(source, ns=(1, 1))
    elif change == "depth":
        depth = 16
    else:
        seed = 1
    again = Stop(20)
    attempt(text, source, out, again, depth=depth, seed=seed)
    (after,) = left(tmp_path)
    assert before != after
    whole = Stop()
    attempt(text, source, tmp_path / "straight.tif", whole, depth=depth, seed=seed)
    attempt(text, source, out, Stop(), depth=depth, seed=seed)
    assert out.read_bytes() == (tmp_path / "straight.tif").read_bytes()


def test_nothing_is_left_of_less_than_what_is_recorded(tmp_path: Path, source: Path) -> None:
    attempt("upscale:bicubic x2", source, tmp_path / "out.tif", Stop(2))
    assert left(tmp_path) == []


def test_a_record_that_was_cut_short(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tif"
    attempt("upscale:bicubic x2", source, out, Stop(25))
    (journal,) = tmp_path.glob(".out.tif.*/*.rows")
    journal.write_bytes(journal.read_bytes()[:-1])
    attempt("upscale:bicubic x2", source, out, Stop(10))
    attempt("upscale:bicubic x2", source, out, Stop())
    assert np.array_equal(read(out).pixels, Pipeline("upscale:bicubic x2", device="cpu")(source).pixels)


def test_run_in_memory_removes_what_was_kept(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out.tif"
    attempt("upscale:bicubic x2", source, out, Stop(25))
    assert len(left(tmp_path)) == 1
    (row,) = run(Pipeline("upscale:bicubic x2", device="cpu"), source, out)
    assert row.status == "done"
    assert left(tmp_path) == ["out.tif"]


def test_killed_and_resumed(tmp_path: Path) -> None:
    """By -9, twice, at any moment; the result is that of a run that was left alone."""
    write(Image.of(NOISE.integers(0, 256, (900, 300, 3), np.uint8)), tmp_path / "a.png")
    script = "import imgtk.io.large.kept as d; d.RECORDED = 16; import imgtk.cli as c; c.main()"
    words = ["run", "adjust:blur 20", "a.png", "-o", "out.png", "--max-memory", "1M", "--tile", "32", "--resume"]
    begin = lambda: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", script, *words], cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )

    def recorded() -> int:
        journals = [*tmp_path.glob(".out.png.*/*.rows")]
        return max((int(number) for journal in journals for number in journal.read_text().split()), default=0)

    for wanted in (150, 450):
        process = begin()
        while recorded() < wanted and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert recorded() >= 450 or (tmp_path / "out.png").exists()
    assert begin().wait() == 0
    words[4] = "straight.png"
    assert begin().wait() == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "straight.png").read_bytes()
    assert left(tmp_path) == ["out.png", "straight.png"]
