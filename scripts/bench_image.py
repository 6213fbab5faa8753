"""Draw the image of docs/benchmarks.md: python scripts/bench_image.py

One place of scikit-image's `coffee`, as `imgtk bench upscale --html` shows it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from drawing import draw
from PIL import Image, ImageDraw

from imgtk.bench.data import builtin
from imgtk.bench.upscale import methods, run

SIDE, GAP, CAPTION = 192, 6, 16


def bench() -> np.ndarray:
    one = builtin(4)
    coffee = replace(one, pairs=tuple(pair for pair in one.pairs if pair.name == "coffee"))
    report = run([coffee], methods(["bicubic", "compact", "esrgan"], [], 4), 4, features=None, comparisons=1)
    found = report.sets[0].comparisons[0]
    cells: dict[str, np.ndarray] = {"input": found.source, **found.outputs, "truth": found.target}
    sheet = Image.new("RGB", (len(cells) * (SIDE + GAP) - GAP, SIDE + CAPTION), "white")
    for number, (name, pixels) in enumerate(cells.items()):
        left = number * (SIDE + GAP)
        sheet.paste(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, 0))
        ImageDraw.Draw(sheet).text((left, SIDE + 2), name, "black")
    return np.asarray(sheet)


if __name__ == "__main__":
    draw(__doc__, {"bench": bench}, lossless=True)
