"""Clips in all combinations of container, codec and format of pixels. What is read is a table in docs/video.md:

python -m tests.video.test_combinations
"""

from __future__ import annotations

import io
import random
import re
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest

from imgtk.errors import ReadError
from imgtk.video.formats import WRITABLE
from imgtk.video.frames import Frame
from imgtk.video.read import Clip
from tests.video.clips import make

DOCS = Path(__file__).parents[2] / "docs" / "video.md"
MARKS = "<!-- outcome of tests/video/test_combinations.py -->", "<!-- end of the outcome -->"
MUXERS = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".mpg": "mpeg",
    ".ts": "mpegts",
    ".wmv": "asf",
    ".flv": "flv",
    ".3gp": "3gp",
    ".ogv": "ogg",
}
CODECS = {
    "libx264": ("yuv420p", "yuv444p", "yuv420p10le"),
    "libx265": ("yuv420p", "yuv420p10le"),
    "libvpx": ("yuv420p", "yuva420p"),
    "libvpx-vp9": ("yuv420p", "yuva420p", "yuv420p10le"),
    "libsvtav1": ("yuv420p", "yuv420p10le"),
    "ffv1": ("yuv420p", "bgra", "gbrp16le"),
    "prores_ks": ("yuv422p10le", "yuva444p10le"),
    "mpeg4": ("yuv420p",),
    "mpeg2video": ("yuv420p",),
    "mjpeg": ("yuvj420p",),
    "wmv2": ("yuv420p",),
    "flv": ("yuv420p",),
    "qtrle": ("rgb24", "argb"),
    "png": ("rgb24", "rgba", "rgb48be"),
}
CASES = [(suffix, codec, pixels) for suffix, codec in product(MUXERS, CODECS) for pixels in CODECS[codec]]
TIMES = (0, 1, 2, 3)  # in frames: old codecs know no finer times


def outcome(folder: Path, suffix: str, codec: str, pixels: str) -> str | None:
    """ "yes", or why it is refused; None if FFmpeg writes no such clip. Fails where frames or their times differ."""
    path = folder / f"a{suffix}"
    try:
        form = {"codec": codec, "pixel_format": pixels, "muxer": MUXERS[suffix]}
        make(path, times=TIMES, size=(64, 48), time_base=Fraction(1, 25), **form)
        with av.open(path) as clip:
            decoded = list(clip.decode(video=0))
            wanted = [(frame.to_ndarray(format="rgb24"), (frame.pts or 0) * frame.time_base) for frame in decoded]
    except (av.error.FFmpegError, ValueError, TypeError, IndexError):
        return None
    if len(wanted) != len(TIMES):
        return None
    try:
        with Clip(path) as clip:
            frames = [item for item in clip if isinstance(item, Frame)]
            unit = clip.form.time_base
    except ReadError as error:
        return error.message.partition(": ")[2]
    assert len(frames) == len(wanted)
    alpha = "a" in pixels.removeprefix("yuv")[:1] or pixels in ("bgra", "argb", "rgba")
    for frame, (expected, time) in zip(frames, wanted, strict=True):
        image = frame.image
        deep = image.pixels.dtype == np.uint16
        assert deep == any(mark in pixels for mark in ("10", "16", "48"))
        found = image.pixels / (257 if deep else 1)
        assert np.abs(found[4:20, 4:28] - expected[4:20, 4:28]).max() < 6
        assert image.alpha is None or alpha
        if suffix in WRITABLE:  # others keep no exact times
            assert (frame.pts - frames[0].pts) * unit == time - wanted[0][1]
    return "yes"


def table(found: dict[tuple[str, str], set[str]]) -> list[str]:
    lines = ["| | " + " | ".join(CODECS) + " |", "|---" * (1 + len(CODECS)) + "|"]
    for suffix in MUXERS:
        cells = ["; ".join(sorted(found.get((suffix, codec), set()))) or "—" for codec in CODECS]
        lines.append(f"| `{suffix}` | {' | '.join(cells)} |")
    return lines


def documented() -> list[str]:
    text = DOCS.read_text(encoding="utf-8")
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0].strip().splitlines()


def outcomes(folder: Path, cases: list[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for suffix, codec, pixels in cases:
        try:
            result = outcome(folder, suffix, codec, pixels)
        except AssertionError as error:
            raise AssertionError(f"{suffix} {codec} {pixels}: {error}") from error
        if result:
            found.setdefault((suffix, codec), set()).add(result)
    return found


def test_some(tmp_path: Path) -> None:
    cells = {line.split(" | ")[0].strip("| `"): line.strip("| ").split(" | ")[1:] for line in documented()[2:]}
    cases = random.Random(3).sample([case for case in CASES if case[1] != "libsvtav1"], 24)
    for (suffix, codec), result in outcomes(tmp_path, cases).items():
        assert result <= set(cells[suffix][list(CODECS).index(codec)].split("; "))


@pytest.mark.long
def test_all(tmp_path: Path) -> None:
    assert table(outcomes(tmp_path, CASES)) == documented()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made = "\n".join(table(outcomes(Path(folder), CASES)))
    text = DOCS.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(MARKS[0])}.*{re.escape(MARKS[1])}", re.DOTALL)
    DOCS.write_text(pattern.sub(lambda _: f"{MARKS[0]}\n{made}\n{MARKS[1]}", text), encoding="utf-8")
    print(made, file=io.TextIOWrapper(sys.stdout.buffer, "utf-8"))
