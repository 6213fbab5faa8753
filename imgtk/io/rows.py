"""Sources of pixels for writers: an array, or a file on disk."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Rows(Protocol):
    """Samples (H, W, C) that are read by rows: a NumPy array, or a `Raster`."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def nbytes(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...
