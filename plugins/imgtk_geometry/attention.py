"""Where an image shows most."""

from __future__ import annotations

import cv2
import numpy as np

from imgtk.adaptive_op import View
from imgtk.geometry import Size, anchored

__all__ = ["most_salient"]

SIDE = 256
"""Longest side at which is looked for it, in pixels."""
CENTRED = 0.2
"""How much less than the middle the border is taken to show."""


def most_salient(view: View, part: Size) -> tuple[int, int]:
    """Find the part of an image that shows most: edges, and strong colours.

    Args:
        view: of the image. Where it is transparent nothing shows.
        part: its size, within the image.

    Returns:
        left and top of the part.
    """
    whole = view.size
    factor = min(1.0, SIDE / max(whole))
    small = Size(*(max(1, round(side * factor)) for side in whole))
    pixels = np.ascontiguousarray(view.reduced(small)[0].movedim(0, -1).cpu().numpy())
    sums = cv2.integral(_interest(pixels))
    inner = Size(*(min(most, max(1, round(side * factor))) for side, most in zip(part, small, strict=True)))
    width, height = inner
    totals = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    middle_left, middle_top = anchored("center", small, inner)
    rows, columns = np.indices(totals.shape)
    away = np.hypot((columns - middle_left) / small.width, (rows - middle_top) / small.height)
    top, left = np.unravel_index(np.argmax(totals * (1 - CENTRED * away) - 1e-9 * away), totals.shape)
    room = (whole.width - part.width, whole.height - part.height)
    found = (round(int(place) / factor) for place in (left, top))
    across, down = (min(most, place) for most, place in zip(room, found, strict=True))
    return across, down


def _interest(pixels: np.ndarray) -> np.ndarray:
    """Return how much each pixel shows, (H, W)."""
    colour = np.ascontiguousarray(pixels[..., :3])
    gray = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    edges = np.abs(cv2.Sobel(gray, -1, 1, 0)) + np.abs(cv2.Sobel(gray, -1, 0, 1))
    strong = colour.max(2) - colour.min(2)
    interest = edges + 0.3 * strong
    return interest * pixels[..., 3] if pixels.shape[2] == 4 else interest
