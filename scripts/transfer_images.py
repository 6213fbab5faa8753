"""Draw the images of docs/style.md on colours and textures: python scripts/transfer_images.py [NAME …]

The cat (Stéfan van der Walt), the coffee, the rocket (SpaceX), the astronaut (NASA) and the grass are
scikit-image's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from drawing import draw, row
from PIL import Image
from skimage import data
from upscaling_images import run

SIZE = (360, 240)


def fitted(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of an image at `SIZE`."""
    height, width = pixels.shape[:2]
    scale = min(width / SIZE[0], height / SIZE[1])
    across, down = SIZE[0] * scale, SIZE[1] * scale
    left, top = (width - across) / 2, (height - down) / 2
    image = Image.fromarray(pixels).convert("RGB")
    box = (left, top, left + across, top + down)
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS, box=box))


def given(pixels: np.ndarray, operator: str, reference: np.ndarray) -> np.ndarray:
    """Return `pixels` after `operator`, in which {} stands for a file of `reference`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reference.png"
        Image.fromarray(reference).save(file)
        return run(operator.format(file), pixels)


def colour() -> np.ndarray:
    """Draw photo, reference, transport, Reinhard."""
    cat, coffee = fitted(data.chelsea()), fitted(data.coffee())
    rocket = fitted(data.rocket())
    sheets = []
    for photo, reference in ((cat, rocket), (rocket, coffee)):
        results = [given(photo, f"style:colour {{}} {method}", reference) for method in ("transport", "reinhard")]
        sheets.append([photo, reference, *results])
    return row([np.concatenate(column) for column in zip(*sheets, strict=True)])


def texture() -> np.ndarray:
    """Draw photo, texture, and the photo in its pieces: as it is, with more coherence, and in its own colours."""
    astronaut, cat = data.astronaut()[:300, 40:440], data.chelsea()[20:, :420]
    operators = ("style:texture {}", "style:texture {} coherence=0.6 steps=3", "style:texture {} keep-colour")
    sheets = []
    for photo, reference in ((astronaut, data.coffee()), (cat, data.grass())):
        results = [given(photo, operator, reference) for operator in operators]
        sheets.append([fitted(pixels) for pixels in (photo, reference, *results)])
    return row([np.concatenate(column) for column in zip(*sheets, strict=True)])


if __name__ == "__main__":
    draw(__doc__, {"colour": colour, "texture": texture})
