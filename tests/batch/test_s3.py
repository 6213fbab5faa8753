"""The same with s3fs, where moto (pip install s3fs 'moto[server]') is there to stand for S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from imgtk import Pipeline
from imgtk.batch import run
from imgtk.cli import main
from tests.batch.conftest import Make, broken

s3fs = pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store with the empty buckets photos and large."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("photos")
    store.mkdir("large")
    yield store
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)  # it is kept for the process
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def command(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(main, ["run", "upscale:nearest x2", *words, "--json", "--device", "cpu"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def upload(store: Any) -> None:
    for path in Path("in").rglob("*"):
        if path.is_file():
            store.put_file(str(path), f"photos/{path}")


def test_a_folder_of_a_bucket(make: Make, double: Pipeline, s3: Any) -> None:
    make("in/a.png", "in/x/b.jpg", "in/x/ ü [1].webp", "in/.hidden/c.png", "in/x/a.png", "in/a::b%20c?#d.png")
    Path("in/bad").mkdir()
    for path in broken(Path("in/bad")):
        if not path.is_file():
            path.unlink()
    upload(s3)
    here = list(run(double, "in", "out", recursive=True))
    words = ["s3://photos/in", "-o", "s3://large/out", "--recursive", "--report", "r.jsonl"]
    code, rows, errors = command(*words)
    assert code == 1
    assert "unexpected" not in errors
    results = {f"large/{p.as_posix()}": p.read_bytes() for p in Path("out").rglob("*") if p.is_file()}
    assert {name: s3.cat_file(name) for name in s3.find("large")} == results
    assert {row["path"]: row["sha256"] for row in rows} == {f"s3://photos/{row.path}": row.sha256 for row in here}
    s3.rm("large/out/a.png")
    again = command(*words, "--resume")[1]
    assert [row["path"] for row in again if row["status"] == "done"] == ["s3://photos/in/a.png"]
    assert {name: s3.cat_file(name) for name in s3.find("large")} == results
    assert len(Path("r.jsonl").read_text().splitlines()) == len(here)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_bucket_that_is_missing(make: Make, s3: Any, overwrite: list[str]) -> None:
    """None is made: its name may be a slip of the pen."""
    make("in/a.png")
    upload(s3)
    for recursive in ([], ["--recursive"]):
        code, rows, errors = command("s3://fotos/in", "-o", "s3://large", *recursive)
        assert (code, rows, errors) == (1, [], "error: cannot list s3://fotos/in: there is no bucket fotos\n")
    code, _, errors = command("s3://photos/in", "-o", "s3://huge/out", *overwrite)
    assert code == 1
    assert ("its bucket or folder is missing" if overwrite else "there is no bucket huge") in errors
    assert s3.ls("") == ["large", "photos"]
