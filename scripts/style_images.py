"""Draw the images of docs/style.md on trained styles: python scripts/style_images.py [NAME …]

The photos are scikit-image's: the astronaut (NASA), the cat (Stéfan van der Walt), the coffee and the rocket (SpaceX).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from drawing import draw, row
from PIL import Image
from skimage import data
from transfer_images import SIZE, fitted
from upscaling_images import run

from imgtk_gramstyle import STYLES

ACROSS = 4
"""Images side by side in a sheet."""


def sheet(images: list[np.ndarray]) -> np.ndarray:
    """Return images of one size in rows of `ACROSS`."""
    blank = np.full_like(images[0], 255)
    images = images + [blank] * (-len(images) % ACROSS)
    return row([np.concatenate(images[column::ACROSS]) for column in range(ACROSS)])


def styles() -> np.ndarray:
    """Draw the photo, and what each style makes of it, in the order of `STYLES`."""
    photo = data.astronaut()[:400, :]
    return sheet([fitted(photo), *(fitted(run(f"style:{name}", photo)) for name in STYLES)])


def between() -> np.ndarray:
    """Draw the way from one style to another by quarters."""
    cat = data.chelsea()
    return row([fitted(run(f"style:starry-night+great-wave mix={k / 4}", cat)) for k in range(5)])


def colours() -> np.ndarray:
    """Draw photo, painting, and the three ways to keep the photo's colours."""
    coffee = data.coffee()
    ways = ("", "keep-colour=luma", "keep-colour=covariance", "keep-colour=histogram")
    return row([fitted(coffee), *(fitted(run(f"style:starry-night {way}", coffee)) for way in ways)])


def mask() -> np.ndarray:
    """Draw photo, mask, and the photo painted where the mask is white."""
    photo = data.astronaut()[:400, :]
    height, width = photo.shape[:2]
    down, across = np.mgrid[:height, :width]
    outside = ((across - 225) / 110) ** 2 + ((down - 130) / 160) ** 2
    pixels = (255 * np.clip((outside - 0.8) / 0.5, 0, 1)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mask.png"
        Image.fromarray(pixels).save(file)
        painted = run(f"style:great-wave mask={file}", photo)
    return row([fitted(photo), fitted(pixels), fitted(painted)])


def strokes() -> np.ndarray:
    """Draw one painting at 480, 1440 and 4320 pixels seen as a whole, and a part of each, pixel by pixel."""
    rocket = Image.fromarray(data.rocket())
    seen, close = [], []
    for width in (480, 1440, 4320):
        large = np.asarray(rocket.resize((width, width * rocket.height // rocket.width), Image.Resampling.LANCZOS))
        painted = run("style:starry-night", large)
        left, top = int(width * 0.45) - SIZE[0] // 2, int(painted.shape[0] * 0.5) - SIZE[1] // 2
        seen.append(fitted(painted))
        close.append(painted[top : top + SIZE[1], left : left + SIZE[0]])
    return row([np.concatenate(pair) for pair in zip(seen, close, strict=True)])


if __name__ == "__main__":
    draw(
        __doc__,
        {"styles": styles, "between": between, "keep-colour": colours, "mask": mask, "strokes": strokes},
    )
