"""`AdaptiveOp`: an operator whose geometry depends on the pixels of its input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, isqrt
from typing import ClassVar

import torch
from torch import Tensor

from imgtk.geometry import Box, Geometry, Size, Window, cut
from imgtk.nn.resample import resample
from imgtk.op import Facts, ImageOp

__all__ = ["AdaptiveOp", "View"]

AT_ONCE = 1 << 21
"""Pixels of a view that are looked at in one piece."""


@dataclass(frozen=True)
class View:
    """The whole image that an operator gets, of which it may look at any part. Nothing is computed before it looks.

    Attributes:
        size: of the image.
        region: gives the pixels of a region within the image, (1, 3, H, W) or with alpha (1, 4, H, W), in float32.
    """

    size: Size
    region: Callable[[Box], Tensor]

    @classmethod
    def of(cls, x: Tensor) -> View:
        """Return the view of an image that is there, (N, 3 or 4, H, W), of which the first counts."""
        return cls(Size(x.shape[3], x.shape[2]), lambda box: cut(x[:1], box).float())

    def bands(self) -> Iterator[tuple[Box, Tensor]]:
        """Yield the image from top to bottom, in bands as wide as itself: regions and their pixels."""
        step = max(1, AT_ONCE // self.size.width)
        for top in range(0, self.size.height, step):
            box = Box(0, top, self.size.width, min(top + step, self.size.height))
            yield box, self.region(box)

    def reduced(self, size: Size) -> Tensor:
        """Return the image at a smaller `size`: means over what each pixel covers. It is read part by part."""
        across, down = (Fraction(old, new) for old, new in zip(self.size, size, strict=True))
        side = max(1, isqrt(int(AT_ONCE / (across * down))))

        def part(left: int, top: int) -> Tensor:
            box = Box(left, top, left + side, top + side).within(size)
            under = (floor(box.left * across), floor(box.top * down), ceil(box.right * across), ceil(box.bottom * down))
            window = Window(box, size, Box(*under).within(self.size), self.size)
            return resample(self.region(window.input), size, kernel="area", window=window)

        lefts, tops = range(0, size.width, side), range(0, size.height, side)
        return torch.cat([torch.cat([part(left, top) for left in lefts], 3) for top in tops], 2)


class AdaptiveOp(ImageOp):
    """An operator whose geometry depends on pixels: for each image it becomes another operator, which the engine then
    plans and runs.

    So what it does to an image can be tiled, and metadata follow it, as for any operator. Of clips all frames get what
    their first frame gets. What comes before it in a pipeline is computed once more for what it looks at.

    Args:
        planned: what it is taken for until an image is there, as by `imgtk plan`: an operator with the same `facts`,
            whose result is as large as any that it may give.

    Attributes:
        shrinks: whether results may be smaller than those of `planned`; plans then say that their size is known only
            when the pipeline runs.
    """

    shrinks: ClassVar[bool] = False

    def __init__(self, planned: ImageOp) -> None:
        self.planned = planned

    @abstractmethod
    def resolve(self, *views: View) -> ImageOp:
        """Return the operator for the images that `views` show, its inputs, as `Facts.planes` says.

        Raises:
            ImgtkError: if there is none for them.
        """

    @cached_property
    def geometry(self) -> Geometry:
        return self.planned.geometry

    @cached_property
    def facts(self) -> Facts:
        return self.planned.facts

    def output_size(self, *sizes: Size) -> Size:
        return self.planned.output_size(*sizes)

    def check(self, size: Size) -> None:
        self.planned.check(size)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.resolve(*(View.of(image) for image in (x, *others)))(x, *others)
