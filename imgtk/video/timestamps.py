"""The times of frames as text, in the "timestamp format v2" of mkvtoolnix: a line of milliseconds per frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from pathlib import Path

from imgtk.errors import ReadError
from imgtk.io.write import replacing

NAME = "timestamps.txt"
"""Name of the file in the folder of the frames."""

FINEST = 1_000_000
"""Units in a second at most. Times that no such unit holds exactly are rounded to microseconds."""

_FIRST_LINE = "# timestamp format v2"
_FIRST_LINES = re.compile(r"#\s*time(stamp|code)\s+format\s+v2", re.IGNORECASE)  # older programs say "timecode"
_DECIMALS = 9  # of milliseconds: they tell apart all times whose units are no finer than `FINEST`
_ROUNDING = Fraction(1, 2 * 10 ** (3 + _DECIMALS))  # seconds


def read_timestamps(path: Path) -> list[Fraction]:
    """Return the times in a file, in seconds, rising. Empty lines and comments are left out.

    Raises:
        ReadError: if it cannot be read, is in another format, or its times do not rise.
    """
    try:
        first, *lines = path.read_text("utf-8-sig", "replace").split("\n")
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    if not _FIRST_LINES.fullmatch(first.strip()):
        raise ReadError(f"cannot read {path}: its first line is not `{_FIRST_LINE}`", hint="Use --fps instead.")
    times: list[Fraction] = []
    for number, line in enumerate(lines, 2):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            times.append(Fraction(text) / 1000)
        except (ValueError, ZeroDivisionError):
            raise ReadError(f"cannot read {path}: line {number} is not a time in milliseconds: {text[:40]}") from None
        if len(times) > 1 and times[-1] <= times[-2]:
            raise ReadError(f"cannot read {path}: line {number} is no later than the time before it: {text}")
    return times


def unit_of(times: Iterable[Fraction]) -> Fraction:
    """Return the longest unit, in seconds, of which all times are whole multiples; a microsecond if it would be
    shorter."""
    units = 1
    for time in times:
        exact = time.limit_denominator(FINEST)  # that was rounded to decimals
        units = lcm(units, exact.denominator)
        if units > FINEST or abs(exact - time) > _ROUNDING:
            return Fraction(1, FINEST)
    return Fraction(1, units)


def whole(times: Sequence[Fraction], unit: Fraction) -> list[int]:
    """Return times as numbers of a unit, rounded, but rising."""
    numbers: list[int] = []
    for time in times:
        number = round(time / unit)
        numbers.append(max(number, numbers[-1] + 1) if numbers else number)
    return numbers


class Timestamps:
    """A file of times that grows with the frames. It is that of the frames so far at any moment: their starts, and the
    end of the last one.

    Args:
        path: the file, which is replaced.
        times: starts of the frames that are there, and the end of the last one, in seconds; none if there is no frame.

    Raises:
        WriteError: if it cannot be written.
    """

    def __init__(self, path: Path, times: Sequence[Fraction] = ()) -> None:
        lines = [f"{_FIRST_LINE}\n".encode(), *map(_line, times)]
        with replacing(path) as file:
            file.writelines(lines)
        self._end = sum(map(len, lines[:-1] if times else lines))
        self._file = path.open("r+b", buffering=0)  # so that a frame is added by one call, which is not left half-way

    def add(self, start: Fraction, end: Fraction) -> None:
        """Add a frame, shown from `start` to `end`, in seconds. Raises OSError."""
        self._file.seek(self._end)
        self._file.write(_line(start) + _line(end))
        self._file.truncate()
        self._end += len(_line(start))

    def close(self) -> None:
        self._file.close()


def _line(time: Fraction) -> bytes:
    """Return a time in milliseconds, without zeros that say nothing."""
    number = Decimal(round(time * 10 ** (3 + _DECIMALS))).scaleb(-_DECIMALS)
    return f"{number.normalize():f}\n".encode()
