"""Times as text keep what they are, and rates mean what people mean by them."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgtk.errors import ReadError
from imgtk.video.formats import rate_of
from imgtk.video.timestamps import FINEST, Timestamps, read_timestamps, unit_of, whole

HEAD = "# timestamp format v2\n"


def write(path: Path, times: list[Fraction]) -> Path:
    written = Timestamps(path)
    for start, end in pairwise(times):
        written.add(start, end)
    written.close()
    return path


@given(
    units=st.sampled_from([1, 24, 600, 1000, 12_800, 15_360, 24_000, 30_000, 90_000, 999_983]),
    numbers=st.lists(st.integers(-(10**6), 10**11), min_size=2, max_size=20, unique=True),
)
def test_times_are_kept_exactly(tmp_path_factory: pytest.TempPathFactory, units: int, numbers: list[int]) -> None:
    times = sorted(Fraction(number, units) for number in numbers)
    back = read_timestamps(write(tmp_path_factory.mktemp("t") / "t.txt", times))
    unit = unit_of(back)
    assert [number * unit for number in whole(back, unit)] == times


def test_times_of_a_finer_unit_are_rounded_and_still_rise() -> None:
    times = [Fraction(number, 10**9) for number in (0, 1, 2, 5_000_000_000)]
    assert unit_of(times) == Fraction(1, FINEST)
    assert whole(times, Fraction(1, FINEST)) == [0, 1, 2, 5_000_000]


def test_the_file_is_that_of_the_frames_so_far(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    times = Timestamps(path)
    assert path.read_text() == HEAD
    times.add(Fraction(0), Fraction(1, 30))
    assert path.read_text() == HEAD + "0\n33.333333333\n"
    times.add(Fraction(1, 25), Fraction(2))  # later than the end of the one before, and shorter as text
    assert path.read_text() == HEAD + "0\n40\n2000\n"
    times.close()
    again = Timestamps(path, read_timestamps(path)[:2])
    again.add(Fraction(1, 20), Fraction(3))
    again.close()
    assert path.read_text() == HEAD + "0\n50\n3000\n"


def test_a_run_that_is_ended_while_it_adds_a_frame_loses_no_other(tmp_path: Path) -> None:
    """Whatever has reached the file at each call of the operating system holds all times before."""
    path, seen = tmp_path / "t.txt", []
    times = Timestamps(path)
    times.add(Fraction(0), Fraction(1, 30))

    class Watched(io.FileIO):
        def write(self, data: Any) -> int:
            seen.append(read_timestamps(path))
            return super().write(data)

        def truncate(self, size: int | None = None) -> int:
            seen.append(read_timestamps(path))
            return super().truncate(size)

    times.close()
    times._file = Watched(path, "r+b")
    for number in range(1, 5):
        times.add(Fraction(number, 30), Fraction(number + 1, 30))
    times.close()
    assert [len(found) for found in seen] == [2, 3, 3, 4, 4, 5, 5, 6]


def test_files_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"\xef\xbb\xbf# timecode format v2\r\n# made by hand\r\n0\r\n\r\n33.37\r\n66.73")
    assert read_timestamps(path) == [0, Fraction(3337, 100_000), Fraction(6673, 100_000)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "first line"),
        ("0\n40\n", "first line"),
        ("# timestamp format v1\n0,10,25\n", "first line"),
        (HEAD + "0\nforty\n", "line 3"),
        (HEAD + "0\n1/0\n", "line 3"),
        (HEAD + "0\nnan\n", "line 3"),
        (HEAD + "0\n40\n40\n", "line 4 is no later"),
        (HEAD + "0\n\n80\n# no\n40\n", "line 6 is no later"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(ReadError, match=rf"t\.txt.*{told}"):
        read_timestamps(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", 25), ("24.0", 24), ("1", 1), ("12.5", Fraction(25, 2)), ("29.9", Fraction(299, 10)),
        ("23.976", Fraction(24_000, 1001)), ("23.98", Fraction(24_000, 1001)), ("29.97", Fraction(30_000, 1001)),
        ("59.94", Fraction(60_000, 1001)), ("24000/1001", Fraction(24_000, 1001)), ("1/10", Fraction(1, 10)),
        ("0.5", Fraction(1, 2)),
    ],
)  # fmt: skip
def test_rates(text: str, rate: Fraction) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["0", "-25", "25 fps", "", "1/0", "inf", "nan", "1001", "1/10000001"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        rate_of(text)
