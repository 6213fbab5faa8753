"""Draw the images of docs/translation.md: python scripts/translation_images.py [NAME …]

The cup, the astronaut (NASA) and the cat are scikit-image's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image
from skimage import data
from upscaling_images import FOLDER, GAP

from imgtk import Pipeline

PHOTOS = (data.coffee()[:384, 100:484], data.astronaut()[:384, 64:448], data.chelsea()[:, 60:360])


def sheet(name: str, chains: Sequence[str], side: int) -> None:
    """Draw each photo, and what each chain makes of it, as docs/images/NAME.webp."""
    rows = []
    for photo in PHOTOS:
        cells = [photo, *(np.asarray(Pipeline(chain, dtype="fp32")(photo).pixels) for chain in chains)]
        cells = [Image.fromarray(np.broadcast_to(cell, photo.shape)) for cell in cells]
        small = [np.asarray(cell.resize((side, side), Image.Resampling.LANCZOS)) for cell in cells]
        rows.append(
            np.concatenate([np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for cell in small], 1)
        )
    Image.fromarray(np.concatenate(rows)[:-GAP, :-GAP]).save(FOLDER / f"{name}.webp", quality=85, method=6)


def photo2monet() -> None:
    """Draw the translations by CycleGAN and by UNIT."""
    sheet("photo2monet", ("translate:photo2monet", "translate:unit"), 384)


def sketch2photo() -> None:
    """Draw sketches, plain and coloured, and the photos of them."""
    plain, coloured = "translate:photo2sketch", "translate:photo2sketch colour=0.5"
    back = "translate:sketch2photo"
    sheet("sketch2photo", (plain, f"{plain} | {back}", coloured, f"{coloured} | {back}"), 256)


if __name__ == "__main__":
    for name in sys.argv[1:] or ("photo2monet", "sketch2photo"):
        globals()[name]()
