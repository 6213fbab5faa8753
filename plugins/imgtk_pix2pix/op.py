"""`translate:photo2sketch`, and paired translation by a network."""

from __future__ import annotations

from torch import Tensor

from imgtk.geometry import Geometry
from imgtk.op import ImageOp
from imgtk.painting.op import Paint
from imgtk_pix2pix.sketch import Pencil

__all__ = ["PhotoToSketch", "Translate"]


class PhotoToSketch(ImageOp):
    """Draw with a pencil; the arguments are those of `Pencil`. No network."""

    needs_float32 = True

    def __init__(self, radius: float, pressure: float, lines: float, shade: float) -> None:
        self.pencil = Pencil(radius, pressure, lines, shade)

    @property
    def geometry(self) -> Geometry:
        return Geometry(halo=self.pencil.halo)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.pencil.draw(x)


class Translate(Paint):
    """Translate by a network that was trained on pairs.

    Args:
        model: name of shipped weights, or a file.
        strength: from 0 (the picture itself) to 1.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, strength: float) -> None:
        super().__init__(model, "imgtk_pix2pix", strength)
