"""Small parts of images side by side, where methods differ most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from imgtk.geometry import Box

__all__ = ["Comparison", "compare"]

SIDE = 128
"""Side of a crop, in pixels of the result."""

OVERVIEW = 256
"""Longest side of the small version of the whole image."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """One place of one image, as everybody shows it.

    Attributes:
        image: its name.
        box: the place, as fractions of width and height: left, top, right, bottom.
        difference: how much the methods differ there, in 8-bit steps.
        overview: the whole image, small, (H, W, 3) uint8.
        source: the place in the input, (h, w, 3) uint8, unscaled.
        outputs: the place in the result, by method.
        target: the place in the ground truth.
    """

    image: str
    box: tuple[float, float, float, float]
    difference: float
    overview: np.ndarray
    source: np.ndarray
    outputs: Mapping[str, np.ndarray]
    target: np.ndarray


def compare(
    image: str, source: np.ndarray, outputs: Mapping[str, np.ndarray], target: np.ndarray, scale: int
) -> Comparison:
    """Cut out where the results differ most from each other (from the ground truth, if there is only one).

    Args:
        image: its name.
        source: (h, w, 3) uint8.
        outputs: results by method, and `target`: (h * scale, w * scale, 3) uint8.
        scale: the factor.
    """
    box, difference = _where_they_differ([*outputs.values(), *([target] if len(outputs) == 1 else [])], scale)
    small = Box(*(side // scale for side in box))
    height, width = target.shape[:2]
    factor = min(1.0, OVERVIEW / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Comparison(
        image=image,
        box=(box.left / width, box.top / height, box.right / width, box.bottom / height),
        difference=difference,
        overview=np.asarray(cv2.resize(target, size, interpolation=cv2.INTER_AREA)),
        source=_cut(source, small),
        outputs={method: _cut(output, box) for method, output in outputs.items()},
        target=_cut(target, box),
    )


def _where_they_differ(images: list[np.ndarray], scale: int) -> tuple[Box, float]:
    """Return the box, on multiples of `scale`, with the largest mean standard deviation between the images, and
    that."""
    gray = np.stack([image.mean(2, dtype=np.float32) for image in images])
    height, width = gray.shape[1:]
    high, wide = (min(SIDE, side) // scale * scale for side in (height, width))
    sums = cv2.integral(gray.std(0), sdepth=cv2.CV_64F)
    means = (sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]) / (high * wide)
    means = means[::scale, ::scale]
    row, column = np.unravel_index(int(means.argmax()), means.shape)
    top, left = int(row) * scale, int(column) * scale
    return Box(left, top, left + wide, top + high), float(means[row, column])


def _cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    return pixels[box.top : box.bottom, box.left : box.right].copy()
