"""The report survives what kills a run, and never takes another file for a report."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from imgtk.batch.report import Report, Row
from imgtk.errors import UsageError, WriteError


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    report = Report(path)
    report.open(set())
    report.add(Row("a.png", "done", "out/a.png", (4, 2), {"read": 0.12341}, "ab"))
    report.add(Row("b\udcff.png", "failed", exception=ZeroDivisionError("oh\ndear")))
    assert rows(path)[0] == {
        "path": "a.png", "output": "out/a.png", "status": "done", "error": None, "size": [4, 2],
        "seconds": {"read": 0.1234}, "sha256": "ab", "warnings": []
    }  # fmt: skip
    assert rows(path)[1]["path"] == "b\udcff.png"
    assert rows(path)[1]["error"] == "unexpected ZeroDivisionError: oh"
    report.close()


def test_resuming(tmp_path: Path) -> None:
    """A torn line goes, rows of images that are done again go, and what was done without a row gets one."""
    path, made = tmp_path / "report.jsonl", tmp_path / "c.png"
    made.write_bytes(b"result")
    old = [Row("a", "done", "out/a"), Row("b", "failed"), Row("other", "failed")]
    path.write_text("".join(json.dumps(row.to_dict()) + "\n" for row in old) + '{"path": "c", "stat')
    report = Report(path, resume=True)
    assert report.owner("out/a") == "a"
    assert report.owner("out/b") is None
    report.open({"b"})
    for row in (Row("a", "skipped", "out/a"), Row("b", "done", "out/b"), Row("c", "skipped", str(made))):
        report.add(row)
    report.close()
    assert [(row["path"], row["status"]) for row in rows(path)] == [
        ("a", "done"), ("other", "failed"), ("b", "done"), ("c", "done")
    ]  # fmt: skip
    assert rows(path)[-1]["sha256"] == sha256(b"result").hexdigest()


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n rest", b"notes", b"[1]\n", b'{"a": 1}\n', b'{"path": "a"}\nx\n']
)
def test_other_files_are_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a report"):
        Report(path, resume=True)
    with pytest.raises(WriteError, match="exists"):
        Report(path)
    assert path.read_bytes() == content
