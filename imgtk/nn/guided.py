"""The guided filter: a blur that keeps the edges of a guide (He, Sun and Tang, "Guided image filtering", 2010)."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["guided_filter", "guided_lines", "guided_reach"]


def guided_reach(radius: int) -> int:
    """Return how far the filter looks, in pixels: it averages twice."""
    return 2 * radius


def guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Smooth an image where its guide is flat (algorithm 1 of the paper).

    Args:
        guide: (H, W) or (H, W, C), float32, about 0..1; with channels, each guides the same channel of `image`.
        image: of the same shape.
        radius: of the square windows, in pixels.
        epsilon: variance of the guide below which a window counts as flat.

    Returns:
        an array of that shape. The edge pixels repeat beyond the border.
    """
    slope, offset = guided_lines(guide, image, radius, epsilon)
    return slope * guide + offset


def guided_lines(guide: np.ndarray, image: np.ndarray, radius: int, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what the guided filter makes of its guide: the slope and the offset of a line at each pixel.

    Enlarged, they give an image of the size of a larger guide, with its edges (He and Sun 2015, "Fast guided filter").

    Args:
        guide, image, radius, epsilon: as those of `guided_filter`.

    Returns:
        Two arrays of the shape of `image`; `guided_filter` is slope * guide + offset.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)).reshape(values.shape)

    mean_guide, mean_image = mean(guide), mean(image)
    variance = mean(guide * guide) - mean_guide * mean_guide
    covariance = mean(guide * image) - mean_guide * mean_image
    slope = covariance / (np.maximum(variance, 0) + epsilon)
    return mean(slope), mean(mean_image - slope * mean_guide)
