"""Draw the examples of docs/reference.md: python scripts/operator_images.py [NAME …]

Each example shows the same part of the input and of the result at 1:1, or all of both where the geometry changes.
Where the sizes differ, the input's pixels are repeated or left out. The cat and the coffee are scikit-image's (CC0).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from drawing import FOLDER, draw
from operator_reference import example
from PIL import Image
from restore_images import noisy
from skimage import data
from upscaling_images import compressed

import imgtk
from imgtk.registry import default

FADED = "mask ( generate:gradient out white black )"
BEFORE = {
    "alpha:remove": FADED,
    "background": FADED,
    "denoise": "filter:noise 0.08 size=0",
    "inpaint": "mask ( generate:colour white | text 'Cat, 2008' colour=black size=50 gravity=center )",
    "restore:auto": "adjust:exposure -3",
    "restore:colourise": "adjust:grayscale",
    "restore:deblur": "filter:gaussian 1.5",
    "restore:lowlight": "adjust:exposure -3",
    "translate:sketch2photo": "translate:photo2sketch colour=0.4",
    "trim": "crop 300 220 | border 45 colour=#f0e8d8",
}
"""What is done to the image before the examples of an operator or a task begin."""
DEFECTS = {
    "restore:auto": partial(noisy, sigma=25),
    "restore:denoise": partial(noisy, sigma=25),
    "restore:jpeg": partial(compressed, quality=15),
}
"""Functions that damage the pixels before the examples of an operator begin."""
SIDE = 200
"""Side of each half, in pixels."""
WITHOUT = {"style:fast", "translate:cyclegan", "translate:pix2pix"}
"""Operators that need a network of the user's."""


def main() -> None:
    registry = default()
    known = [name for plugin in registry.plugins if plugin.distribution == "imgtk" for name in plugin.operators]
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.png"
        Image.fromarray(data.coffee()).save(reference)
        texture = Path(folder) / "texture.png"
        Image.fromarray(data.gravel()).save(texture)
        cube = Path(folder) / "warm.cube"
        cube.write_text(warm())
        names = sorted(set(known) - WITHOUT)
        files = {"image": reference, "texture": texture, "cube": cube}
        draw(__doc__, {name: partial(pair, name, files) for name in names}, FOLDER / "ops", quality=80)


def warm() -> str:
    """Return a table of colours: warm lights and cool shadows."""
    steps = [i / 8 for i in range(9)]
    colours = [f"{r**0.85} {g} {0.1 + 0.75 * b}" for b in steps for g in steps for r in steps]
    return "\n".join(["LUT_3D_SIZE 9", *colours])


def pair(name: str, files: Mapping[str, Path]) -> np.ndarray:
    """Return the input and the result of an operator side by side; of generators the result alone."""
    task = name.partition(":")[0]
    photo = Image.fromarray(data.chelsea()).crop((30, 0, 430, 300))
    if task in ("upscale", "stylize-sr"):
        photo = photo.resize((200, 150), Image.Resampling.BOX)
    if name in DEFECTS:
        photo = Image.fromarray(DEFECTS[name](np.asarray(photo)))
    if before := BEFORE.get(name, BEFORE.get(task)):
        photo = imgtk.Pipeline(before)(photo).pil()
    result = imgtk.Pipeline(example(name, **{kind: f"'{path}'" for kind, path in files.items()}))(photo).pil()
    if task in ("alpha", "generate") or (":" not in name and name != "blend"):
        return whole([result] if task == "generate" else [photo, result])
    return part(on_white(photo), on_white(result))


def on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


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
    main()
