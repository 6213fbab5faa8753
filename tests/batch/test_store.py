"""Images in stores are done as those of this machine are; a store that fails costs rows."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner

from imgtk import Pipeline
from imgtk.batch import run, store, transfer
from imgtk.cli import main
from imgtk.errors import UsageError
from imgtk.io.temporary import temporary
from tests.batch.conftest import Make, broken

MEMORY = fsspec.filesystem("memory")
RUN = ["run", "upscale:nearest x2"]


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    MEMORY.store.clear()
    MEMORY.pseudo_dirs[:] = [""]


def command(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(main, [*RUN, *words, "--json", "--device", "cpu"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def stored(folder: str) -> dict[str, bytes]:
    return {path.removeprefix(f"/{folder}/"): MEMORY.cat_file(path) for path in MEMORY.find(f"/{folder}")}


def upload(folder: str, target: str) -> None:
    for path in Path(folder).rglob("*"):
        if path.is_file():
            MEMORY.pipe_file(f"/{target}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def test_a_folder_of_a_store(make: Make, double: Pipeline) -> None:
    make("in/a.png", "in/x/b.jpg", "in/x/ ü [1].webp", "in/.hidden/c.png", "in/x/a.png", "in/a::b%20c?#d.png")
    (Path("in") / "notes.txt").write_text("no image")
    Path("bad").mkdir()
    bad = {path.name for path in broken(Path("bad")) if path.is_file()}
    for name in bad:
        (Path("in") / name).write_bytes((Path("bad") / name).read_bytes())
    upload("in", "photos")
    here = list(run(double, "in", "out", recursive=True))
    code, rows, errors = command("memory://photos", "-o", "memory://large", "--recursive", "--report", "r.jsonl")
    assert code == 1
    results = {p.relative_to("out").as_posix(): p.read_bytes() for p in Path("out").rglob("*") if p.is_file()}
    assert stored("large") == results
    expected = [{**row.to_dict(), "seconds": None} for row in here]
    for row in expected:
        row["path"] = row["path"].replace("in/", "memory:///photos/")
        row["output"] = row["output"] and row["output"].replace("out/", "memory:///large/")
        row["error"] = row["error"] and row["error"].replace("in/", "memory:///photos/")
    assert all("read" in row["seconds"] for row in rows)  # to fetch is to read
    told = [{**row, "seconds": None} for row in rows]
    assert sorted(map(str, told)) == sorted(map(str, expected))
    assert [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()] == rows
    assert "unexpected" not in errors


def test_resuming(make: Make) -> None:
    make("in/a.png", "in/b.png", "in/c.png")
    upload("in", "photos")
    words = ["memory://photos", "-o", "memory://large", "--report", "r.jsonl"]
    assert command(*words)[0] == 0
    before = stored("large")
    MEMORY.rm("/large/b.png")
    MEMORY.pipe_file("/large/c.png", b"")
    code, rows, _ = command(*words, "--resume")
    assert code == 0
    assert {row["path"][-5:]: row["status"] for row in rows} == {"a.png": "skipped", "b.png": "done", "c.png": "done"}
    assert stored("large") == before
    upload("in", "photos")  # newer than their results
    assert {row["status"] for row in command(*words, "--resume")[1]} == {"done"}
    Path("r.jsonl").unlink()
    assert {row["status"] for row in command(*words, "--resume")[1]} == {"skipped"}
    lines = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert {row["sha256"] for row in lines} == {sha256(data).hexdigest() for data in before.values()}


def test_nothing_is_replaced(make: Make) -> None:
    make("in/a.png", "in/b.png")
    upload("in", "photos")
    MEMORY.pipe_file("/large/a.png", b"mine")
    words = ["memory://photos", "-o", "memory://large"]
    code, rows, errors = command(*words)
    assert code == 1
    assert [row["status"] for row in sorted(rows, key=lambda row: str(row["path"]))] == ["failed", "done"]
    assert "memory:///large/a.png: it exists" in errors
    assert MEMORY.cat_file("/large/a.png") == b"mine"
    assert command(*words, "--overwrite")[0] == 0
    assert MEMORY.cat_file("/large/a.png") != b"mine"


def test_between_a_store_and_this_machine(make: Make) -> None:
    make("in/a.png", "in/b.jpg")
    assert command("in", "-o", "memory://large")[0] == 0
    assert command("memory://large/*.png", "-o", "back")[0] == 0
    assert [path.name for path in Path("back").iterdir()] == ["a.png"]


def test_python_takes_what_the_command_takes(make: Make, double: Pipeline) -> None:
    """URLs, files and folders, also together; one image may become a file, and a folder here resumes as any other."""
    make("in/a.png", "in/b.jpg", "c.png")
    upload("in", "photos")
    rows = list(run(double, ["memory://photos", "c.png"], "memory://large"))
    assert [row.output for row in rows] == [f"memory:///large/{name}" for name in ("a.png", "b.jpg", "c.png")]
    assert set(stored("large")) == {"a.png", "b.jpg", "c.png"}
    rows = list(run(double, ["memory://photos", "c.png"], "memory://large", resume=True))
    assert {row.status for row in rows} == {"skipped"}
    (row,) = run(double, "memory://photos/b.jpg", "one.png")
    assert (row.path, row.output) == ("memory:///photos/b.jpg", "one.png")
    list(run(double, "memory://photos", "out"))
    (Path("out") / "a.png").unlink()
    assert [row.status for row in run(double, "memory://photos", "out", resume=True)] == ["done", "skipped"]


def test_an_image_that_another_ones_result_would_replace(make: Make, double: Pipeline) -> None:
    make("in/a.png", "in/in/a.png")
    upload("in", "all/in")
    with pytest.raises(UsageError, match=r"would replace the image memory:///all/in/a\.png"):
        list(run(double, "memory://all/in", "memory://all", recursive=True))


def test_a_store_that_fails(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b.png")
    upload("in", "photos")

    monkeypatch.setattr(type(MEMORY), "put_file", refuse)
    code, rows, _ = command("memory://photos", "-o", "memory://large")
    assert code == 1
    assert [row["error"] for row in rows] == [
        f"cannot write memory:///large/{name}.png: quota exceeded" for name in ("a", "b")
    ]


def test_a_store_that_is_gone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every image is tried in vain; the rest can be resumed."""
    make(*(f"in/{k:02}.png" for k in range(40)))
    upload("in", "photos")
    monkeypatch.setattr(transfer, "MAX_REFUSALS", 6)
    words = ["memory://photos", "-o", "memory://large", "--report", "r.jsonl", "--jobs", "2"]
    with monkeypatch.context() as broken:
        broken.setattr(type(MEMORY), "get_file", refuse)
        code, rows, errors = command(*words)
    assert code == 1
    assert {row["status"] for row in rows} == {"failed"}
    assert 6 <= len(rows) <= 8
    assert errors.count("given up after 6 images in a row: cannot read memory:///photos/") == 1
    assert command(*words, "--resume")[0] == 0
    assert len(stored("large")) == 40


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("quota exceeded")


def test_images_that_have_gone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no sign of a store that is."""
    make(*(f"in/{k}.png" for k in range(9)))
    upload("in", "photos")
    monkeypatch.setattr(transfer, "MAX_REFUSALS", 2)
    real = type(MEMORY).get_file

    def only_one(self: Any, name: str, target: str) -> None:
        real(self, name.replace("/photos/", "/nowhere/") if "8.png" not in name else name, target)

    monkeypatch.setattr(type(MEMORY), "get_file", only_one)
    code, rows, errors = command("memory://photos", "-o", "memory://large", "--jobs", "1")
    assert code == 1
    assert [row["status"] for row in rows] == ["failed"] * 8 + ["done"]
    assert "memory:///photos/0.png: there is no such file" in errors


def test_a_disk_that_is_full(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that images are fetched to."""
    make("in/a.png", "in/b.png", "in/c.png")
    upload("in", "photos")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(MEMORY), "get_file", full)
    code, rows, errors = command("memory://photos", "-o", "memory://large")
    assert (code, rows) == (1, [])
    assert errors.count("No space left on device") == 1
    assert "unexpected" not in errors


def test_what_a_killed_run_has_left(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders for temporary files, and files among the results."""
    make("in/a.png", "bad/b.png")
    Path("bad/b.png").write_bytes(b"")
    monkeypatch.setattr("tempfile.tempdir", str(Path("scratch").resolve()))
    mine = temporary(Path("scratch/x"))
    with subprocess.Popen(["true"]) as dead:
        pass
    its = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    for folder in (mine, its):
        folder.mkdir(parents=True)
        (folder / "photo.png").touch()
    Path("out").mkdir()
    (Path("out") / its.name).touch()
    upload("in", "photos")
    assert command("memory://photos", "-o", f"file://{Path('out').resolve()}")[0] == 0
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]
    assert list(Path("scratch").iterdir()) == [mine]
    assert command("bad", "-o", f"file://{Path('none').resolve()}")[0] == 1
    assert not Path("none").exists()


def test_a_store_that_says_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png")
    upload("in", "photos")
    over = Event()
    monkeypatch.setattr(store, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(type(MEMORY), "isfile", lambda *_: over.wait(120))
    for words in (["memory://photos", "-o", "memory://x"], ["memory://photos/*", "-o", "x"]):
        result = CliRunner().invoke(main, [*RUN, *words])
        assert (result.exit_code, result.stderr) == (
            1,
            f"error: cannot list {words[0]}: it has not answered for 0 seconds\n",
        )
    over.set()


def test_a_store_that_may_not_be_listed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png")
    upload("in", "photos")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(MEMORY), "find", denied)
    results = CliRunner().invoke(main, [*RUN, "memory://photos", "-o", "memory://large"])
    assert (results.exit_code, results.stderr) == (1, "error: cannot list memory:///large: Access Denied\n")
    monkeypatch.setattr(type(MEMORY), "ls", denied)
    images = CliRunner().invoke(main, [*RUN, "memory://photos", "-o", "memory://large"])
    assert (images.exit_code, images.stderr) == (1, "error: cannot list memory://photos: Access Denied\n")


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["memory://photos"], "-o names the folder of the results", 2),
        (["memory://photos", "-o", "memory://photos"], "the results would be among the images", 2),
        (["memory://nothing", "-o", "memory://out"], "there are no images in memory://nothing", 1),
        (["nostore://photos", "-o", "memory://out"], "cannot use nostore://photos", 2),
    ],
)
def test_mistakes(make: Make, words: list[str], message: str, code: int) -> None:
    make("in/a.png")
    upload("in", "photos")
    result = CliRunner().invoke(main, [*RUN, *words])
    assert message in result.stderr
    assert result.exit_code == code


def test_save_stages_write_here(make: Make) -> None:
    make("in/a.png")
    upload("in", "photos")
    result = CliRunner().invoke(main, ["run", "save x.png", "memory://photos", "-o", "memory://out"])
    assert "`save` stages write local files" in result.stderr
    assert result.exit_code == 2
