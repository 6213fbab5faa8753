"""Layers on an image: other images, and text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Box, Size, Window, anchored, cut
from imgtk.image import Image
from imgtk.nn.alpha import region_under, resized
from imgtk.nn.blend import composite
from imgtk.op import Facts, ImageOp, Planes
from imgtk_compose.lettering import drawn

__all__ = ["Layer", "Overlay", "Text", "check_one", "read_layer"]


def check_one(need: str, example: str, file: Path | None, sizes: Sequence[Size]) -> None:
    """Raise ParameterError unless an operator has either a file or a second image of the pipeline.

    Args:
        need: what it needs, for the message.
        example: how it is given, for the hint.
        file: the file.
        sizes: of the images of the pipeline.
    """
    if (len(sizes) == 2) == (file is not None):
        message = need + (", and got two" if file else "")
        raise ParameterError(message, hint=f"Name a file, or an image of the pipeline: {example}")


def read_layer(path: Path) -> Tensor:
    """Read an image file as (1, 4, H, W), float32, 0..1. Raises ReadError as `Image.open` does."""
    image = Image.open(path)
    colour = image.tensor()
    if image.alpha is None:
        return torch.cat([colour, torch.ones_like(colour[:, :1])], 1)
    return torch.cat([colour, Image(image.alpha[..., None]).tensor()[:, :1]], 1)


class Layer(ImageOp):
    """Lay something on the image, which keeps its size.

    Attributes:
        layer: (1, 4, H, W); None if it is the second input.
        x, y, gravity, margin: where its left and top edge lie; or, where they are None, on which side of the image, and
            how far from it.
        opacity: besides its own.
        mode: how its colours act on those below.
    """

    x: int | None
    y: int | None
    gravity: str
    margin: int
    opacity: float
    mode: str

    @property
    @abstractmethod
    def layer(self) -> Tensor | None: ...

    @abstractmethod
    def layer_size(self, image: Size, layer: Size) -> Size:
        """Return the size at which a layer is laid on an image."""

    @cached_property
    def facts(self) -> Facts:
        coloured = self.layer is not None and not torch.equal(self.layer[:, :2], self.layer[:, 1:3])
        return Facts(planes=Planes.ALL, batched=True, needs_float32=True, may_add_colour=coloured)

    def place(self, image: Size, layer: Size) -> Box:
        """Return where the layer lies; it may reach beyond the image."""
        size = self.layer_size(image, layer)
        inside = Size(max(1, image.width - 2 * self.margin), max(1, image.height - 2 * self.margin))
        left, top = (edge + self.margin for edge in anchored(self.gravity, inside, size))
        return Box.of(size).shifted(left if self.x is None else self.x, top if self.y is None else self.y)

    def output_size(self, *sizes: Size) -> Size:
        return sizes[0]

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        if len(sizes) == 1:
            return [box]
        place = self.place(*sizes)
        seen = box.common(place)
        return [box, region_under(seen.shifted(-place.left, -place.top), place.size, sizes[1])]

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        below = cut(inputs[0], window.inner)
        if self.layer is None:
            layer, (covers, size) = inputs[1], window.others[0]
        else:
            layer, size = self.layer.to(below), Size(self.layer.shape[3], self.layer.shape[2])
            covers = Box.of(size)
        place = self.place(window.input_size, size)
        seen = window.output.common(place)
        if seen.empty:
            return below
        above = resized(layer, seen.shifted(-place.left, -place.top), place.size, covers, size)
        result = below.clone(memory_format=torch.preserve_format)
        part = cut(result, seen.shifted(-window.output.left, -window.output.top))
        part.copy_(composite(part, above.expand(len(part), -1, -1, -1), self.mode, self.opacity))
        return result


@dataclass(eq=False)
class Overlay(Layer):
    """Lay another image on this one.

    Args:
        file: it, unless it is the second input.
        scale: factor of its size, or of the width that fills the image, if `relative`.

    Raises:
        ReadError: the file cannot be read.
    """

    file: Path | None
    x: int | None
    y: int | None
    gravity: str
    margin: int
    scale: float
    opacity: float
    mode: str
    relative: bool

    @cached_property
    def layer(self) -> Tensor | None:
        return None if self.file is None else read_layer(self.file)

    def __post_init__(self) -> None:
        assert self.layer is None or self.layer.ndim == 4  # a file that cannot be read is told at once

    def layer_size(self, image: Size, layer: Size) -> Size:
        factor = Fraction(self.scale) * (Fraction(image.width, layer.width) if self.relative else 1)
        return layer.scaled(factor)

    def output_size(self, *sizes: Size) -> Size:
        check_one("overlay needs one image to lay on top", "overlay logo.png, overlay @logo", self.file, sizes)
        return sizes[0]

    def summary(self) -> Mapping[str, str]:
        return {"image": self.file.name} if self.file else {}


@dataclass(eq=False)
class Text(Layer):
    """Write on the image.

    Args:
        text: its lines; `\\n` in it begins another.
        font: a file; None for Pillow's own font.
        size: of the letters, in pixels.
        outline: colour around the letters.

    Raises:
        ReadError: the font cannot be read.
        ParameterError: there is nothing to draw.
    """

    text: str
    font: Path | None
    size: float
    x: int | None
    y: int | None
    gravity: str
    margin: int
    colour: tuple[float, float, float]
    outline: tuple[float, float, float] | None
    opacity: float
    mode = "normal"

    def __post_init__(self) -> None:
        self.drawn = drawn(
            self.text.replace("\\n", "\n"), self.font, self.size, self.colour, self.outline, self.gravity
        )

    @property
    def layer(self) -> Tensor:
        return self.drawn

    def layer_size(self, image: Size, layer: Size) -> Size:
        return layer
