"""A run does every image once, whatever the others are like, and keeps within its bounds."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, current_thread
from time import sleep
from typing import Any

import numpy as np
import PIL.Image
import pytest

from imgtk import Pipeline
from imgtk.batch import Row, engine, list_jobs, processor, run
from imgtk.batch.memory import MemoryBudget
from imgtk.errors import DeviceError, UsageError, WriteError
from imgtk.image import Image
from imgtk.io import WriteOptions, write
from imgtk.io.temporary import temporary
from tests.batch.conftest import Make, broken


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(PIL.Image.open(path))


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir())


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_hostile_folder(make: Make, double: Pipeline, jobs: int) -> None:
    good = [f"in/{k % 3}/{k:02}.{('png', 'jpg', 'webp', 'tif', 'bmp')[k % 5]}" for k in range(20)]
    make(*good, "in/new\nline.png", "in/ ü 'x' [1].png", "in/\udcff.png")
    Path("in/bad").mkdir()
    bad = broken(Path("in/bad"))
    rows = list(run(double, "in", "out", recursive=True, report="report.jsonl", jobs=jobs))
    assert Counter(row.status for row in rows) == {"done": len(good) + 3, "failed": len(bad)}
    assert {row.path for row in rows if row.status == "failed"} == {str(path) for path in bad}
    assert files("out") == sorted(
        path.removeprefix("in/") for path in [*good, "in/new\nline.png", "in/ ü 'x' [1].png", "in/\udcff.png"]
    )
    for row in rows:
        if row.status == "failed":
            assert row.error
            assert "unexpected" not in row.error
            assert row.path in row.error
        else:
            assert row.output
            assert row.sha256 == sha256(Path(row.output).read_bytes()).hexdigest()
            assert row.size == (24, 18)
            assert list(row.seconds) == ["read", "compute", "write"]
    assert np.array_equal(pixels("out/0/00.png"), pixels("in/0/00.png").repeat(2, 0).repeat(2, 1))
    assert [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()] == [
        row.to_dict() for row in rows
    ]
    assert [row.path for row in rows] == [str(job.source) for job in list_jobs(["in"], Path("o"), recursive=True)]


def test_stages_overlap_within_bounds(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several images at a time, but one on the device, always on the same thread."""
    make(*(f"in/{k}.png" for k in range(24)))
    lock, now, most, threads = Lock(), Counter[str](), Counter[str](), set()

    def watched(name: str, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                now[name] += 1
                most[name] = max(most[name], now[name])
                if name == "compute":
                    threads.add(current_thread())
            sleep(0.01)
            try:
                return function(*args, **kwargs)
            finally:
                with lock:
                    now[name] -= 1

        return call

    monkeypatch.setattr(Pipeline, "__call__", watched("compute", Pipeline.__call__))
    monkeypatch.setattr(processor.Processor, "_through", watched("image", processor.Processor._through))
    assert len(list(run(double, "in", "out", jobs=4))) == 24
    assert most == {"compute": 1, "image": 4}
    assert len(threads) == 1


def test_several_devices_share_the_images(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(*(f"in/{k}.png" for k in range(12)))
    pipelines = [Pipeline("upscale:nearest x2", device="cpu") for _ in range(2)]
    lock, used = Lock(), Counter[int]()
    both = Event()
    compute = Pipeline.__call__

    def call(self: Pipeline, *args: Any, **kwargs: Any) -> Image:
        with lock:
            used[id(self)] += 1
            if len(used) == 2:
                both.set()
        assert both.wait(120)  # neither goes on before the other has begun
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(Pipeline, "__call__", call)
    assert [row.status for row in run(pipelines, "in", "out", jobs=4)] == ["done"] * 12
    assert set(used) == {id(pipeline) for pipeline in pipelines}


def test_memory_budget() -> None:
    """What is too large for it enters, but alone."""
    budget = MemoryBudget(10)
    budget.acquire(25)
    entered = Event()

    def enter() -> None:
        with budget.holding(3):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(enter)
        assert not entered.wait(0.05)
        budget.release(25)
        assert entered.wait(120)
    assert budget.taken == 0


def test_large_images_take_turns(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for nothing, one image is read at a time, and one waits to be written: it still comes to an end."""
    make(*(f"in/{k}.png" for k in range(12)))
    monkeypatch.setattr(processor, "SHARE", 0)
    assert [row.status for row in run(double, "in", "out", jobs=6)] == ["done"] * 12


def test_resuming(make: Make, double: Pipeline) -> None:
    make(*(f"in/{name}.png" for name in ("gone", "empty", "older", "kept", "half")))
    Path("in/bad.png").write_text("no image")
    list(run(double, "in", "out", report="r.jsonl"))
    kept = Path("out/kept.png").stat().st_mtime_ns
    Path("out/gone.png").unlink()
    Path("out/empty.png").write_bytes(b"")
    os.utime("out/older.png", (1, 1))
    leftover = temporary(Path("out/half.png"))
    leftover = leftover.with_name(leftover.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))  # no such process
    leftover.write_bytes(b"half an image")
    somebodys = temporary(Path("out/kept.png"))  # of this process, so it may be in use
    somebodys.touch()
    make("in/bad.png", "in/new.png")
    rows = {Path(row.path).stem: row.status for row in run(double, "in", "out", report="r.jsonl", resume=True)}
    assert rows == {
        "bad": "done", "empty": "done", "gone": "done", "half": "skipped", "kept": "skipped", "new": "done",
        "older": "done",
    }  # fmt: skip
    assert Path("out/kept.png").stat().st_mtime_ns == kept
    assert not leftover.exists()
    assert somebodys.exists()
    report = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert Counter(row["path"] for row in report) == {f"in/{name}.png": 1 for name in rows}
    assert {row["status"] for row in report} == {"done"}
    assert {row.status for row in run(double, "in", "out", resume=True)} == {"skipped"}


@pytest.mark.parametrize("where", ["in", "linked", "saved"])
def test_resuming_replaces_no_image(make: Make, double: Pipeline, where: str) -> None:
    """Nor one that a link among the results leads to: only --overwrite would."""
    (path,) = make("in/a.gif")
    before = path.read_bytes()
    out, pipeline = "out", double
    if where == "in":
        out = "in"
    elif where == "linked":
        Path("out").mkdir()
        Path("out/a.png").symlink_to("../in/a.gif")
    else:
        pipeline = Pipeline("upscale:nearest x2 | save in/a.gif", device="cpu", overwrite=True)
    with pytest.raises(UsageError, match="would be replaced by its own result"):
        list(run(pipeline, ["in/a.gif"], out, resume=True))
    assert path.read_bytes() == before


def test_resuming_knows_the_png_that_took_the_place(make: Make, double: Pipeline) -> None:
    make("in/b.jpg")
    PIL.Image.new("RGBA", (8, 8)).save("in/a.png")
    Path("in/a.png").rename("in/a.jpg")
    assert [row.output for row in run(double, "in", "out")] == ["out/a.png", "out/b.jpg"]
    assert [row.output for row in run(double, "in", "out", resume=True)] == ["out/a.png", "out/b.jpg"]
    make("in/a.png")
    rows = list(run(double, "in", "out", resume=True, report="r.jsonl"))
    assert [row.output for row in rows] == ["out/a.jpg.png", "out/a.png", "out/b.jpg"]


def test_a_result_that_the_report_gives_to_another_image(make: Make, double: Pipeline) -> None:
    """Once a.png has come to a.jpg, whose result has become a.png, that is not taken for the result of a.png."""
    make("in/a.jpg")
    list(run(double, "in", "out", suffix="png", report="r.jsonl"))
    make("in/a.png")
    os.utime("in/a.png", (1, 1))
    rows = list(run(double, "in", "out", suffix="png", report="r.jsonl", resume=True))
    assert [(row.status, row.output) for row in rows] == [("done", "out/a.jpg.png"), ("done", "out/a.png")]


def test_a_report_among_the_results(make: Make, double: Pipeline) -> None:
    make("in/a.png")
    for resume in (False, True):
        list(run(double, "in", "out/deep", report="out/deep/report.jsonl", resume=resume))
        assert files("out") == ["deep/a.png", "deep/report.jsonl"]


def test_save_stages_have_a_file_for_each_image(make: Make) -> None:
    make("in/a.png", "in/sub/a.png", "in/b.jpg", "in/b.png")
    pipeline = Pipeline("upscale:nearest x2 | save 'mid/{name}.png' | upscale:nearest x2", device="cpu")
    assert {row.status for row in run(pipeline, "in", "out", recursive=True, jobs=3)} == {"done"}
    assert files("mid") == ["a.png", "b.jpg.png", "b.png.png", "sub/a.png"]
    assert np.array_equal(pixels("mid/sub/a.png"), pixels("in/sub/a.png").repeat(2, 0).repeat(2, 1))
    Path("mid/a.png").unlink()
    again = Pipeline(pipeline.graph, device="cpu", overwrite=True)
    rows = run(again, "in", "out", recursive=True, resume=True)
    assert {row.path for row in rows if row.status == "done"} == {"in/a.png"}
    for text in ("save one.png", "save 'x{name}.png' | save one.png"):
        with pytest.raises(UsageError, match=r"\{name\}"):
            list(run(Pipeline(f"upscale:nearest x2 | {text}"), "in", "out2"))
    assert not Path("out2").exists()


def test_leftovers_of_save_stages_are_removed(make: Make, double: Pipeline) -> None:
    """Those of a large image are large themselves."""
    make("in/a.png")
    os.mkdir("mid")
    leftover = temporary(Path("mid/a.png"))
    leftover = leftover.with_name(leftover.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))  # no such process
    leftover.touch()
    list(run(Pipeline("upscale:nearest x2 | save mid/one.png", device="cpu"), "in", "out"))
    assert files("mid") == ["one.png"]


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_ends_the_run(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every image is computed in vain, what was done is in the report, and the rest can be resumed."""
    make(*(f"in/{k:02}.png" for k in range(40)))
    monkeypatch.setattr(engine, "AHEAD", 2)
    rows: list[Row] = []
    with pytest.raises(WriteError, match="No space left"):  # noqa: PT012
        for row in run(double, "in", "out", report="r.jsonl", jobs=3):
            rows.append(row)
            if len(rows) == 5:
                monkeypatch.setattr(os, "replace", full)
    assert {row.status for row in rows} == {"done"}
    assert 5 <= len(rows) < 40
    assert len(Path("r.jsonl").read_text().splitlines()) == len(rows)
    assert files("out") == [Path(row.path).name for row in rows]


def test_a_disk_for_reading_only(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b.png")
    real = Path.open

    def refuse(self: Path, mode: int | str = 0o777, *_: object, **__: object) -> Any:
        if mode in (0o777, "xb"):
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return real(self, mode)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(WriteError, match="the folder out: Read-only"):
        list(run(double, "in", "out"))
    os.mkdir("out")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WriteError, match="Read-only"):
        list(run(double, "in", "out"))


def test_a_folder_that_is_not_writable(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message for all images; if only one of the folders is closed, the others get theirs."""
    make("in/a.png", "in/b.png", "in/deep/c.png")
    os.mkdir("out")
    monkeypatch.setattr(os, "access", lambda path, mode: "deep" in str(path))
    with pytest.raises(WriteError, match="into the folder out: it is not writable"):
        list(run(double, "in", "out"))
    rows = list(run(double, "in", "out", recursive=True))
    assert [row.status for row in rows] == ["failed", "failed", "done"]
    list(run(double, "in/deep", "out/deep2"))
    assert {row.status for row in run(double, "in/deep", "out/deep2", resume=True)} == {"skipped"}


def test_a_folder_in_the_place_of_a_result(make: Make, double: Pipeline) -> None:
    make("in/a.png", "in/b.png")
    os.makedirs("out/a.png/sub")
    for resume in (False, True):
        first, second = run(double, "in", "out", resume=resume, report=f"{resume}.jsonl")
        assert "it is a directory" in str(first.error)
        assert second.status == ("skipped" if resume else "done")


def test_results_that_somebody_takes_away(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b.png")

    def taken(image: Image, path: Path, options: WriteOptions) -> Path:
        write(image, path, options).rename(f"{path.stem}.taken.png")
        return path

    monkeypatch.setattr(processor, "write", taken)
    rows = list(run(double, "in", "out", report="r.jsonl"))
    assert [(row.status, row.sha256) for row in rows] == [("done", None)] * 2


def test_no_memory_for_one_image(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b.png", "in/c.png")

    def hungry(image: Image, path: Path, options: WriteOptions) -> Path:
        if path.name == "b.png":
            raise MemoryError
        return write(image, path, options)

    monkeypatch.setattr(processor, "write", hungry)
    rows = list(run(double, "in", "out"))
    assert [row.status for row in rows] == ["done", "failed", "done"]
    assert "out of memory" in str(rows[1].error)
    assert "--jobs" in str(rows[1].error)


def test_what_concerns_all_images_ends_the_run(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b.png")

    def gone(*_: object, **__: object) -> None:
        raise DeviceError("the device is gone")

    monkeypatch.setattr(Pipeline, "__call__", gone)
    with pytest.raises(DeviceError, match="gone"):
        list(run(double, "in", "out"))
    assert not Path("out").exists()


@pytest.mark.parametrize("jobs", [1, 3])
def test_stopping(make: Make, double: Pipeline, jobs: int) -> None:
    """By the event, or by asking for no more rows: nothing is half done, and the rest can be resumed."""
    make(*(f"in/{k:02}.png" for k in range(30)))
    stop, rows = Event(), []
    for row in run(double, "in", "out", report="r.jsonl", jobs=jobs, stop=stop):
        rows.append(row)
        stop.set()
    assert 1 <= len(rows) < 30
    assert files("out") == [Path(row.path).name for row in rows]
    some = run(double, "in", "out", report="r.jsonl", jobs=jobs, resume=True)
    while next(some).status != "done":
        pass
    some.close()  # type: ignore[attr-defined]
    assert {row.status for row in run(double, "in", "out", report="r.jsonl", resume=True)} == {"done", "skipped"}
    assert len(files("out")) == len(Path("r.jsonl").read_text().splitlines()) == 30
    assert not [name for name in files("out") if name.endswith(".tmp")]


def test_failures_hold_no_pixels(make: Make, double: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    make("in/a.png", "in/b.png")
    alive: list[weakref.ref[Image]] = []

    def fail(self: Pipeline, image: Image, *_: object, **__: object) -> None:
        alive.append(weakref.ref(image))
        raise ValueError("no")

    monkeypatch.setattr(Pipeline, "__call__", fail)
    rows = list(run(double, "in", "out"))
    gc.collect()
    assert [row.error for row in rows] == ["unexpected ValueError: no"] * 2
    assert [image() for image in alive] == [None, None]
