"""`Dimensions`: the size of an image as a parameter. Imports neither torch nor Pillow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from imgtk.params import ParamType

__all__ = ["Dimensions"]


@dataclass(frozen=True)
class Dimensions(ParamType):
    """Width and height of an image, `512x256`; the value is a pair of numbers.

    Attributes:
        maximum: longest side, in pixels.

    >>> Dimensions().convert("512x256")
    (512, 256)
    """

    maximum: int = 1 << 20

    def convert(self, value: object) -> tuple[int, int]:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            value = f"{value[0]}x{value[1]}"
        found = re.fullmatch(r"(\d{1,7})x(\d{1,7})", str(value))
        sides = tuple(map(int, found.groups())) if found else (0, 0)
        if not all(1 <= side <= self.maximum for side in sides):
            raise self._fail(value)
        return sides[0], sides[1]

    def describe(self) -> str:
        return f"a width and a height in pixels from 1 to {self.maximum}, such as 512x256"

    def format(self, value: Any) -> str:
        return f"{value[0]}x{value[1]}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{1,7}x\d{1,7}$"}
