"""The report of a run: one line of JSON per image, in a file that survives any interruption."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from imgtk.errors import ImgtkError, UsageError, WriteError
from imgtk.io.write import check_place, replacing


@dataclass(frozen=True)
class Row:
    """The outcome of one image.

    Attributes:
        path: of the image.
        status: "done", "failed", or "skipped" if an earlier run has done it.
        output: the file of the result, or the folder of its frames; None if it failed.
        size: width and height of the result; None if it failed or was skipped.
        seconds: time for "read", "compute" and "write", without waiting.
        sha256: hash of the result, in hex; None if it failed, is a folder, or has already been taken away.
        notes: remarks for the user.
        warnings: what of the image is not in the result: metadata that imgtk or the format does not hold.
        exception: why it failed.
    """

    path: str
    status: str
    output: str | None = None
    size: tuple[int, int] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exception: Exception | None = None

    @property
    def error(self) -> str | None:
        """What `exception` says."""
        if self.exception is None or isinstance(self.exception, ImgtkError):
            return None if self.exception is None else str(self.exception)
        first = (str(self.exception).splitlines() or [""])[0]
        return f"unexpected {type(self.exception).__name__}: {first}"

    def to_dict(self) -> dict[str, Any]:
        """Return the row as a line of the report says it."""
        return {
            "path": self.path,
            "output": self.output,
            "status": self.status,
            "error": self.error,
            "size": list(self.size) if self.size else None,
            "seconds": {stage: round(seconds, 4) for stage, seconds in self.seconds.items()},
            "sha256": self.sha256,
            "warnings": list(self.warnings),
        }


class Report:
    """A file with one line of JSON per image. Each line is handed to the system at once.

    Args:
        path: the file.
        resume: continue the file if it exists. A last line that is cut short is dropped.
        overwrite: replace it if it exists.

    Raises:
        WriteError: if it cannot be written, or exists and is to be neither continued nor replaced.
        UsageError: if the file to continue is not a report.
    """

    def __init__(self, path: Path, *, resume: bool = False, overwrite: bool = False) -> None:
        check_place(path, overwrite or resume)
        self.path = path
        self._rows = _rows(path) if resume and os.path.exists(path) else {}
        self._owners = {row.get("output"): row["path"] for row in self._rows.values() if row.get("output")}
        self._file: BinaryIO | None = None

    def owner(self, output: str) -> str | None:
        """Return the path of the image whose result `output` is, as far as the report knows."""
        return self._owners.get(output)

    def open(self, again: Set[str]) -> None:
        """Start writing, without the rows of the images in `again`, which are processed once more, and of folders that
        can be listed by now."""
        rows = [row for path, row in self._rows.items() if path not in again and not _is_open_folder(row)]
        with replacing(self.path) as file:
            file.writelines(_line(row) for row in rows)
        self._rows = {row["path"]: row for row in rows}
        try:
            self._file = self.path.open("ab")
        except OSError as error:
            raise WriteError(f"cannot write the report {self.path}: {error.strerror}") from error

    def add(self, row: Row) -> None:
        """Write a row. One that was skipped is written as done, unless it is there already."""
        assert self._file
        if row.status == "skipped":
            if row.path in self._rows:
                return
            row = Row(row.path, "done", row.output, sha256=row.output and digest(row.output))
        try:
            self._file.write(_line(row.to_dict()))
            self._file.flush()
        except OSError as error:
            raise WriteError(f"cannot write the report {self.path}: {error.strerror}") from error

    def close(self) -> None:
        if self._file:
            with suppress(OSError):  # of a full disk, which `add` has told
                self._file.close()


def _is_open_folder(row: Mapping[str, Any]) -> bool:
    """Return whether the row tells of a folder that could not be listed, but can be now."""
    path = row["path"]
    return row.get("status") == "failed" and os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a report by path, the last one of each. A last line that is cut short is left out."""
    rows = {}
    try:
        *lines, torn = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read the report {path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows[row["path"]] = row
        except (ValueError, TypeError, KeyError):
            raise UsageError(
                f"{path} is not a report: line {number} is not about an image", hint="Name another file."
            ) from None
    if torn and not rows and not torn.startswith(b"{"):
        raise UsageError(f"{path} is not a report")
    return rows


def _opened(path: str) -> Any:
    if "://" not in path:
        return Path(path).open("rb")
    import fsspec

    return fsspec.open(path, "rb")


def digest(path: str | Path) -> str | None:
    """Return SHA-256 of a file, or of what a URL of fsspec names, in hex; None of a folder, and of what cannot
    be read."""
    result = sha256()
    try:
        with _opened(str(path)) as file:
            while block := file.read(1 << 20):
                result.update(block)
    except OSError:
        return None
    return result.hexdigest()
