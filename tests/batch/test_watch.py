"""Pictures that arrive are done once they are complete, and again when they change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import PIL.Image
import pytest

from imgtk import Pipeline
from imgtk.batch import Row, Writing, watch
from imgtk.errors import ReadError, UsageError
from tests.batch.conftest import Make, picture

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
    return watch([double], "in", Path("out"), Writing(), stop=Looks(*steps), **options)


def test_files_are_taken_when_they_have_settled(make: Make, double: Pipeline) -> None:
    make("in/first.png")
    whole = picture(Path("late.png")).read_bytes()
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


def test_an_empty_folder_fills(make: Make, double: Pipeline) -> None:
    Path("in/sub").mkdir(parents=True)
    rows = watched(double, lambda: make("in/sub/a.jpg") and None, nothing, recursive=True)
    assert [row.output for row in rows] == ["out/sub/a.jpg"]


def test_later_pictures_do_not_replace_results(make: Make, double: Pipeline) -> None:
    make("in/a.jpg")
    rows = list(watched(double, nothing, lambda: make("in/a.png") and None, nothing, suffix="png"))
    assert [row.output for row in rows] == ["out/a.jpg.png", "out/a.png"]
    expected = np.asarray(PIL.Image.open("in/a.jpg")).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(np.asarray(PIL.Image.open("out/a.jpg.png")), expected)


def test_mistakes(make: Make, double: Pipeline) -> None:
    with pytest.raises(UsageError, match="in cannot be watched"):
        list(watched(double))
    make("in/a.png")
    with pytest.raises(ReadError, match="gone"):
        list(watched(double, lambda: Path("in").rename("away") and None, nothing))
    Path("away").rename("in")
    with pytest.raises(UsageError, match="among the pictures"):
        list(watch([double], "in", Path("in"), Writing(), stop=Looks()))
