"""Generated images compared with real ones. `imgtk bench generate` gives the same figures for any pipelines and folder.

    python benchmarks/generate.py                       textures
    python benchmarks/generate.py --paintings FOLDER    scenes: FOLDER has paintings that no network has seen
    python benchmarks/generate.py --photos FOLDER --start FILE    the same of photos; FILE is what generate:landscape
                                                        started from, the autoencoder of the recipe landscape-vae

Textures: the examples are the left halves of images of scikit-image; real are random parts of the right halves. Noise
stands for the worst. Scenes: for `smooth`, a clip leads through eight of them; it is the largest change between two
frames, relative to the mean one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from skimage import data

from common import arguments, record
from imgtk import Image, Pipeline
from imgtk.bench.generate import run
from imgtk.nn.features import load_features

EXAMPLES = {"gravel": data.gravel, "grass": data.grass, "cells": data.immunohistochemistry}
SIDE = 128
FRAMES = 96


def compared(name: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """Return the figures for one example."""
    pixels = EXAMPLES[name]()
    middle = pixels.shape[1] // 2
    example = folder / f"{name}.png"
    Image.of(np.ascontiguousarray(pixels[:, :middle])).save(example)
    rest, random, files = pixels[:, middle:], np.random.default_rng(0), []
    for number in range(count):
        top, left = (random.integers(side - SIDE + 1) for side in rest.shape[:2])
        files.append(folder / f"{name}-{number}.png")
        Image.of(np.ascontiguousarray(rest[top : top + SIDE, left : left + SIDE])).save(files[-1])
    pipelines = {
        "generate:texture": f"generate:texture {SIDE}x{SIDE} '{example}'",
        "generate:noise": f"generate:noise {SIDE}x{SIDE}",
    }
    report = run(files, list(pipelines.values()), count, load_features())
    rows = [{"example": name, "operator": operator, **report.rows[text]} for operator, text in pipelines.items()]
    for row in rows:
        del row["seconds"]  # mostly for loading the example
    return rows


def scenes(real: Path, operators: Mapping[str, str], count: int) -> list[dict[str, Any]]:
    """Return the figures of operators that make scenes, and of noise.

    Args:
        real: folder of images to compare with.
        operators: calls of the operators, by what they are called in the results.
        count: images of each.
    """
    pipelines = {**operators, "generate:noise": "generate:noise 128x128"}
    report = run(sorted(real.iterdir()), list(pipelines.values()), count, load_features())
    rows = [{"operator": name, **report.rows[text]} for name, text in pipelines.items()]
    for row, call in zip(rows, operators.values(), strict=False):
        row["smooth"] = smoothness(call)
    return rows


def smoothness(call: str) -> float:
    """Return the largest change between two frames of a clip through eight scenes, relative to the mean one."""
    clip = Pipeline(f"{call} seed=1..8 frames={FRAMES}")
    frames = [clip(frame=number).pixels.astype(np.float32) for number in range(FRAMES)]
    changes = [float(np.abs(after - before).mean()) for before, after in pairwise(frames)]
    return max(changes) / (sum(changes) / len(changes))


def compare_scenes(name: str, real: Path, operators: Mapping[str, str], count: int, out: Path) -> None:
    results = scenes(real, operators, count)

    def draw(axes: Any) -> None:
        shown = results[:-1]
        axes.bar([row["operator"] for row in shown], [row["kid"] for row in shown], width=0.5)
        axes.set(ylabel="kernel distance x 1000", title="Generated scenes and images that were not learnt")

    record(name, results, out, draw)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, default=64, help="real images, and generated ones")
    parser.add_argument("--paintings", type=Path, help="folder of real images: compare scenes instead of textures")
    parser.add_argument("--photos", type=Path, help="the same with photos")
    parser.add_argument("--start", type=Path, help="weights of the autoencoder that generate:landscape started from")
    options = parser.parse_args()
    if options.paintings:
        operators = {f"generate:{name}": f"generate:{name} 128x128" for name in ("vaegan", "vae")}
        compare_scenes("generate-scenes", options.paintings, operators, options.count, options.out)
        return
    if options.photos:
        operators = {"generate:landscape": "generate:landscape 128x128"}
        if options.start:
            operators["its autoencoder"] = f"generate:vae 128x128 model='{options.start}'"
        compare_scenes("generate-landscapes", options.photos, operators, options.count, options.out)
        return
    with TemporaryDirectory() as folder:
        results = [row for name in EXAMPLES for row in compared(name, options.count, Path(folder))]

    def draw(axes: Any) -> None:
        for number, operator in enumerate(("generate:texture", "generate:noise")):
            shown = [row for row in results if row["operator"] == operator]
            places = [place + 0.4 * number for place in range(len(shown))]
            axes.bar(places, [row["kid"] for row in shown], width=0.35, label=operator)
        axes.set_xticks([place + 0.2 for place in range(len(EXAMPLES))], list(EXAMPLES))
        axes.set(ylabel="kernel distance x 1000", title="Generated textures and the rest of the image")
        axes.legend(frameon=False)

    record("generate", results, options.out, draw)


if __name__ == "__main__":
    main()
