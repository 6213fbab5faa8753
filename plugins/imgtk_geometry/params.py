"""Types of parameters that only geometry has. Imports no torch."""

from __future__ import annotations

from typing import Any

from imgtk.params import Colour, ParamType

__all__ = ["Fill"]


class Fill(ParamType):
    """A colour, or `transparent`; the value is (r, g, b, opacity), each 0..1."""

    colour = Colour()

    def convert(self, value: object) -> tuple[float, float, float, float]:
        if value == "transparent" or value == (0.0, 0.0, 0.0, 0.0):
            return (0.0, 0.0, 0.0, 0.0)
        if isinstance(value, tuple) and len(value) == 4:
            value = value[:3]
        try:
            return (*self.colour.convert(value), 1.0)
        except ValueError:
            raise self._fail(value) from None

    def describe(self) -> str:
        return "a colour such as #ff8800 or orange, or transparent"

    def format(self, value: Any) -> str:
        return "transparent" if value[3] == 0 else self.colour.format(value[:3])
