"""Reduce flicker: keep the previous result where the input itself has not changed.

The previous result is warped by the optical flow between the two input frames, and blended in where that flow explains
the new frame (the warping error of Lai et al. 2018, "Learning Blind Video Temporal Consistency", measures the same).
This works without knowing the pipeline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from imgtk.image import Image
from imgtk.io.depth import to_depth

_FLOW_PIXELS = 640 * 360
"""Frames are made this small before their flow is sought: it takes a few milliseconds then, and noise matters less."""

_TOLERANCE = 0.04
"""Difference between what a pixel was and is, 0..1, at which it is trusted to be the same by 1/e."""

WARM_UP = 8
"""Frames after which what was before them can hardly be seen any more, at usual strengths."""


class Deflicker:
    """Reduces the flicker of the frames of one clip, given in order.

    Args:
        strength: share of the previous result where nothing has changed, 0 to 1 (excluded). Higher values flicker less
            and hold brush strokes longer.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, source: Image, result: Image) -> Image:
        """Give the result of a frame (uint8 or uint16) with less flicker; `source` is the frame before the pipeline."""
        gray = small_gray(source)
        pixels: np.ndarray = to_depth(result.pixels, 32)
        if self._before is not None:
            flow = self._flow.calc(gray, self._before[0], None)
            weight: np.ndarray = self.strength * trust(gray, self._before[0], flow)
            held = moved(self._before[1], flow).reshape(pixels.shape)
            weight = cv2.resize(weight, (pixels.shape[1], pixels.shape[0]))
            pixels = pixels + weight[..., None] * (held - pixels)
        self._before = gray, pixels
        return replace(result, pixels=to_depth(pixels, 8 * result.pixels.itemsize))


def small_gray(image: Image) -> np.ndarray:
    """Return (h, w), uint8, of at most `_FLOW_PIXELS`."""
    pixels = to_depth(image.pixels, 8)
    gray = pixels[..., 0] if image.gray else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, (_FLOW_PIXELS / image.size.pixels) ** 0.5)
    side = max(16, round(image.size.width * factor)), max(16, round(image.size.height * factor))
    return gray if side == tuple(image.size) else cv2.resize(gray, side, interpolation=cv2.INTER_AREA)


def moved(pixels: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return (H, W, C) pixels taken from where `flow` (h, w, 2), of any size, in its own pixels, points to."""
    height, width = pixels.shape[:2]
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    large = cv2.resize(flow, (width, height)) * scale
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(
        pixels, across + large[..., 0], down + large[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def trust(now: np.ndarray, before: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return (h, w), 0 to 1: how well the gray frame `before`, moved by `flow`, explains the gray frame `now`. Nothing
    does where the flow points out of the frame."""
    height, width = now.shape
    difference = cv2.GaussianBlur(now.astype(np.float32) - moved(before[..., None].astype(np.float32), flow), (0, 0), 1)
    trusted = np.exp(-((difference / (255 * _TOLERANCE)) ** 2))
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    x, y = across + flow[..., 0], down + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (trusted * inside).astype(np.float32)
