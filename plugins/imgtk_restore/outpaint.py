"""`outpaint`: an image with more around it than there was."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import torch
from torch import Tensor
from torch.nn.functional import pad

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Affine, Box, Extent, Geometry, Size
from imgtk.op import Facts, ImageOp, Planes
from imgtk_restore.margins import continued

__all__ = ["Outpaint"]

WIDEST = Fraction(1, 2)
"""Width of a margin, at most, relative to the side of the image, which shows too little of what lies farther away."""


class Outpaint(ImageOp):
    """Adds margins that continue the image: see `imgtk_restore.margins`. All other pixels stay as they are.

    Opacity continues as it is at the border.

    Args:
        left, top, right, bottom: widths of the margins, in pixels, or as a share of the side of the image.
        seed: of what is invented; None for that of `context`.
        context: of the pipeline that builds the operator.

    Raises:
        ParameterError: no margin is wider than 0.
    """

    geometry = Geometry(extent=Extent.WHOLE)

    def __init__(
        self,
        left: int | Fraction,
        top: int | Fraction,
        right: int | Fraction,
        bottom: int | Fraction,
        seed: int | None,
        *,
        context: BuildContext,
    ) -> None:
        self.margins = (left, top, right, bottom)
        if not any(self.margins):
            raise ParameterError(
                "outpaint: all margins are 0",
                hint="Say how much to add on the left, above, on the right and below, such as: outpaint 60 0 60 0",
            )
        self.seed = context.seed if seed is None else seed
        self.facts = Facts(planes=Planes.ALL, needs_float32=True, seed=self.seed)

    def _widths(self, size: Size) -> tuple[int, int, int, int]:
        sides = (*size, *size)
        left, top, right, bottom = (
            margin if isinstance(margin, int) else floor(margin * side + Fraction(1, 2))
            for margin, side in zip(self.margins, sides, strict=True)
        )
        return left, top, right, bottom

    def output_size(self, *sizes: Size) -> Size:
        left, top, right, bottom = self._widths(sizes[0])
        return Size(left + sizes[0].width + right, top + sizes[0].height + bottom)

    def placement(self, *sizes: Size) -> Affine | None:
        left, top, _, _ = self._widths(sizes[0])
        return Affine(1, 0, -left, 0, 1, -top)

    def check(self, size: Size) -> None:
        left, top, right, bottom = self._widths(size)
        for width, side, name in ((max(left, right), size.width, "wide"), (max(top, bottom), size.height, "high")):
            if width > WIDEST * side:
                raise ParameterError(
                    f"outpaint: a margin of {width} pixels is too much for an image that is {side} pixels {name}",
                    hint=f"Add at most half of that, {floor(WIDEST * side)} pixels.",
                )

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        left, top, right, bottom = self._widths(size)
        sides = (left, right, top, bottom)
        known = Box.of(size).shifted(left, top)
        colours = continued(pad(x[:, :3].float(), sides), known, self.seed)
        return torch.cat((colours, pad(x[:, 3:], sides, mode="replicate")), 1) if x.shape[1] == 4 else colours
