"""Draw docs/images/glyphs.webp: python scripts/glyph_images.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgtk import Image, Pipeline

TARGET = Path(__file__).parents[1] / "docs" / "images" / "glyphs.webp"
COLUMNS, ROWS = 2, 4
WIDTH, HEIGHT = 320, 96


def main() -> None:
    page = np.full((ROWS * HEIGHT, COLUMNS * WIDTH, 1), 255, np.uint8)
    for number in range(ROWS * COLUMNS):
        word = Pipeline(f"generate:glyph Hamburg size={HEIGHT} style={number}", seed=1)().pixels
        row, column = divmod(number, COLUMNS)
        shown = word[:, :WIDTH]
        left = column * WIDTH + (WIDTH - shown.shape[1]) // 2
        page[row * HEIGHT : (row + 1) * HEIGHT, left : left + shown.shape[1]] = shown
    Image(page).save(TARGET, quality=85, overwrite=True)


if __name__ == "__main__":
    main()
