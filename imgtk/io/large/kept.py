"""Where the pixels of results are until they are encoded, and what a killed run has left of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtk.errors import WriteError
from imgtk.geometry import Box
from imgtk.io.large.raster import Raster, raster, take_space
from imgtk.io.temporary import remove_segments, segments_folder

RECORDED = 256
"""Rows after which they are recorded: the disk is waited for each time."""


class KeptRaster(Raster):
    """A raster that a later run continues if this one is killed.

    Args:
        path, file, shape, dtype: as of `Raster`.
        journal: the file with the number of rows that are complete and on disk.
    """

    def __init__(
        self, path: Path, file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any], journal: BinaryIO
    ) -> None:
        super().__init__(path, file, shape, dtype)
        self._journal = journal
        self.done = max(map(int, journal.read().split()), default=0)  # a number that was cut short is a smaller one
        self._missing = np.full(shape[0], shape[1])  # pixels of each row
        self._missing[: self.done] = 0

    def write(self, box: Box, samples: np.ndarray) -> None:
        super().write(box, samples)
        self._missing[box.top : box.bottom] -= box.size.width
        missing = self._missing[self.done :] > 0
        height = self.shape[0]
        complete = self.done + int(missing.argmax()) if missing.any() else height
        if complete >= min(self.done + RECORDED, height) > self.done:
            self.flush()
            os.fsync(self._file.fileno())
            self._journal.write(b"\n%d" % complete)
            self._journal.flush()
            self.done = complete


class Drafts:
    """The rasters of a run, in the order in which they are made.

    Args:
        folder: where they are kept; None if they are gone with the run.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._count = folder, 0

    def raster(self, beside: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> AbstractContextManager[Raster]:
        """Return the next one; if it is not to be kept, in the folder of `beside`. See `raster`."""
        self._count += 1
        return (
            _kept(self._folder / f"{self._count}.raw", shape, dtype) if self._folder else raster(beside, shape, dtype)
        )


@contextmanager
def drafts(target: Path, key: str | None) -> Iterator[Drafts]:
    """Provide the drafts of the result `target` for the block. If it succeeds, they are removed.

    Args:
        key: identifies their contents; drafts with another key are removed. None to keep none.

    Raises:
        WriteError: if their folder cannot be created.
    """
    if key is None:
        yield Drafts()
        return
    folder = segments_folder(target, key)
    remove_segments([target], but=folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot create the folder {folder}: {error.strerror}") from error
    try:
        yield Drafts(folder)
    except BaseException:
        if not any(journal.stat().st_size for journal in folder.glob("*.rows")):
            remove_segments([target])
        raise
    remove_segments([target])


@contextmanager
def _kept(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Iterator[KeptRaster]:
    with path.open("r+b" if path.exists() else "x+b") as file, path.with_suffix(".rows").open("a+b") as journal:
        take_space(path, file, shape, dtype)
        journal.seek(0)
        yield KeptRaster(path, file, shape, dtype, journal)
