"""Draw the images of docs/restore.md: python scripts/restore_images.py [NAME …]

The cat, the coffee and the astronaut are scikit-image's (CC0). All parts are at 1:1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from imgtk import Image, Pipeline

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIDE = 200
CLEAN = {"cat": (data.chelsea, 60, 110), "coffee": (data.coffee, 60, 150), "astronaut": (data.astronaut, 30, 120)}
"""Functions of `skimage.data`, and where in their image the part that is shown begins: row, column."""


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def non_local_means(pixels: np.ndarray, sigma: float) -> np.ndarray:
    result: np.ndarray = cv2.fastNlMeansDenoisingColored(pixels, None, 0.8 * sigma, 0.8 * sigma, 7, 21)
    return result


def part(name: str, pixels: np.ndarray) -> np.ndarray:
    _, top, left = CLEAN[name]
    return pixels[top : top + SIDE, left : left + SIDE]


def noise() -> np.ndarray:
    """Rows of noisy, non-local means, ours and the truth, for rising noise."""
    pipeline = Pipeline("restore:denoise")
    rows = []
    for (name, (load, _, _)), sigma in zip(CLEAN.items(), (15, 25, 50), strict=True):
        clean = load()
        bad = noisy(clean, sigma)
        shown = (bad, non_local_means(bad, sigma), pipeline(bad).pixels, clean)
        rows.append(np.concatenate([part(name, pixels) for pixels in shown], 1))
    return np.concatenate(rows)


DRAWINGS = {"denoise-levels": noise}


def main(names: list[str]) -> None:
    for name in names or DRAWINGS:
        Image(DRAWINGS[name]()).save(IMAGES / f"{name}.webp", quality=85, overwrite=True)


if __name__ == "__main__":
    main(sys.argv[1:])
