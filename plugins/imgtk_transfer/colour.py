"""`style:colour`: the colours of another image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from imgtk.geometry import Extent, Geometry, Size
from imgtk.nn.resample import resample
from imgtk.op import MEASURED_PIXELS, Facts, ImageOp
from imgtk_transfer import reinhard, transport
from imgtk_transfer.reference import read_reference

__all__ = ["METHODS", "ColourTransfer"]


class Method(NamedTuple):
    """A way to transfer colours.

    Attributes:
        describe: what counts of the colours of an image, (1, 3, H, W), 0..1.
        mapping: what turns colours that are described by the first into such as the second describes.
        apply: (N, 3, H, W) after that mapping.
    """

    describe: Callable[[Tensor], Tensor]
    mapping: Callable[[Tensor, Tensor], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]


METHODS = {
    "transport": Method(transport.samples, transport.table, transport.apply),
    "reinhard": Method(reinhard.moments, reinhard.mapping, reinhard.apply),
}


class ColourTransfer(ImageOp):
    """Change each colour so that the image has the colours of another, wherever they are in it.

    What a colour becomes depends on statistics of the whole image (`measure`), so all tiles change alike.

    Args:
        image: the file whose colours to take.
        strength: from 0 (the image itself) to 1.
        method: one of `METHODS`.

    Raises:
        ReadError: the file is not there, or no image.
    """

    facts = Facts(needs_float32=True, may_add_colour=True)

    def __init__(self, image: Path, strength: float, method: str) -> None:
        self.image, self.strength, self.method = image, strength, METHODS[method]
        self.target = self.method.describe(sane(small(read_reference(image))))

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.STATISTICS)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.target = self.target.to(device)

    def measure(self, x: Tensor) -> Tensor:
        return self.method.mapping(self.method.describe(sane(x)), self.target)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        return torch.lerp(x, self.method.apply(x, statistics), self.strength)

    def summary(self) -> Mapping[str, str]:
        return {"colours": self.image.name}


def small(image: Tensor) -> Tensor:
    """Return (1, 3, H, W), made as small as the engine makes the images that it measures."""
    size = Size(image.shape[3], image.shape[2])
    if size.pixels <= MEASURED_PIXELS:
        return image
    factor = (MEASURED_PIXELS / size.pixels) ** 0.5
    return resample(image, Size(*(max(1, round(side * factor)) for side in size)), kernel="area")


def sane(image: Tensor) -> Tensor:
    """Return the image within 0..1, which float files need not be, and without NaN."""
    return image.nan_to_num().clamp(0, 1)
