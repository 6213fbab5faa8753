"""What looks at an image before it cuts it: `trim`, and the smart gravity of `crop` and `fit`."""

from __future__ import annotations

import torch

from imgtk.adaptive_op import AdaptiveOp, View
from imgtk.errors import UsageError
from imgtk.geometry import Box, Size
from imgtk.nn.alpha import multiplied
from imgtk.op import ImageOp
from imgtk_geometry.attention import most_salient
from imgtk_geometry.canvas import Crop, QuarterTurn
from imgtk_geometry.fit import Fit
from imgtk_geometry.move import Fill

__all__ = ["Trim", "crop", "fit"]

SMART = "smart"
"""The gravity that goes by what the image shows."""
ROUNDING = 1e-6


class Trim(AdaptiveOp):
    """Cut off the border that has the colour of the top left pixel.

    Args:
        fuzz: largest difference in any channel, 0..1. Colours count as much as they are opaque.

    Raises:
        UsageError: nothing would be left (when the image is seen).
    """

    shrinks = True

    def __init__(self, fuzz: float) -> None:
        super().__init__(planned=QuarterTurn(0))
        self.fuzz = fuzz

    def resolve(self, *views: View) -> ImageOp:
        (view,) = views
        border = multiplied(view.region(Box(0, 0, 1, 1)))
        rows, columns = [], []
        for _, pixels in view.bands():
            inner = (multiplied(pixels) - border).abs().amax(1)[0] > self.fuzz + ROUNDING
            rows.append(inner.any(1))
            columns.append(inner.any(0))
        down, across = torch.cat(rows).nonzero().flatten(), torch.stack(columns).any(0).nonzero().flatten()
        if not len(down):
            raise UsageError(
                f"trim: all of the image has the colour of its border, up to fuzz={self.fuzz:g}",
                hint="Lower fuzz=, or leave such an image as it is.",
            )
        box = (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)
        return Crop(None, None, None, None, "center", box)


class SmartCrop(AdaptiveOp):
    """Keep the part of a size that shows most."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(planned=Crop(width, height, None, None, "center", None))
        self.part = Size(width, height)

    def resolve(self, *views: View) -> ImageOp:
        left, top = most_salient(views[0], self.part)
        return Crop(*self.part, left, top, "center", None)


class SmartFit(AdaptiveOp):
    """Cover a canvas with the part of the image that shows most."""

    planned: Fit

    def __init__(self, width: int, height: int, colour: Fill) -> None:
        super().__init__(planned=Fit(width, height, "cover", "center", colour))

    def resolve(self, *views: View) -> ImageOp:
        (view,), op = views, self.planned
        scaled = op.scaled(view.size)
        sides = zip(view.size, (op.width, op.height), scaled, strict=True)
        part = Size(*(max(1, round(side * kept / long)) for side, kept, long in sides))
        room = zip(most_salient(view, part), view.size, scaled, (op.width, op.height), strict=True)
        left, top = (min(round(edge * long / side), long - kept) for edge, side, long, kept in room)
        return Fit(op.width, op.height, op.mode, op.gravity, op.colour, (left, top))


def crop(
    width: int | None, height: int | None, x: int | None, y: int | None, gravity: str, box: tuple[int, ...] | None
) -> ImageOp:
    """Return `Crop`, or what looks at the image for its place."""
    known = box is not None or x is not None or y is not None
    if gravity == SMART and width and height and not known:
        return SmartCrop(width, height)
    return Crop(width, height, x, y, "center" if gravity == SMART else gravity, box)


def fit(width: int, height: int, mode: str, gravity: str, colour: Fill) -> ImageOp:
    """Return `Fit`, or what looks at the image for the part to keep."""
    if gravity == SMART and mode == "cover":
        return SmartFit(width, height, colour)
    return Fit(width, height, mode, "center" if gravity == SMART else gravity, colour)
