"""A run over a Ray cluster does what a run here does, whatever happens to its workers."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from threading import Event
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner

from imgtk import Pipeline
from imgtk.batch import Job, Row, RunOptions, list_jobs, run, run_jobs
from imgtk.batch.ray import Cluster, config, connection, pool, ray_engine
from imgtk.batch.ray.worker import Task, Worker
from imgtk.batch.store import StorePlace
from imgtk.cli import main
from imgtk.engine import Settings
from imgtk.errors import ClusterError, UsageError
from imgtk.io.temporary import temporary
from tests.batch.conftest import Make, broken

PIPELINE = Pipeline("upscale:lanczos x2 | save 'half/{name}.png' | adjust:saturation 0.5", device="cpu")


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """A cluster of this machine, with room for two workers of one core."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def on_cluster(
    out: str = "out", *, resume: bool = False, report: Path | None = None, stop: Event | None = None, **options: Any
) -> Iterator[Row]:
    engine = ray_engine(Cluster(PIPELINE.yaml(), Settings(**options), cores=1))
    jobs = list_jobs(["in"], out, recursive=True)
    yield from run_jobs([PIPELINE], jobs, RunOptions(resume=resume), report=report, stop=stop, engine=engine)


def contents(*folders: str) -> dict[str, bytes]:
    """The files in some folders, hidden ones too."""
    files = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(path.parts[0])): path.read_bytes() for path in files}


def told(rows: list[Row]) -> list[dict[str, Any]]:
    """What rows say, but for times and where results are; by path."""
    lines = sorted((row.to_dict() for row in rows), key=lambda line: str(line["path"]))
    return [{**line, "output": line["output"] and Path(line["output"]).name, "seconds": None} for line in lines]


@pytest.mark.slow
def test_it_does_what_a_run_here_does(make: Make, two_cores: None) -> None:
    make(*(f"in/{k % 3}/{k:02}.{('png', 'jpg', 'webp')[k % 3]}" for k in range(18)), "in/ ü 'x' [1].png")
    Path("in/bad").mkdir()
    bad = broken(Path("in/bad"))
    here = list(run(PIPELINE, "in", "here", recursive=True))
    saved = contents("half")
    for path in Path("half").rglob("*.png"):
        path.unlink()
    stop = Event()
    first = []
    for row in on_cluster(report=Path("report.jsonl"), stop=stop):
        first.append(row)
        stop.set()  # as Ctrl-C does
    rest = list(on_cluster(resume=True, report=Path("report.jsonl")))
    assert len(bad) < len(here)
    assert 0 < len(first) < len(here)
    assert {row.path for row in first if row.status == "done"} == {row.path for row in rest if row.status == "skipped"}
    last = {row.path: row for row in [*rest, *(row for row in first if row.status == "done")]}
    assert told(list(last.values())) == told(here)
    assert contents("out") == contents("here")
    assert contents("half") == saved
    lines = [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()]
    assert sorted(map(str, lines)) == sorted(str(row.to_dict()) for row in last.values())


@pytest.mark.slow
def test_between_stores(make: Make, two_cores: None) -> None:
    make(*(f"in/{k % 3}/{k}.{('png', 'jpg', 'webp')[k % 3]}" for k in range(9)))
    broken(Path("in/0"))
    double = Pipeline("upscale:nearest x2", device="cpu")
    here = list(run(double, "in", "here", recursive=True))
    engine = ray_engine(Cluster(double.yaml(), cores=1))
    words = (f"file://{Path(name).resolve()}" for name in ("in", "out"))
    rows = list(run(double, *words, recursive=True, report="r.jsonl", engine=engine))
    assert Counter(row.status for row in rows) == Counter(row.status for row in here)
    assert {row.sha256 for row in rows} == {row.sha256 for row in here}
    assert contents("out") == contents("here")


@pytest.mark.slow
def test_a_worker_that_dies_loses_nothing(make: Make, two_cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One dies when it has written a result but not told of it, in the midst of writing another one; one image kills
    whatever works on it. A file of somebody else is left alone."""
    make(*(f"in/{k:02}.png" for k in range(12)), "in/once.png", "in/poison.png", "in/taken.png")
    make("out/taken.png")
    taken = Path("out/taken.png").read_bytes()

    class Mortal(Worker):  # defined here, so that Ray sends it along
        def image(self, job: Job) -> tuple[Row | None, Exception | None]:
            if job.source.stem == "poison" or (job.source.stem == "once" and not Path("once died").exists()):
                answer = super().image(job)
                temporary(job.target).write_bytes(b"half of it")
                with Path(f"{job.source.stem} died").open("a") as file:
                    file.write(f"{answer[0] and answer[0].status}\n")
                os.kill(os.getpid(), signal.SIGKILL)
            return super().image(job)

    monkeypatch.setattr(pool, "Worker", Mortal)
    rows = {row.path: row for row in on_cluster()}
    assert Counter(row.status for row in rows.values()) == {"done": 13, "failed": 2}
    assert Path("once died").read_text().split() == ["done"]
    deaths = Path("poison died").read_text().split()
    assert set(deaths) == {"done"}
    assert len(deaths) in (pool.TRIES, pool.TRIES - 1)  # "once" may have taken the first worker away from it
    assert "3 workers have died of it" in str(rows["in/poison.png"].error)
    assert "it exists" in str(rows["in/taken.png"].error)
    assert Path("out/taken.png").read_bytes() == taken
    Path("out/taken.png").unlink()
    Path("in/taken.png").unlink()
    Path("in/poison.png").unlink()
    Path("half/taken.png").unlink(missing_ok=True)
    half = contents("half")
    for path in Path("half").iterdir():
        path.unlink()
    list(run(PIPELINE, "in", "here"))
    assert contents("out") == contents("here")
    assert half == contents("half")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["head", "this machine"])
def test_the_cluster_is_gone(make: Make, two_cores: None, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png")
    here = connection._here()
    for module in (pool, connection):
        monkeypatch.setattr(module, "INTERVAL", 0.01)
    monkeypatch.setattr(connection, "GONE", 0.02)
    monkeypatch.setattr(connection, "_answers", lambda address: address == here and part == "head")
    with pytest.raises(ClusterError, match=r"the Ray cluster is gone.*\n.*--resume") as caught:
        list(on_cluster(report=Path("report.jsonl")))
    assert ("Ray on this machine" in str(caught.value)) == (part == "this machine")
    assert Path("report.jsonl").read_bytes() == b""
    assert not Path("out").exists()


@pytest.mark.slow
def test_workers_that_cannot_work(make: Make, two_cores: None) -> None:
    make("in/a.png")
    with pytest.raises(UsageError, match="tile"):
        list(on_cluster(tile=-3))
    assert not Path("out").exists()


def test_without_images_to_do_no_cluster_is_needed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png")
    pytest.importorskip("ray")
    list(run(PIPELINE, "in", "out"))
    monkeypatch.setattr(pool, "connected", None)
    assert [row.status for row in on_cluster(resume=True)] == ["skipped"]


def test_a_place_that_is_not_the_same(tmp_path: Path) -> None:
    """Results must not end up on the disks of workers."""
    options, beacon = RunOptions(), tmp_path / "beacon"
    task = Task(PIPELINE.yaml(), Settings(), options, 1, tmp_path, beacon)
    here = Path.cwd()
    try:
        (unseen, nowhere, other) = [
            Worker(one).begin()
            for one in (
                task,
                Task(PIPELINE.yaml(), Settings(), options, 1, tmp_path / "nowhere", beacon),
                Task(PIPELINE.yaml(), Settings(), options, 1, tmp_path, beacon, version="0.0"),
            )
        ]
    finally:
        os.chdir(here)
    assert "does not see the files in" in str(unseen)
    assert "cannot enter" in str(nowhere)
    assert "was started by 0.0" in str(other)


def test_a_store_that_a_machine_cannot_reach(tmp_path: Path) -> None:
    places = frozenset({StorePlace("memory://nowhere")})
    told = Worker(Task(PIPELINE.yaml(), Settings(), RunOptions(), 1, tmp_path, None, places=places)).begin()
    assert "cannot read memory://nowhere: there is no such file" in str(told)
    assert "`ray start`" in str(told)


def test_a_worker_between_stores(make: Make, tmp_path: Path) -> None:
    """Images are fetched and results sent by the worker itself."""
    memory = fsspec.filesystem("memory")
    (path,) = make("in/a.png")
    memory.pipe_file("/ray-in/a.png", path.read_bytes())
    (job,) = list_jobs(["memory://ray-in"], "memory://ray-out")
    task = Task("upscale:nearest x2", Settings(device="cpu"), RunOptions(), 1, tmp_path, None)
    document = Pipeline(task.pipeline, device="cpu").yaml()
    worker = Worker(replace(task, pipeline=document, places=frozenset({job.origin})))
    assert isinstance(worker.begin(), str)
    row, failure = worker.image(job)
    assert failure is None
    assert row
    assert (row.path, row.output) == ("memory:///ray-in/a.png", "memory:///ray-out/a.png")
    assert sha256(memory.cat_file("/ray-out/a.png")).hexdigest() == row.sha256


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "ray", "--ray-address", "somewhere"], "is not the address of a Ray cluster"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:1"], "there is no Ray cluster at 127.0.0.1:1"),
        (["--engine", "ray", "--ray-address", "auto"], "there is no Ray cluster that this machine belongs to"),
        (["--engine", "ray", "--device", "cuda:1"], "the device cuda:1 is one machine's"),
        (["--engine", "ray", "--watch"], "leave out --engine ray"),
        (["--ray-cores", "2"], "need --engine ray"),
    ],
)
def test_mistakes(make: Make, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    refused = CompletedProcess([], 1, b"", b"ConnectionError: Could not find any running Ray instance.\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    make("in/a.png")
    command = ["run", "adjust:saturation 0.5", "in", "-o", "out", "--report", "r.jsonl"]
    result = CliRunner().invoke(main, [*command, *words])
    assert message in result.stderr
    assert result.exit_code in (1, 2)
    assert not Path("out").exists()
    assert not Path("r.jsonl").exists()  # the same command can be given again


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would try for a quarter of an hour."""
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection, "CONNECT", 1.0)
    server = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    with server, pytest.raises(ClusterError, match="something else answers there"), connection.connected(address):
        pass


def test_ray_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(ClusterError, match=r"not start on this machine: .*No space"), connection.connected(None):
        pass


def test_leaving_a_lost_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for; the program that ends meanwhile fails without a crash."""
    ray = pytest.importorskip("ray")
    closed, ends, codes = Event(), list[Any](), list[int]()
    monkeypatch.setattr(ray, "shutdown", closed.wait)
    monkeypatch.setattr(connection, "LEAVE", 0.01)
    monkeypatch.setattr(atexit, "register", lambda *what: ends.append(what))
    monkeypatch.setattr(os, "_exit", codes.append)
    connection._give_up()
    ((end, leaving),) = ends
    end(leaving)
    assert codes == [1]
    closed.set()
    leaving.join()
    end(leaving)
    assert codes == [1]


def test_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"[W 1] Unauthenticated: InvalidAuthToken: Authentication token is missing\nConnectionError: Failed.\n"

    def refuse(command: list[str], **_: object) -> Any:
        raise TimeoutExpired(command, 1.0, stderr=said)

    for answer in (lambda *_, **__: CompletedProcess([], 1, b"", said), refuse):
        monkeypatch.setattr(subprocess, "run", answer)
        with pytest.raises(ClusterError, match=r"requires a token(.|\n)*RAY_AUTH_MODE=token"):
            connection._rehearse("127.0.0.1:1", "at 127.0.0.1:1")


def test_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "find_spec", lambda name: True)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert Cluster("").head == "10.0.0.1:6379"
    assert Cluster("", address="auto").head == "auto"
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert Cluster("").head is None
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")
    with pytest.raises(UsageError, match="is not the address of a Ray cluster"):
        Cluster("")


def test_ray_is_not_installed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "find_spec", lambda name: None)
    make("in/a.png")
    result = CliRunner().invoke(main, ["run", "adjust:saturation 0.5", "in", "-o", "out", "--engine", "ray"])
    assert result.exit_code == 1
    assert "pip install 'imgtk[ray]'" in result.stderr
