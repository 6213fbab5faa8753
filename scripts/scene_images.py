"""Draw the images of scenes of docs/generate.md: python scripts/scene_images.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgtk import Image, Pipeline

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIDE = 64
COLUMNS = 8


def row(operator: str, first: int, columns: int = COLUMNS) -> np.ndarray:
    """Return a row of scenes (64, columns x 64, 3), of seeds from `first` on."""
    seeds = range(first, first + columns)
    return np.concatenate([Pipeline(f"{operator} {SIDE}x{SIDE} seed={seed}")().pixels for seed in seeds], 1)


def saved(rows: list[np.ndarray], name: str, scale: int = 1) -> None:
    pixels = np.concatenate(rows).repeat(scale, 0).repeat(scale, 1)
    Image(np.ascontiguousarray(pixels)).save(IMAGES / name, quality=88, overwrite=True)


def main() -> None:
    saved([row("generate:vaegan", first) for first in range(1, 33, COLUMNS)], "landscapes.webp", 2)
    saved([row(f"generate:{name}", 1) for name in ("vae", "vaegan")], "scenes.webp", 2)
    large = [
        np.concatenate([Pipeline(f"generate:vaegan seed={seed} | {after}")().pixels for seed in (1, 2, 3, 4)], 1)
        for after in ("upscale:esrgan x4", "stylize-sr:monet")
    ]
    saved(large, "landscapes-large.webp")


if __name__ == "__main__":
    main()
