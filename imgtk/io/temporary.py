"""Names of files and folders that are still being written, and what killed processes left of them."""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

import psutil

_MACHINE = sha256(platform.node().encode()).hexdigest()[:8]
_NAME = re.compile(rf"\.imgtk-{_MACHINE}-(\d+)-[0-9a-f]{{16}}\.tmp")
_SEGMENTS = re.compile(r"\.(.+)\.[0-9a-f]{16}\.segments", re.DOTALL)


def temporary(final: Path) -> Path:
    """Return a name beside `final` that nothing else uses. It tells the machine and the process."""
    return final.with_name(f"{mark()}{secrets.token_hex(8)}.tmp")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a local folder for temporary files (in `TMPDIR`), removed after the block. Raises OSError."""
    folder = temporary(Path(gettempdir()) / "folder")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mark() -> str:
    """Return what the names of this process's temporary files begin with."""
    return f".imgtk-{_MACHINE}-{os.getpid()}-"


def remove_marked(folder: Path, mark: str) -> None:
    """Remove the temporary files and folders in `folder` of a process that has ended, on any machine."""
    for path in folder.glob(f"{escape(mark)}*.tmp"):
        with suppress(OSError):
            _remove(path)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose process has ended. Those of other machines, which may
    share the disk, are left alone."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            match = _NAME.fullmatch(entry.name)
            if match and not _being_written(int(match[1]), entry):
                _remove(Path(entry))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def segments_folder(final: Path, key: str) -> Path:
    """Return where parts of `final` lie until all are there; other ones for each `key`."""
    return final.with_name(f".{final.name}.{sha256(key.encode()).hexdigest()[:16]}.segments")


def remove_segments(finals: Iterable[Path], *, but: Path | None = None) -> None:
    """Remove the parts of files, of any key, except those in one folder. Each folder is looked through once."""
    names: dict[Path, set[str]] = {}
    for final in finals:
        names.setdefault(final.parent, set()).add(final.name)
    for folder, wanted in names.items():
        with suppress(OSError):
            for entry in os.scandir(folder):
                match = _SEGMENTS.fullmatch(entry.name)
                if match and match[1] in wanted and Path(entry) != but:
                    shutil.rmtree(entry, ignore_errors=True)


def _being_written(process: int, entry: os.DirEntry[str]) -> bool:
    """Return whether the process lives; a younger one has only taken over its number."""
    try:
        return bool(psutil.Process(process).create_time() <= entry.stat().st_mtime)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
