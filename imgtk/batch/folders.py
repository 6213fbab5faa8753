"""The local folders for the results of a run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imgtk.errors import WriteError


@contextmanager
def made_folders(folders: Collection[Path]) -> Iterator[None]:
    """Create missing folders with their parents; at the end, remove those that nothing was written to."""
    made: list[Path] = []
    try:
        for folder in sorted({path for leaf in folders for path in (leaf, *leaf.parents)}):
            try:
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            except OSError as error:
                raise WriteError(f"cannot create the folder {folder}: {error.strerror}") from None
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def check_writable(folders: Collection[Path]) -> None:
    """Raise WriteError if none of the folders can be written to, instead of once for each image."""
    if folders and not any(os.access(folder, os.W_OK | os.X_OK) for folder in folders):
        raise WriteError(
            f"cannot write into the folder {min(folders)}: it is not writable",
            hint="Check its permissions, or name another folder with -o.",
        )
