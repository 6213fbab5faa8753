"""Images that arrive are done once they are complete, and again when they change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import PIL.Image
import pytest

from imgtk import Pipeline
from imgtk.batch import Row, RunOptions, watch
from imgtk.errors import ReadError, UsageError
from tests.batch.conftest import Make, image

Look = Callable[[], None]


class Looks(Event):
    """A stop whose waits are steps of a test: the last one sets it."""

    def __init__(self, *steps: Look) -> None:
        super().__init__()
        self.steps = iter(steps)

    def wait(self, timeout: float | None = None) -> bool:
        step = next(self.steps, self.set)
        step()
        return self.is_set()


def nothing() -> None:
    pass


def watched(double: Pipeline, *steps: Look, **options: Any) -> Iterator[Row]:
    return watch([double], "in", Path("out"), RunOptions(), stop=Looks(*steps), **options)


def test_files_are_taken_when_they_have_settled(make: Make, double: Pipeline) -> None:
    make("in/first.png")
    whole = image(Path("late.png")).read_bytes()
    late = Path("in/late.png")

    def fails() -> None:
        late.write_bytes(whole[:90])

    rows = watched(
        double,
        lambda: late.write_bytes(whole[:50]) and None,
        lambda: late.write_bytes(whole[:80]) and None,
        lambda: late.write_bytes(whole) and None,
        nothing,
        fails,
        nothing,
        nothing,
        report=Path("r.jsonl"),
    )
    assert [(row.path, row.status) for row in rows] == [
        ("in/first.png", "done"), ("in/late.png", "done"), ("in/late.png", "failed")
    ]  # fmt: skip
    assert [json.loads(line)["status"] for line in Path("r.jsonl").read_text().splitlines()] == [
        "done", "done", "failed"
    ]  # fmt: skip
    assert [row.status for row in watched(double, nothing, report=Path("r.jsonl"))] == ["skipped", "failed"]


def test_images_that_change(make: Make, double: Pipeline) -> None:
    """They are done again, whatever their times say: they may be older than the result, or have changed while it was
    made."""
    make("in/a.png", "in/b.png")

    def replaced() -> None:
        image(Path("in/a.png"), (20, 10))
        os.utime("in/a.png", (1, 1))

    rows = list(watched(double, nothing, replaced, nothing))
    assert [(row.path, row.status, row.size) for row in rows] == [
        ("in/a.png", "done", (24, 18)), ("in/b.png", "done", (24, 18)), ("in/a.png", "done", (40, 20))
    ]  # fmt: skip
    assert PIL.Image.open("out/a.png").size == (40, 20)


def test_a_folder_that_cannot_be_listed(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of once. The report forgets it when it is open."""
    make("in/a.png", "in/closed/b.png")
    real = os.scandir

    def closed(path: Any = ".") -> Any:
        if "closed" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", closed)
        rows = list(watched(double, nothing, nothing, nothing, recursive=True, report=Path("r.jsonl")))
    assert [(row.path, row.status) for row in rows] == [("in/a.png", "done"), ("in/closed", "failed")]
    rows = list(watched(double, nothing, nothing, recursive=True, report=Path("r.jsonl")))
    assert [(row.path, row.status) for row in rows] == [("in/a.png", "skipped"), ("in/closed/b.png", "done")]
    assert [json.loads(line)["path"] for line in Path("r.jsonl").read_text().splitlines()] == [
        "in/a.png", "in/closed/b.png"
    ]  # fmt: skip


def test_a_report_among_the_results(make: Make, double: Pipeline) -> None:
    make("in/sub/a.png")
    assert list(watched(double, nothing, report=Path("out/r.jsonl"))) == []
    assert Path("out/r.jsonl").exists()


def test_an_empty_folder_fills(make: Make, double: Pipeline) -> None:
    Path("in/sub").mkdir(parents=True)
    rows = watched(double, lambda: make("in/sub/a.jpg") and None, nothing, recursive=True)
    assert [row.output for row in rows] == ["out/sub/a.jpg"]


def test_later_images_do_not_replace_results(make: Make, double: Pipeline) -> None:
    make("in/a.jpg")
    rows = list(watched(double, nothing, lambda: make("in/a.png") and None, nothing, suffix="png"))
    assert [row.output for row in rows] == ["out/a.jpg.png", "out/a.png"]
    expected = np.asarray(PIL.Image.open("in/a.jpg")).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(np.asarray(PIL.Image.open("out/a.jpg.png")), expected)


def test_mistakes(make: Make, double: Pipeline) -> None:
    with pytest.raises(UsageError, match="cannot watch in: it is not a folder"):
        list(watched(double))
    make("in/a.png")
    with pytest.raises(ReadError, match="gone"):
        list(watched(double, lambda: Path("in").rename("away") and None, nothing))
    Path("away").rename("in")
    with pytest.raises(UsageError, match="among the images"):
        list(watch([double], "in", Path("in"), RunOptions(), stop=Looks()))
