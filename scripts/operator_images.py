"""Draw the examples of docs/reference.md: python scripts/operator_images.py [NAME …]

Each example shows the same part of the input and of the result at 1:1. Where the sizes differ, the input's pixels are
repeated or left out. The cat and the coffee are scikit-image's (CC0).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from operator_reference import DOCS, image_name
from PIL import Image
from skimage import data

import imgtk
from imgtk.registry import default

SIDE = 200
"""Side of each half, in pixels."""
ARGUMENTS = {
    "adjust:brightness-contrast": "0.1 contrast=1.3",
    "adjust:gamma": "1.8",
    "adjust:saturation": "1.6",
    "adjust:sharpen": "1.5",
    "adjust:vignette": "0.9",
    "blend": "( adjust:blur 6 ) 0.7 screen",
    "style:any": "{reference}",
    "style:colour": "{reference}",
    "style:gram": "{reference} steps=100",
    "style:texture": "{reference}",
}
"""What stands after an operator's name, where that alone is no example; `{reference}` is a file with another image."""
WITHOUT = {"style:fast", "translate:cyclegan", "translate:pix2pix"}
"""Operators that need a network of the user's."""


def main(names: list[str]) -> None:
    registry = default()
    known = [name for plugin in registry.plugins if plugin.distribution == "imgtk" for name in plugin.operators]
    (DOCS / "images" / "ops").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.png"
        Image.fromarray(data.coffee()).save(reference)
        for name in names or sorted(set(known) - WITHOUT):
            draw(name, reference)


def draw(name: str, reference: Path) -> None:
    task = name.partition(":")[0]
    photo = Image.fromarray(data.chelsea()).crop((30, 0, 430, 300))
    if task in ("upscale", "stylize-sr"):
        photo = photo.resize((200, 150), Image.Resampling.BOX)
    if name == "translate:sketch2photo":
        photo = imgtk.Pipeline("translate:photo2sketch colour=0.4")(photo).pil()
    text = " ".join([name, ARGUMENTS.get(name, {"upscale": "x4", "resize": "x0.5"}.get(task, ""))])
    result = imgtk.Pipeline(text.format(reference=f"'{reference}'"))(photo).pil().convert("RGB")
    before = photo.resize(result.size, Image.Resampling.NEAREST)
    left, top = round(result.width * 0.42 - SIDE / 2), round(result.height * 0.4 - SIDE / 2)
    box = (max(0, left), max(0, top), max(0, left) + SIDE, max(0, top) + min(SIDE, result.height))
    pair = np.concatenate([np.asarray(image.crop(box)) for image in (before, result)], axis=1)
    Image.fromarray(pair).save(DOCS / "images" / "ops" / image_name(name), quality=80, method=6)
    print(f"{name}: {pair.shape[1]} x {pair.shape[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
