"""`translate:photo2monet`, `translate:monet2photo` and `translate:cyclegan`: one pass through a generator."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from imgtk.context import BuildContext
from imgtk.op import Facts
from imgtk.painting.blend import Blend
from imgtk.painting.strokes import PaintStrokes

__all__ = ["Translate"]


class Translate(PaintStrokes):
    """Translate an image into the domain that a network was trained for.

    Args:
        model: name of shipped weights, or a file.
        strength, keep_colour, mask: see `Blend`.
        scale, seed, context: see `PaintStrokes`.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
        ReadError: the mask cannot be read.
    """

    @cached_property
    def facts(self) -> Facts:
        return replace(super().facts, needs_float32=True)

    def __init__(
        self,
        model: str,
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        scale: float,
        seed: int | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(model, "imgtk_cyclegan", Blend(strength, keep_colour, mask), scale, seed, context=context)
