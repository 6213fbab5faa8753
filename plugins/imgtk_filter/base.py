"""Base class of the filters. All compute in float32: bfloat16 would keep 8 bits of each pixel."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np
from torch import Tensor

from imgtk.geometry import Geometry
from imgtk.nn.arrays import on_arrays
from imgtk.op import Facts, ImageOp

__all__ = ["Filter"]


class Filter(ImageOp):
    """A function of arrays that sees `reach` pixels around each pixel."""

    facts = Facts(batched=True, needs_float32=True)

    @property
    @abstractmethod
    def reach(self) -> int: ...

    @abstractmethod
    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        """Return (H, W, 3), or (H, W) for gray, of (H, W, 3), float32, nominally 0..1."""

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=self.reach)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return on_arrays(self.filtered, x)
