"""Types of parameters that only adjustments have. Imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from imgtk.params import Number, ParamType

__all__ = ["Points"]


class Points(ParamType):
    """Points of a curve, `0:0,0.25:0.15,1:1`: input and output of each, 0..1, at least two, with rising inputs."""

    def convert(self, value: object) -> tuple[tuple[float, float], ...]:
        points = [point.split(":") for point in value.split(",")] if isinstance(value, str) else value
        unit = Number(0, 1)
        try:
            pairs = tuple((unit.convert(x), unit.convert(y)) for x, y in points)  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            raise self._fail(value) from None
        if len(pairs) < 2 or any(left[0] >= right[0] for left, right in pairwise(pairs)):
            raise self._fail(value)
        return pairs

    def describe(self) -> str:
        return "at least two points with rising inputs, such as 0:0,0.25:0.15,1:1, each number from 0 to 1"

    def format(self, value: Any) -> str:
        number = Number()
        return ",".join(f"{number.format(x)}:{number.format(y)}" for x, y in value)
