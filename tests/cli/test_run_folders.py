"""`imgtk run` on folders: what it says, Ctrl-C, and kill -9 at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import Result
from PIL.PngImagePlugin import PngInfo

from imgtk import pipeline as pipeline_module
from imgtk.errors import MemoryLimitError

Cli = Callable[..., Result]
DOUBLE = "upscale:nearest x2"


def images(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (count, 6, 8, 3), np.uint8)
    for k in range(count):
        PIL.Image.fromarray(noise[k]).save(folder / f"{k:04}.png")
    return sorted(folder.iterdir())


@contextmanager
def started(*words: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "imgtk", "run", *words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it for background jobs
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.mark.slow
def test_killed_three_times_and_resumed(cli: Cli, tmp_path: Path) -> None:
    good = [*images(tmp_path / "in" / "a", 150), *images(tmp_path / "in" / "b" / "c", 150)]
    bad = [tmp_path / "in" / "a" / f"{k:04}x.png" for k in range(0, 150, 10)]
    for path in bad:
        path.write_bytes(good[0].read_bytes()[:60])
    report, out = tmp_path / "report.jsonl", tmp_path / "out"
    words = (DOUBLE, "in", "-o", "out", "--recursive", "--report", "report.jsonl", "--json")
    for turn, seen in enumerate((20, 90, 40)):
        with started(*words, *["--resume"] * (turn > 0), cwd=tmp_path) as process:
            assert process.stdout
            for _ in range(seen):
                assert process.stdout.readline()
            process.kill()
            process.wait()
            assert process.returncode == -signal.SIGKILL
        for path in out.rglob("*.png"):
            with PIL.Image.open(path) as image:
                assert np.asarray(image).shape == (12, 16, 3)
    unfinished = out / "a" / f".imgtk-{'0' * 8}-1-{'0' * 16}.tmp"
    unfinished.write_text("of another machine")
    with report.open("ab") as file:
        file.write(b'{"path": "in/a/00')
    assert cli("run", *words, "--resume").exit_code == 1
    made = {path.relative_to(out) for path in out.rglob("*") if path.is_file() and path != unfinished}
    assert made == {path.relative_to(tmp_path / "in") for path in good}
    rows = [json.loads(line) for line in lines(report)]
    assert Counter(tmp_path / row["path"] for row in rows) == dict.fromkeys([*good, *bad], 1)
    assert {tmp_path / row["path"] for row in rows if row["status"] == "failed"} == set(bad)
    for row in rows:
        if row["status"] == "done":
            assert row["sha256"] == sha256((tmp_path / row["output"]).read_bytes()).hexdigest()
    for path in (good[7], good[-1]):
        expected = np.asarray(PIL.Image.open(path)).repeat(2, 0).repeat(2, 1)
        assert np.array_equal(np.asarray(PIL.Image.open(out / path.relative_to(tmp_path / "in"))), expected)


@pytest.mark.slow
def test_interrupted_by_a_signal(cli: Cli, tmp_path: Path) -> None:
    """The first Ctrl-C lets the image be finished that is being computed; the next run goes on."""
    images(tmp_path / "in", 40)
    PIL.Image.new("RGB", (600, 600)).save(tmp_path / "in" / "0001.png")
    words = ("adjust:blur radius=3", "in", "-o", "out", "--tile", "16", "--json", "--jobs", "2")
    with started(*words, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stderr
        assert "0000.png" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C again" in process.stderr.readline()
        rows = [json.loads(line) for line in process.stdout]
        said = process.stderr.read()
        assert process.wait() == 130
    assert "--resume" in said
    assert f"{len(rows) + 1} done, {39 - len(rows)} left" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "0000.png", *(Path(row["output"]).name for row in rows)
    ]  # fmt: skip
    assert cli("run", *words).exit_code == 1  # what is there is in the way
    again = cli("run", *words, "--resume")
    assert again.exit_code == 0
    assert "40 skipped" in again.stderr


@pytest.mark.slow
def test_interrupted_twice(tmp_path: Path) -> None:
    images(tmp_path / "in", 2)
    PIL.Image.new("RGB", (4000, 4000)).save(tmp_path / "in" / "0001.png")
    with started("adjust:blur radius=9", "in", "-o", "out", "--tile", "16", cwd=tmp_path) as process:
        assert process.stdout
        assert process.stderr
        assert "0000.png" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0000.png"]


def test_exit_codes_and_summary(cli: Cli, tmp_path: Path) -> None:
    images(tmp_path / "in", 3)
    result = cli("run", DOUBLE, "in", "-o", "out")
    assert result.exit_code == 0
    assert result.stdout.split() == ["out/0000.png", "out/0001.png", "out/0002.png"]
    assert result.stderr.startswith("3 done, ")
    result = cli("run", DOUBLE, "in", "-o", "out", "--resume", "--report", "r.jsonl")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "3 skipped\n")
    assert [json.loads(line)["status"] for line in lines(Path("r.jsonl"))] == ["done"] * 3
    Path("in/0001.png").write_text("no image")
    result = cli("run", DOUBLE, "in", "-o", "out", "--resume")
    assert result.exit_code == 1
    assert "1 failed, 2 skipped" in result.stderr
    assert result.stderr.count("error: ") == 1
    assert cli("run", DOUBLE, "in", "-o", "out", "--resume", "--overwrite").exit_code == 2


def test_what_is_not_carried_is_reported_and_counted(cli: Cli, tmp_path: Path) -> None:
    first, _ = images(tmp_path / "in", 2)
    info = PngInfo()
    info.add_text("Title", "t")
    with PIL.Image.open(first) as image:
        image.save(first, pnginfo=info)
    result = cli("run", DOUBLE, "in", "-o", "out", "--format", "jpg", "--report", "r")
    assert result.exit_code == 0
    assert "2 done, 1 with warnings (see --report)" in result.stderr
    rows = {row["path"]: row["warnings"] for row in map(json.loads, lines(Path("r")))}
    assert rows == {"in/0000.png": ["a text is left out"], "in/0001.png": []}
    result = cli("run", DOUBLE, first, "-o", "one.jpg")
    assert result.stderr == f"note: {first}: a text is left out\n"
    assert cli("run", DOUBLE, first, "-o", "one.png").stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("in/*.jpg", "-o", "out"), 1, "no image matches in/*.jpg"),
        (("in/*.png",), 2, "-o"),
        (("@list", "-o", "out"), 2, "cannot read the list list"),
        (("in", "-o", "in"), 2, "among the images"),
        (("", "-o", "out"), 2, "an input path is empty"),
        (("in", "-o", "in/0000.png"), 2, "name a folder"),
        (("in", "-o", "plain"), 2, "is a file"),
        (("in", "-o", "out", "--report", "plain"), 1, "exists"),
        (("in", "-o", "out", "--report", "plain", "--resume"), 2, "plain is not a report"),
        (("in", "-o", "out", "--report", "no/r.jsonl"), 1, "no does not exist"),
        (("in", "-o", "out", "--jobs", "0"), 2, "--jobs"),
    ],
)
def test_mistakes(cli: Cli, tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    images(tmp_path / "in", 2)
    Path("plain").write_text("precious")
    result = cli("run", DOUBLE, *words)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stderr.count("error: ") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "plain"]
    assert Path("plain").read_text() == "precious"


def test_a_full_disk(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, not one for each image."""
    images(tmp_path / "in", 30)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = cli("run", DOUBLE, "in", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.count("No space left") == result.stderr.count("error: ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_disk_that_fills_up_midway(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message tells how to go on."""
    images(tmp_path / "in", 30)
    left, real = iter(range(3)), os.replace

    def filling(*names: str) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        real(*names)

    monkeypatch.setattr(os, "replace", filling)
    result = cli("run", DOUBLE, "in", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.count("error: ") == 1
    assert "3 done, 27 left" in result.stderr
    assert result.stderr.endswith("No space left on device\n  Run the same command with --resume to continue.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_standard_output_on_a_full_disk(tmp_path: Path, words: tuple[str, ...]) -> None:
    images(tmp_path / "in", 2)
    command = [sys.executable, "-m", "imgtk", "run", DOUBLE, "in", "-o", "out", *words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "error: cannot write to standard output: No space left on device\n" in done.stderr


def test_standard_output_without_the_letters(tmp_path: Path) -> None:
    images(tmp_path / "in", 2)
    (tmp_path / "in" / "0000.png").rename(tmp_path / "in" / "ü.png")
    command = [sys.executable, "-m", "imgtk", "run", DOUBLE, "in", "-o", "out"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/0001.png", "out/\\xfc.png"]


def test_standard_error_is_closed(tmp_path: Path) -> None:
    images(tmp_path / "in", 2)
    command = f"{sys.executable} -m imgtk run '{DOUBLE}' in no.png -o out 2>&-"
    done = subprocess.run(command, cwd=tmp_path, shell=True, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stdout.split() == ["out/0000.png", "out/0001.png"]


def test_a_pipeline_that_fails_for_one_image(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path / "in", 3)
    compute = pipeline_module.Pipeline.__call__

    def call(self: pipeline_module.Pipeline, image: object, *words: object, **plan: object) -> object:
        if image.path.name == "0001.png":  # type: ignore[attr-defined]
            raise MemoryLimitError("it does not fit")
        return compute(self, image, *words, **plan)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline_module.Pipeline, "__call__", call)
    result = cli("run", DOUBLE, "in", "-o", "out")
    assert result.exit_code == 1
    assert "0001.png: it does not fit" in result.stderr
    assert result.stdout.split() == ["out/0000.png", "out/0002.png"]
