"""Draw the image of docs/generate.md: python scripts/texture_images.py

The examples are images of scikit-image that may be used freely.
"""

from __future__ import annotations

import tempfile

import numpy as np
from drawing import draw
from skimage import data

from imgtk import Image, Pipeline

SIDE = 200
EXAMPLES = (data.gravel()[:, :, None], data.grass()[:, :, None], data.immunohistochemistry())


def textures() -> np.ndarray:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for example in EXAMPLES:
            Image(example).save(f"{folder}/example.png", overwrite=True)
            made = Pipeline(f"generate:texture {2 * SIDE}x{SIDE} '{folder}/example.png'", seed=2)().pixels
            shown = np.full((SIDE, SIDE, 3), 255, np.uint8)
            height, width = (min(SIDE, side) for side in example.shape[:2])
            shown[:height, :width] = example[:height, :width]
            rows.append(np.concatenate([shown, np.broadcast_to(made, (*made.shape[:2], 3))], 1))
    return np.concatenate(rows)


if __name__ == "__main__":
    draw(__doc__, {"textures": textures})
