"""Pixels on disk, for images that do not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtk.errors import WriteError
from imgtk.geometry import Box, Size
from imgtk.io.temporary import temporary


class Raster:
    """Samples (H, W, C) in a file, uncompressed, row after row: written and read by regions, in any order.

    Attributes:
        path: of the file.
        shape: (H, W, C).
        dtype: of the samples.
        done: rows, from the top on, that need not be written.
    """

    done = 0

    def __init__(self, path: Path, file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._file = file

    @property
    def size(self) -> Size:
        return Size(self.shape[1], self.shape[0])

    @property
    def nbytes(self) -> int:
        return self.size.pixels * self._pixel

    @property
    def _pixel(self) -> int:
        return self.shape[2] * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return whole rows, (h, W, C), as those of an array; the step is 1."""
        top, bottom, _ = rows.indices(self.shape[0])
        return self.read(Box(0, top, self.shape[1], bottom))

    def read(self, box: Box) -> np.ndarray:
        """Return the samples in `box`, (h, w, C)."""
        width, height = box.size
        samples = np.empty((height, width, self.shape[2]), self.dtype)
        for start, lines in self._runs(box, samples):
            self._file.seek(start)
            self._file.readinto(lines)  # type: ignore[attr-defined]
        return samples

    def write(self, box: Box, samples: np.ndarray) -> None:
        """Put (h, w, C) into `box`."""
        for start, lines in self._runs(box, np.ascontiguousarray(samples, self.dtype)):
            self._file.seek(start)
            self._file.write(lines)

    def flush(self) -> None:
        """Let others who open the file see what was written."""
        self._file.flush()

    def _runs(self, box: Box, samples: np.ndarray) -> Iterator[tuple[int, memoryview]]:
        """Yield what lies together in the file: where it starts, and that part of `samples`."""
        start = (box.top * self.shape[1] + box.left) * self._pixel
        if box.size.width == self.shape[1]:
            yield start, samples.reshape(-1).view(np.uint8).data
        else:
            for index, line in enumerate(samples):
                yield start + index * self.shape[1] * self._pixel, line.reshape(-1).view(np.uint8).data


@contextmanager
def raster(beside: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Iterator[Raster]:
    """Create a raster in a temporary file beside `beside`, with its space reserved; it is removed after the block.

    Raises:
        WriteError: if there is not enough space.
    """
    path = temporary(beside)
    try:
        with path.open("x+b") as file:
            take_space(path, file, shape, dtype)
            yield Raster(path, file, shape, dtype)
    finally:
        with suppress(OSError):
            path.unlink()


def take_space(path: Path, file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
    """Reserve the space for the whole raster on disk. Raises WriteError if there is not enough."""
    wanted = shape[0] * shape[1] * shape[2] * dtype.itemsize
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, wanted)
        else:
            file.truncate(wanted)
    except OSError as error:
        raise WriteError(
            f"cannot keep {wanted / 1e9:.3g} GB of pixels in {path.parent}: {error.strerror or error}",
            hint="An image that does not fit into memory needs space for its pixels beside the result.",
        ) from error
