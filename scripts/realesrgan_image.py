"""Draw the image of examples/imgtk-realesrgan/README.md: python scripts/realesrgan_image.py

Needs the package of the example. The cat (Stéfan van der Walt) and the coffee (Rachel Michetti) are scikit-image's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import draw, row
from PIL import Image
from skimage import data
from upscaling_images import cat, compressed, run

FOLDER = Path(__file__).parents[1] / "examples" / "imgtk-realesrgan"
PIPELINES = ("upscale:bicubic x4", "upscale:esrgan x4", "upscale:realesrgan", "upscale:realesrgan anime")
PART = (slice(60, 260), slice(60, 260))


def realesrgan() -> np.ndarray:
    """Return parts of two small JPEG images, enlarged by each pipeline."""
    coffee = Image.fromarray(data.coffee()).crop((284, 160, 428, 304)).resize((72, 72), Image.Resampling.BICUBIC)
    photos = [compressed(photo, 80) for photo in (cat(), np.asarray(coffee))]
    return np.concatenate([row([run(text, photo)[PART] for text in PIPELINES]) for photo in photos])


if __name__ == "__main__":
    draw(__doc__, {"realesrgan": realesrgan}, FOLDER)
