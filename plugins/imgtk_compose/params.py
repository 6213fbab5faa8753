"""Types of parameters that only composition has. Imports no torch."""

from __future__ import annotations

import re
from typing import Any

from imgtk.params import ParamType

__all__ = ["Dimensions"]

MOST = 1 << 20
"""Longest side, in pixels."""


class Dimensions(ParamType):
    """Width and height of an image, `512x256`; the value is a pair of numbers."""

    def convert(self, value: object) -> tuple[int, int]:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            value = f"{value[0]}x{value[1]}"
        found = re.fullmatch(r"(\d{1,7})x(\d{1,7})", str(value))
        sides = tuple(map(int, found.groups())) if found else (0, 0)
        if not all(1 <= side <= MOST for side in sides):
            raise self._fail(value)
        return sides[0], sides[1]

    def describe(self) -> str:
        return "a width and a height in pixels, such as 512x256"

    def format(self, value: Any) -> str:
        return f"{value[0]}x{value[1]}"
