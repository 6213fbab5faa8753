"""Draw holes at random, to train and to measure with."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

__all__ = ["random_holes"]

SHARES = (0.1, 0.4)
"""Of an image that is missing."""
WIDEST = 0.35
"""Width of a stroke, and side of a rectangle, at most, relative to the shorter side of the image."""
THINNEST = 5
"""Width of the thinnest strokes, in pixels."""


def random_holes(
    count: int, height: int, width: int, generator: Generator, shares: tuple[float, float] = SHARES
) -> Tensor:
    """Draw holes: strokes of a brush, which turn (Yu et al. 2019, "Free-form image inpainting with gated convolution",
    section 3.4), and rectangles.

    Args:
        count: of images.
        height, width: of each, in pixels.
        generator: of the CPU, from which all random numbers come.
        shares: the least and the largest share of an image that holes take, about.

    Returns:
        (count, 1, height, width), true in the holes.
    """
    seeds = torch.randint(2**31, (count,), generator=generator).tolist()
    drawn = np.stack([_holes(height, width, np.random.default_rng(seed), shares) for seed in seeds])
    return torch.from_numpy(drawn > 0)[:, None]


def _holes(height: int, width: int, random: np.random.Generator, shares: tuple[float, float]) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    wanted = random.uniform(*shares) * mask.size
    boldest = WIDEST * min(height, width) * random.uniform(0.2, 1)
    strokes = random.uniform()
    while np.count_nonzero(mask) < wanted:
        if random.uniform() < strokes:
            _stroke(mask, boldest, random)
        else:
            side = random.uniform(0.3 * boldest, boldest, 2)
            left, top = random.uniform(0, (width, height)) - side / 2
            opposite = int(left + side[0]), int(top + side[1])
            cv2.rectangle(mask, (int(left), int(top)), opposite, (255,), -1)
    return mask


def _stroke(mask: np.ndarray, boldest: float, random: np.random.Generator) -> None:
    """Draw a line of up to eight parts that turns a little at each joint."""
    height, width = mask.shape
    bold = int(max(THINNEST, random.uniform(0.1, 0.6) * boldest))
    x, y = random.uniform(0, (width, height))
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(random.integers(1, 9)):
        angle += random.uniform(-1.2, 1.2)
        length = random.uniform(0.1, 0.3) * min(height, width)
        start, (x, y) = (x, y), (x + length * np.cos(angle), y + length * np.sin(angle))
        cv2.line(mask, (int(start[0]), int(start[1])), (int(x), int(y)), 255, bold)
        if not (0 <= x < width and 0 <= y < height):
            return
