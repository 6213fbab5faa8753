"""Draw the image of letters of docs/generate.md: python scripts/glyph_images.py"""

from __future__ import annotations

import numpy as np
from drawing import draw

from imgtk import Pipeline

COLUMNS, ROWS = 2, 4
WIDTH, HEIGHT = 320, 96


def glyphs() -> np.ndarray:
    page = np.full((ROWS * HEIGHT, COLUMNS * WIDTH, 3), 255, np.uint8)
    for number in range(ROWS * COLUMNS):
        word = Pipeline(f"generate:glyph Hamburg size={HEIGHT} style={number}", seed=1)().pixels
        row, column = divmod(number, COLUMNS)
        shown = word[:, :WIDTH]
        left = column * WIDTH + (WIDTH - shown.shape[1]) // 2
        page[row * HEIGHT : (row + 1) * HEIGHT, left : left + shown.shape[1]] = shown
    return page


if __name__ == "__main__":
    draw(__doc__, {"glyphs": glyphs})
