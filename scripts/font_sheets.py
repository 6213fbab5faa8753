"""Draw the letters and digits of fonts as sheets, which `imgtk train generate:glyph` learns from.

    python scripts/font_sheets.py FONT_FOLDER... --out sheets/

Each sheet is a gray PNG of 8 x 8 cells, black on white, in the order of `imgtk_generate.glyphs.CHARACTERS`. Capitals
have the same height in all sheets. Fonts that lack a letter, or have letters that are too wide, are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imgtk_generate.glyphs import BASELINE, CAPITAL, CELL, CHARACTERS, COLUMNS

SCALE = 2
"""Pixels of a sheet per pixel of the network's glyphs."""


def sheet(path: Path) -> Image.Image | None:
    """The sheet of a font; None where it does not suit."""
    side = CELL * SCALE
    probe = ImageFont.truetype(str(path), 200)
    left, top, right, bottom = probe.getbbox("H", anchor="ls")
    if bottom - top < 40 or right - left < 20:
        return None
    font = ImageFont.truetype(str(path), round(200 * CAPITAL * SCALE / (bottom - top)))
    image = Image.new("L", (side * COLUMNS, side * -(-len(CHARACTERS) // COLUMNS)), 255)
    seen = set()
    for index, character in enumerate(CHARACTERS):
        left, top, right, bottom = font.getbbox(character, anchor="ls")
        row, column = divmod(index, COLUMNS)
        x = column * side + (side - right - left) // 2
        y = row * side + BASELINE * SCALE
        margin = 2 * SCALE
        if right - left > side - 2 * margin or bottom > side - BASELINE * SCALE - 2 or -top > BASELINE * SCALE - 2:
            return None
        ImageDraw.Draw(image).text((x, y), character, font=font, fill=0, anchor="ls")
        cell = np.asarray(image.crop((column * side, row * side, (column + 1) * side, (row + 1) * side)))
        if cell.min() > 64:
            return None
        seen.add(cell.tobytes())
    return image if len(seen) >= len(CHARACTERS) - 4 else None  # l and I, O and 0 may be alike; boxes are not


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fonts", type=Path, nargs="+", help="folders with .ttf and .otf files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the sheets")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    files = sorted(file for folder in options.fonts for kind in ("ttf", "otf") for file in folder.rglob(f"*.{kind}"))
    made: set[bytes] = set()
    for file in files:
        image = sheet(file)
        if image is not None and image.tobytes() not in made:
            made.add(image.tobytes())
            image.save(options.out / f"{file.stem}.png", optimize=True)
    print(f"{len(made)} sheets of {len(files)} fonts")


if __name__ == "__main__":
    main()
