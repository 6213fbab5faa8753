"""Images made from nothing, or from an example (`generate:`). This module imports no torch."""

from __future__ import annotations

import re
from pathlib import Path

from imgtk.dimensions import Dimensions
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Flag, ImageFile, Integer, Param


class Example(ImageFile):
    """Accepts a path, but not what looks like a size: a wrong one would be taken for a file."""

    def convert(self, value: object) -> Path:
        if re.fullmatch(r"[\dx]+", str(value)):
            raise self._fail(value)
        return super().convert(value)


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="generate:texture",
            impl="imgtk_generate.texture:Texture",
            summary="Make a texture of any size that looks like an example.",
            params=(
                Param(
                    "size",
                    Dimensions(),
                    "Such as 1024x1024; by default that of the input.",
                    default=None,
                    positional=True,
                ),
                Param("image", Example(), "The example: sand, fur, cloth, bark, clouds …", positional=True),
                Param("tileable", Flag(), "Whether it repeats itself without seams.", default=False),
                Param(
                    "seed",
                    Integer(0, (1 << 31) - 1),
                    "Another one gives another texture; by default --seed.",
                    default=None,
                ),
            ),
            generates=True,
        )
    ]
