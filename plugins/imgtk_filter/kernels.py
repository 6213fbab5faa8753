"""Filters by neighbourhood: blur, edges, relief, detail."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from imgtk.nn.arrays import brightness
from imgtk.nn.blur import blur_radius
from imgtk.nn.guided import guided_filter, guided_reach
from imgtk_filter.base import Filter

__all__ = ["Box", "Detail", "Edge", "Emboss", "Gaussian"]

SLOPE = np.array([-1, 0, 1], np.float32)
EDGES = {
    "sobel": np.array([1, 2, 1], np.float32) / 4,
    "scharr": np.array([3, 10, 3], np.float32) / 16,
    "prewitt": np.array([1, 1, 1], np.float32) / 3,
}
"""Weights across the slope, as scikit-image scales them."""
SIDES = {
    "north": (0, -1),
    "north-east": (1, -1),
    "east": (1, 0),
    "south-east": (1, 1),
    "south": (0, 1),
    "south-west": (-1, 1),
    "west": (-1, 0),
    "north-west": (-1, -1),
}
"""Steps to the right and down."""
FLAT = 0.01
"""Variance of luma (a standard deviation of 0.1) from which on something counts as an edge, not as detail."""


@dataclass(eq=False)
class Gaussian(Filter):
    """Gaussian blur; the edge pixels repeat beyond the border."""

    radius: float

    @property
    def reach(self) -> int:
        return blur_radius(self.radius)

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        side = 2 * self.reach + 1
        return np.asarray(cv2.GaussianBlur(pixels, (side, side), self.radius, borderType=cv2.BORDER_REPLICATE))


@dataclass(eq=False)
class Box(Filter):
    """The mean of a square; the edge pixels repeat beyond the border."""

    radius: int

    @property
    def reach(self) -> int:
        return self.radius

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        side = 2 * self.radius + 1
        return np.asarray(cv2.blur(pixels, (side, side), borderType=cv2.BORDER_REPLICATE))


@dataclass(eq=False)
class Edge(Filter):
    """The steepness of luma: white edges on black."""

    method: str
    amount: float

    @property
    def reach(self) -> int:
        return 1

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        across, luma = EDGES[self.method], brightness(pixels)
        right = cv2.sepFilter2D(luma, -1, SLOPE, across, borderType=cv2.BORDER_REPLICATE)
        down = cv2.sepFilter2D(luma, -1, across, SLOPE, borderType=cv2.BORDER_REPLICATE)
        steep = np.sqrt(right * right + down * down)  # cv2.magnitude rounds by where the array lies in memory
        return np.asarray(steep * np.float32(self.amount / 2**0.5))


@dataclass(eq=False)
class Emboss(Filter):
    """A relief in gray: how much brighter a pixel is than its neighbour towards the light.

    Args:
        light: where it comes from, one of `SIDES`.
        amount: height of the relief.
    """

    light: str
    amount: float

    @property
    def reach(self) -> int:
        return 1

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        kernel = np.zeros((3, 3), np.float32)
        right, down = SIDES[self.light]
        kernel[1, 1], kernel[1 + down, 1 + right] = self.amount, -self.amount
        return np.asarray(cv2.filter2D(brightness(pixels), -1, kernel, delta=0.5, borderType=cv2.BORDER_REPLICATE))


@dataclass(eq=False)
class Detail(Filter):
    """Strengthen what a guided filter takes from luma: texture, and no halos along edges.

    Args:
        amount: how much of it to add.
        radius: up to which size something is detail, in pixels.
    """

    amount: float
    radius: int

    @property
    def reach(self) -> int:
        return guided_reach(self.radius)

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        luma = brightness(pixels)
        return pixels + np.float32(self.amount) * (luma - guided_filter(luma, luma, self.radius, FLAT))[..., None]
