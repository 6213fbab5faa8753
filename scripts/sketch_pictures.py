"""Draw the picture of docs/translation.md on sketches: python scripts/sketch_pictures.py

The cup, the astronaut (NASA) and the cat are scikit-image's.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage import data
from upscaling_pictures import FOLDER, GAP

from imgtk import Pipeline

SIDE = 256
CHAINS = (
    "translate:photo2sketch",
    "translate:photo2sketch | translate:sketch2photo",
    "translate:photo2sketch colour=0.5",
    "translate:photo2sketch colour=0.5 | translate:sketch2photo",
)
PHOTOS = (data.coffee()[:384, 100:484], data.astronaut()[:384, 64:448], data.chelsea()[:, 60:360])

if __name__ == "__main__":
    rows = []
    for photo in PHOTOS:
        cells = [photo, *(np.asarray(Pipeline(chain, dtype="fp32")(photo).pixels) for chain in CHAINS)]
        cells = [np.broadcast_to(cell, photo.shape) for cell in cells]
        small = [np.asarray(Image.fromarray(cell).resize((SIDE, SIDE), Image.Resampling.LANCZOS)) for cell in cells]
        rows.append(
            np.concatenate([np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for cell in small], 1)
        )
    sheet = np.concatenate(rows)[:-GAP, :-GAP]
    Image.fromarray(sheet).save(FOLDER / "sketch2photo.webp", quality=85, method=6)
