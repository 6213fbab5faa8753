"""Base classes of the adjustments. All compute in float32: they are fast, and bfloat16 would keep 8 bits of each pixel.

Colours are used as they are coded (gamma-compressed), like in CSS filters and photo editors, unless an operator says
otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

from torch import Tensor

from imgtk.geometry import Extent, Geometry
from imgtk.op import Facts, ImageOp

__all__ = ["LUMINANCE", "Adjustment", "MeasuredAdjustment", "WholeAdjustment"]

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Relative luminance of sRGB's primaries (ITU-R BT.709), as in the W3C's "Filter Effects"."""


class Adjustment(ImageOp):
    """An operator whose output pixel depends on the input pixel alone, unless `geometry` says otherwise."""

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True)


class MeasuredAdjustment(Adjustment):
    """An adjustment that goes by statistics of the whole image."""

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.STATISTICS)

    @abstractmethod
    def measure(self, x: Tensor) -> Any: ...

    @abstractmethod
    def apply(self, x: Tensor, statistics: Any) -> Tensor: ...


class WholeAdjustment(Adjustment):
    """An adjustment whose library must see the whole image."""

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.WHOLE)
