"""Draw the examples of docs/reference.md: python scripts/operator_images.py [NAME …]

Each example shows the same part of the input and of the result at 1:1, or all of both where the geometry changes.
Where the sizes differ, the input's pixels are repeated or left out. The cat and the coffee are scikit-image's (CC0).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from operator_reference import DOCS, example, image_name
from PIL import Image
from skimage import data

import imgtk
from imgtk.registry import default

FADED = "mask ( generate:gradient out white black )"
BEFORE = {"alpha:remove": FADED, "background": FADED, "trim": "crop 300 220 | border 45 colour=#f0e8d8"}
"""What is done to the image before some examples begin."""
SIDE = 200
"""Side of each half, in pixels."""
WITHOUT = {"style:fast", "translate:cyclegan", "translate:pix2pix"}
"""Operators that need a network of the user's."""


def main(names: list[str]) -> None:
    registry = default()
    known = [name for plugin in registry.plugins if plugin.distribution == "imgtk" for name in plugin.operators]
    (DOCS / "images" / "ops").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.png"
        Image.fromarray(data.coffee()).save(reference)
        cube = Path(folder) / "warm.cube"
        cube.write_text(warm())
        for name in names or sorted(set(known) - WITHOUT):
            draw(name, reference, cube)


def warm() -> str:
    """Return a table of colours: warm lights and cool shadows."""
    steps = [i / 8 for i in range(9)]
    colours = [f"{r**0.85} {g} {0.1 + 0.75 * b}" for b in steps for g in steps for r in steps]
    return "\n".join(["LUT_3D_SIZE 9", *colours])


def draw(name: str, reference: Path, cube: Path) -> None:
    task = name.partition(":")[0]
    photo = Image.fromarray(data.chelsea()).crop((30, 0, 430, 300))
    if task in ("upscale", "stylize-sr"):
        photo = photo.resize((200, 150), Image.Resampling.BOX)
    if task == "denoise":
        photo = imgtk.Pipeline("filter:noise 0.08 size=0")(photo).pil()
    if name == "translate:sketch2photo":
        photo = imgtk.Pipeline("translate:photo2sketch colour=0.4")(photo).pil()
    text = example(name, image=f"'{reference}'", cube=f"'{cube}'")
    if name in BEFORE:
        photo = imgtk.Pipeline(BEFORE[name])(photo).pil()
    result = imgtk.Pipeline(text)(photo).pil()
    if task in ("alpha", "generate") or (":" not in name and name != "blend"):
        pair = whole([result] if task == "generate" else [photo, result])
    else:
        pair = part(photo, result.convert("RGB"))
    Image.fromarray(pair).save(DOCS / "images" / "ops" / image_name(name), quality=80, method=6)
    print(f"{name}: {pair.shape[1]} x {pair.shape[0]}")


def part(photo: Image.Image, result: Image.Image) -> np.ndarray:
    """The same part of both at 1:1."""
    before = photo.resize(result.size, Image.Resampling.NEAREST)
    left, top = round(result.width * 0.42 - SIDE / 2), round(result.height * 0.4 - SIDE / 2)
    box = (max(0, left), max(0, top), max(0, left) + SIDE, max(0, top) + min(SIDE, result.height))
    return np.concatenate([np.asarray(image.crop(box)) for image in (before, result)], axis=1)


def whole(images: Sequence[Image.Image]) -> np.ndarray:
    """All of each at half its size, on white."""
    small = [image.convert("RGBA").resize((max(1, image.width // 2), max(1, image.height // 2))) for image in images]
    page = Image.new(
        "RGBA", (sum(image.width + 8 for image in small) - 8, max(image.height for image in small)), "white"
    )
    left = 0
    for image in small:
        page.alpha_composite(image, (left, 0))
        left += image.width + 8
    return np.asarray(page.convert("RGB"))


if __name__ == "__main__":
    main(sys.argv[1:])
