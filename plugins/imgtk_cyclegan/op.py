"""`translate:photo2monet` and its sisters: one pass through a generator."""

from __future__ import annotations

from imgtk.painting.op import Paint

__all__ = ["Translate"]


class Translate(Paint):
    """Translate a picture into the other domain.

    Args:
        model: name of shipped weights, or a file.
        strength: from 0 (the picture itself) to 1.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, strength: float) -> None:
        super().__init__(model, "imgtk_cyclegan", strength)
