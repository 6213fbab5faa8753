"""Types of parameters, and the parameters that several operators here share. This module imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtk.dimensions import Dimensions
from imgtk.params import File, ImageFile, Integer, Number, Param, ParamType, Weights

__all__ = ["SCENE", "Example", "Seeds", "model"]

LAST_SEED = 2**31 - 1


class Example(ImageFile):
    """Accepts a path, but not what looks like a size: a wrong one would be taken for a file."""

    def convert(self, value: object) -> Path:
        if re.fullmatch(r"[\dx]+", str(value)):
            raise self._fail(value)
        return super().convert(value)


@dataclass(frozen=True)
class Seeds(ParamType):
    """A seed, `3`, or several in order, `1..8`; the value is the first and the last.

    Attributes:
        most: how many there may be.
    """

    most: int = 1024

    def convert(self, value: object) -> tuple[int, int]:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            value = f"{value[0]}..{value[1]}"
        found = re.fullmatch(r"(\d{1,10})(?:\.\.(\d{1,10}))?", str(value))
        if not found:
            raise self._fail(value)
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last <= LAST_SEED or last - first >= self.most:
            raise self._fail(value)
        return first, last

    def describe(self) -> str:
        return f"a seed such as 3, or up to {self.most} in order such as 1..8"

    def format(self, value: Any) -> str:
        first, last = value
        return str(first) if first == last else f"{first}..{last}"

    def schema(self) -> dict[str, Any]:
        pattern = r"^\d{1,10}(\.\.\d{1,10})?$"
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": pattern}]}


SCENE = (
    Param("size", Dimensions(4096), "Width and height of each image.", default=(128, 128), positional=True),
    Param("seed", Seeds(), "Chooses the image; 1..8 makes eight. By default --seed.", default=None),
    Param("count", Integer(1, 1024), "Images on a sheet: of this seed and the next ones.", default=None),
    Param("truncation", Number(0, 2), "How unusual images are: 0 is the mean of all.", default=1.0),
    Param("latents", File(), "NumPy file of codes, one a row, that replace those of the seeds.", default=None),
    Param("frames", Integer(1, 100_000), "Frames of a clip that leads from image to image.", default=1),
    Param("image", ImageFile(), "Image that is encoded and made again, instead of random ones.", default=None),
    Param("vary", Number(0, 1), "How far each image goes from that one to a random one.", default=0.0),
)
"""What operators have that make scenes."""


def model(name: str) -> Param:
    """Return the parameter that names weights."""
    return Param("model", Weights(), "Weights: a shipped name, or a file.", default=name)
