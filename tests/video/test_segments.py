"""Clips in segments: a run that ends in whatever way goes on with the last one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from imgtk.batch import Row, run
from imgtk.pipeline import Pipeline
from imgtk.video.formats import Encoding
from tests.video.clips import frames_of, make, packets_of, tags_of, times_of

TEXT = "adjust:gamma 1.5"
EXACT = Encoding("ffv1")  # x264 may weigh the same frames differently
UNEVEN = [index * 3000 + (index % 7) * 311 for index in range(33)]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.video.segments.FRAMES", 10)


def once(source: Path, target: Path, text: str = TEXT, **options: Any) -> Row:
    (row,) = run(Pipeline(text, device="cpu"), source, target, **options)
    return row


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("out.mp4", Encoding()),
        ("out.mkv", Encoding()),
        ("out.mov", Encoding("prores_ks")),
        ("out.mkv", Encoding("ffv1")),
        ("out.webm", Encoding("libvpx-vp9")),
        ("out.mp4", Encoding("libsvtav1")),
    ],
)
def test_joined_segments_are_the_clip(tmp_path: Path, name: str, encoding: Encoding) -> None:
    """Times, colours and sound are those of a clip that was written at once; so are the frames of lossless ones."""
    sound = None if name.endswith("webm") else "aac"
    make(tmp_path / "in.mp4", times=UNEVEN, size=(64, 64), audio=sound)
    whole, joined = tmp_path / name, tmp_path / f"joined.{name[4:]}"
    assert once(tmp_path / "in.mp4", whole, clips=encoding).error is None
    assert once(tmp_path / "in.mp4", joined, clips=encoding, resume=True).error is None
    assert times_of(joined) == times_of(whole)
    assert tags_of(joined) == tags_of(whole)
    if sound:
        assert packets_of(joined, "audio") == packets_of(whole, "audio")
    for one, other in zip(frames_of(joined), frames_of(whole), strict=True):
        assert np.abs(one.astype(int) - other).mean() < (0.01 if encoding.codec == "ffv1" else 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.mp4", whole.name, joined.name])


def test_what_is_done_is_not_done_again(tmp_path: Path, computed: Any) -> None:
    source = make(tmp_path / "in.mp4", times=UNEVEN)
    out, straight = tmp_path / "out.mp4", tmp_path / "straight.mp4"
    computed.fail_at = 27
    assert "power cut" in str(once(source, out, resume=True, clips=EXACT).exception)
    assert not out.exists()
    (folder,) = tmp_path.glob(".out.mp4.*.segments")
    assert len(list(folder.iterdir())) == 2
    computed.clear()
    computed.fail_at = 10**9
    assert once(source, out, resume=True, clips=EXACT).error is None
    assert len(computed) == 33 - 20
    assert not folder.exists()
    once(source, straight, resume=True, clips=EXACT)
    assert out.read_bytes() == straight.read_bytes()


def test_nothing_is_left_of_less_than_a_segment(tmp_path: Path, computed: Any) -> None:
    source = make(tmp_path / "in.mp4", times=UNEVEN)
    computed.fail_at = 5
    assert once(source, tmp_path / "out.mp4", resume=True).status == "failed"
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_segments_of_another_pipeline_are_not_taken(tmp_path: Path, computed: Any) -> None:
    source = make(tmp_path / "in.mp4", times=UNEVEN)
    computed.fail_at = 15
    once(source, tmp_path / "out.mp4", resume=True)
    computed.clear()
    computed.fail_at = 10**9
    assert once(source, tmp_path / "out.mp4", "adjust:gamma 2", resume=True).error is None
    assert len(computed) == 33
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_joining_fails_and_is_done_again(tmp_path: Path, computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "in.mp4", times=UNEVEN)
    with monkeypatch.context() as patch:
        patch.setattr("imgtk.video.write.ClipWriter.splice", lambda *_: 1 / 0)
        assert once(source, tmp_path / "out.mp4", resume=True).status == "failed"
    computed.clear()
    assert once(source, tmp_path / "out.mp4", resume=True).error is None
    assert len(computed) == 0
    assert times_of(tmp_path / "out.mp4") == [Fraction(pts, 90_000) for pts in UNEVEN]


def test_names_that_ffmpeg_takes_for_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("12:00 \udcff")
    folder.mkdir()
    make(tmp_path / "in.mp4", times=UNEVEN).rename("http:in.mp4")
    assert once(Path("http:in.mp4"), Path("file:out.mkv")).error is None
    assert once(Path("http:in.mp4"), folder / "out.mkv", resume=True).error is None
    assert once(folder / "out.mkv", Path("a:b.mp4"), resume=True).error is None
    assert sorted(os.listdir()) == ["12:00 \udcff", "a:b.mp4", "file:out.mkv", "http:in.mp4"]


def test_a_disk_that_fills_up(tmp_path: Path, files_end_at: Any) -> None:
    """What cannot be written is named as the user did, whatever the container of the segment."""
    source = make(tmp_path / "in.mp4", times=UNEVEN)
    with files_end_at(800):
        row = once(source, tmp_path / "out.mkv", resume=True)
    assert str(row.error) == f"cannot write {tmp_path / 'out.mkv'}: File too large"
    assert once(source, tmp_path / "out.mkv", resume=True).error is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mkv"]


def test_segments_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in.mkv", times=(0, 3600))
    monkeypatch.setattr("imgtk.video.segments._holds", lambda *what: False)
    row = once(tmp_path / "in.mkv", tmp_path / "out.mkv", resume=True)
    assert "--resume" in str(row.error)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_killed_and_resumed(tmp_path: Path) -> None:
    """By -9, twice, at any moment; the result is that of a run that was left alone."""
    make(tmp_path / "in.mp4", times=range(0, 3000 * 60, 3000), audio="aac")
    script = "import imgtk.video.segments as s; s.FRAMES = 5; import imgtk.cli as c; c.main()"
    words = ["run", "adjust:blur 30", "in.mp4", "-o", "out.mp4", "--codec", "ffv1", "--resume", "--quiet"]
    begin = lambda: subprocess.Popen([sys.executable, "-c", script, *words], cwd=tmp_path)  # noqa: E731
    for wanted in (2, 5):
        process = begin()
        while len(list(tmp_path.glob(".out.mp4.*.segments/0*"))) < wanted and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob(".out.mp4.*.segments/0*")}
    assert len(left) >= 5 or (tmp_path / "out.mp4").exists()
    assert begin().wait() == 0
    words[4] = "straight.mp4"
    assert begin().wait() == 0
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "straight.mp4").read_bytes()
    with av.open(tmp_path / "out.mp4") as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "straight.mp4"]
