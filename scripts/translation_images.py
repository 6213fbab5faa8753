"""Draw the images of docs/translation.md: python scripts/translation_images.py [NAME …]

The cup, the astronaut (NASA) and the cat are scikit-image's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from drawing import GAP, draw
from PIL import Image
from skimage import data

from imgtk import Pipeline

PHOTOS = (data.coffee()[:384, 100:484], data.astronaut()[:384, 64:448], data.chelsea()[:, 60:360])


def sheet(chains: Sequence[str], side: int) -> np.ndarray:
    """Return each photo, and what each chain makes of it."""
    rows = []
    for photo in PHOTOS:
        cells = [photo, *(np.asarray(Pipeline(chain, dtype="fp32")(photo).pixels) for chain in chains)]
        cells = [Image.fromarray(np.broadcast_to(cell, photo.shape)) for cell in cells]
        small = [np.asarray(cell.resize((side, side), Image.Resampling.LANCZOS)) for cell in cells]
        rows.append(
            np.concatenate([np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for cell in small], 1)
        )
    return np.concatenate(rows)[:-GAP, :-GAP]


def photo2monet() -> np.ndarray:
    """Draw the translations by CycleGAN and by UNIT."""
    return sheet(("translate:photo2monet", "translate:unit"), 384)


def sketch2photo() -> np.ndarray:
    """Draw sketches, plain and coloured, and the photos of them."""
    plain, coloured = "translate:photo2sketch", "translate:photo2sketch colour=0.5"
    back = "translate:sketch2photo"
    return sheet((plain, f"{plain} | {back}", coloured, f"{coloured} | {back}"), 256)


if __name__ == "__main__":
    draw(__doc__, {"photo2monet": photo2monet, "sketch2photo": sketch2photo})
