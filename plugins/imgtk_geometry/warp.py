"""What turns and tilts the image: pixels between those of the input, by OpenCV's bicubic interpolation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Affine, Box, Size, Window
from imgtk.nn.alpha import multiplied, straight
from imgtk.nn.arrays import on_arrays
from imgtk.op import ImageOp
from imgtk_geometry.canvas import QuarterTurn
from imgtk_geometry.move import Fill, Filled, filled

__all__ = ["Perspective", "Rotate", "Straighten", "rotate"]

REACH = 3
"""Pixels around a point that bicubic interpolation reads, and one for rounding."""
LARGEST = 1 << 15
"""Longest side of what a perspective makes, in pixels."""


class Warp(Filled):
    """An operator that is a matrix (3, 3) from continuous pixel coordinates of its output to those of its input."""

    @abstractmethod
    def matrix(self, size: Size) -> np.ndarray:
        """Return the matrix for an input of `size`."""

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        corners = np.array([[x, y, 1] for x in (box.left, box.right) for y in (box.top, box.bottom)], np.float64)
        places = corners @ self.matrix(sizes[0]).T
        if (places[:, 2] <= 0).any():  # the horizon of a perspective crosses the region
            return [Box.of(sizes[0])]
        points = places[:, :2] / places[:, 2:]
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return [Box(floor(left), floor(top), ceil(right), ceil(bottom)).grown(REACH)]

    def placement(self, *sizes: Size) -> Affine | None:
        matrix = self.matrix(sizes[0])
        return Affine(*matrix[:2].ravel().tolist()) if tuple(matrix[2]) == (0, 0, 1) else None

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        x, size = inputs[0], window.output.size
        if not x.numel():
            return filled(x, size, self.colour)
        half = _shift(0.5, 0.5)  # OpenCV's coordinates are 0 in the middle of the first pixel
        there = _shift(-window.input.left, -window.input.top) @ self.matrix(window.input_size)
        matrix = np.linalg.inv(half) @ there @ _shift(window.output.left, window.output.top) @ half
        return straight(on_arrays(lambda pixels: self.warped(pixels, matrix, size), multiplied(x)))

    def warped(self, pixels: np.ndarray, matrix: np.ndarray, size: Size) -> np.ndarray:
        """Return (H, W, 3 or 4) at the places of a matrix between OpenCV's coordinates."""
        fill = np.array(self.colour[: pixels.shape[2]]) * self.colour[3]
        flags, border = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, fill.tolist()
        if tuple(matrix[2]) == (0, 0, 1):
            warped = cv2.warpAffine(pixels, matrix[:2], size, flags=flags, borderValue=border)
        else:
            warped = cv2.warpPerspective(pixels, matrix, size, flags=flags, borderValue=border)
        return np.asarray(warped)


def rotate(degrees: float, expand: bool, colour: Fill) -> ImageOp:
    """Turn counter-clockwise: exactly by quarters, otherwise with interpolation."""
    if degrees % 90 == 0 and (expand or degrees % 180 == 0):
        return QuarterTurn(int(degrees // 90) % 4)
    return Rotate(degrees, expand, colour)


@dataclass(eq=False)
class Rotate(Warp):
    """Turn counter-clockwise about the middle.

    Args:
        expand: whether the output shows all of the image; else it has the image's size.
    """

    degrees: float
    expand: bool
    colour: Fill

    def output_size(self, *sizes: Size) -> Size:
        if not self.expand:
            return sizes[0]
        across, down = abs(cos(radians(self.degrees))), abs(sin(radians(self.degrees)))
        width, height = sizes[0]
        sides = (width * across + height * down, width * down + height * across)
        return Size(*(max(1, ceil(side - 1e-6)) for side in sides))

    def matrix(self, size: Size) -> np.ndarray:
        output, turn = self.output_size(size), radians(self.degrees)
        turned = np.array([[cos(turn), -sin(turn), 0], [sin(turn), cos(turn), 0], [0, 0, 1]])
        middle = _shift(size.width / 2, size.height / 2)
        return np.asarray(middle @ turned @ _shift(-output.width / 2, -output.height / 2))


@dataclass(eq=False)
class Straighten(Rotate):
    """Turn counter-clockwise, and keep the largest upright rectangle that has no empty corners."""

    degrees: float
    expand: bool = False
    colour: Fill = (0.0, 0.0, 0.0, 1.0)

    def output_size(self, *sizes: Size) -> Size:
        (width, height), turn = sizes[0], radians(self.degrees)
        across, down = abs(cos(turn)), abs(sin(turn))
        long, short = max(width, height), min(width, height)
        if short <= 2 * across * down * long:  # two corners of the rectangle touch the longer sides
            half = short / 2
            sides = (half / down, half / across) if width >= height else (half / across, half / down)
        else:
            apart = across**2 - down**2
            sides = ((width * across - height * down) / apart, (height * across - width * down) / apart)
        return Size(*(max(1, floor(side + 1e-6)) for side in sides))


class Perspective(Warp):
    """Make an upright rectangle of a quadrilateral, as of a page that was photographed from the side.

    Args:
        corners: x and y of its top left, top right, bottom right and bottom left corner, in pixels.

    Raises:
        ParameterError: the corners are no convex quadrilateral in that order.
    """

    def __init__(self, corners: Sequence[float]) -> None:
        self.corners = np.array(corners, np.float64).reshape(-1, 2) if len(corners) == 8 else np.zeros((4, 2))
        edges = np.roll(self.corners, -1, 0) - self.corners
        following = np.roll(edges, -1, 0)
        if (edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] <= 0).any():
            told = ",".join(f"{value:g}" for value in corners)
            raise ParameterError(
                f"perspective: corners={told} are no quadrilateral",
                hint="Give x,y of the top left, top right, bottom right and bottom left corner.",
            )
        lengths = np.hypot(*edges.T)
        self.size = Size(*(max(1, round(pair.mean())) for pair in (lengths[::2], lengths[1::2])))
        if max(self.size) > LARGEST:
            raise ParameterError(
                f"perspective: the result would have {self.size} pixels", hint=f"At most {LARGEST} on a side."
            )

    def output_size(self, *sizes: Size) -> Size:
        (left, top), (right, bottom) = self.corners.min(0), self.corners.max(0)
        if right <= 0 or bottom <= 0 or left >= sizes[0].width or top >= sizes[0].height:
            raise ParameterError(
                f"perspective: the corners lie outside the image of {sizes[0]}", hint="Give pixels of the image."
            )
        return self.size

    def matrix(self, size: Size) -> np.ndarray:
        width, height = self.size
        target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        return np.asarray(cv2.getPerspectiveTransform(target, self.corners.astype(np.float32)))


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])
