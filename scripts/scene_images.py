"""Draw the images of scenes of docs/generate.md: python scripts/scene_images.py [NAME …]"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from drawing import draw

from imgtk import Pipeline

COLUMNS = 8
TRAVERSED = 5
CODE = 128


def row(operator: str, first: int) -> np.ndarray:
    """Return a row of scenes (128, COLUMNS x 128, 3), of seeds from `first` on."""
    seeds = range(first, first + COLUMNS)
    return np.concatenate([Pipeline(f"{operator} 128x128 seed={seed}")().pixels for seed in seeds], 1)


def landscapes() -> np.ndarray:
    return np.concatenate([row("generate:landscape", first) for first in range(1, 33, COLUMNS)])


def scenes() -> np.ndarray:
    return np.concatenate([row(f"generate:{name}", 1) for name in ("vae", "vaegan")])


def traversal() -> np.ndarray:
    """Return rows of scenes, in each of which one number of the code goes from -3 to 3, and the others are 0."""
    rows = []
    with TemporaryDirectory() as folder:
        for number in range(1, TRAVERSED + 1):
            for value in np.linspace(-3, 3, COLUMNS):
                code = np.zeros(CODE)
                code[-number] = value
                np.save(Path(folder, "code.npy"), code)
                rows.append(Pipeline(f"generate:vae 96x96 latents='{folder}/code.npy'")().pixels)
    return np.concatenate([np.concatenate(rows[i : i + COLUMNS], 1) for i in range(0, len(rows), COLUMNS)])


def large() -> np.ndarray:
    rows = [
        np.concatenate([Pipeline(f"generate:{name} seed={seed} | {after}")().pixels for seed in (6, 4, 29, 26)], 1)
        for name, after in (("landscape", "upscale:esrgan x4"), ("vaegan", "stylize-sr:monet"))
    ]
    return np.concatenate(rows)


if __name__ == "__main__":
    draw(__doc__, {"landscapes": landscapes, "scenes": scenes, "traversal": traversal, "landscapes-large": large})
