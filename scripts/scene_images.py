"""Draw the images of scenes of docs/generate.md: python scripts/scene_images.py [NAME …]"""

from __future__ import annotations

import numpy as np
from drawing import draw

from imgtk import Pipeline

SIDE = 64
COLUMNS = 8


def row(operator: str, first: int, columns: int = COLUMNS) -> np.ndarray:
    """Return a row of scenes (64, columns x 64, 3), of seeds from `first` on."""
    seeds = range(first, first + columns)
    return np.concatenate([Pipeline(f"{operator} {SIDE}x{SIDE} seed={seed}")().pixels for seed in seeds], 1)


def doubled(rows: list[np.ndarray]) -> np.ndarray:
    """Return rows below each other, each pixel as four."""
    return np.concatenate(rows).repeat(2, 0).repeat(2, 1)


def landscapes() -> np.ndarray:
    return doubled([row("generate:landscape", first) for first in range(1, 33, COLUMNS)])


def scenes() -> np.ndarray:
    return doubled([row(f"generate:{name}", 1) for name in ("vae", "vaegan")])


def large() -> np.ndarray:
    rows = [
        np.concatenate([Pipeline(f"generate:{name} seed={seed} | {after}")().pixels for seed in (4, 10, 13, 26)], 1)
        for name, after in (("landscape", "upscale:esrgan x4"), ("vaegan", "stylize-sr:monet"))
    ]
    return np.concatenate(rows)


if __name__ == "__main__":
    draw(__doc__, {"landscapes": landscapes, "scenes": scenes, "landscapes-large": large})
