"""`style:NAME`: one pass through a trained network."""

from __future__ import annotations

from torch import Tensor

from imgtk.painting.op import Paint
from imgtk_gramstyle.blend import finish

__all__ = ["Stylise"]


class Stylise(Paint):
    """Paint in the one style that a network was trained for.

    Args:
        model: name of shipped weights, or a file.
        strength: from 0 (the picture itself) to 1.
        keep_colour: take only the light of the painting, and the picture's own colours.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, strength: float, keep_colour: bool) -> None:
        super().__init__(model, "imgtk_gramstyle", strength)
        self.keep_colour = keep_colour

    def _finished(self, painted: Tensor, x: Tensor) -> Tensor:
        painted = painted[:, :, self.margin : -self.margin, self.margin : -self.margin]
        return finish(painted, x, self.strength, self.keep_colour)
