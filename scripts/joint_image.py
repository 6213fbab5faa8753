"""Draw the image of docs/joint.md: python scripts/joint_image.py

The coffee (Rachel Michetti) is scikit-image's.
"""

from __future__ import annotations

import numpy as np
from drawing import draw, row
from PIL import Image
from skimage import data
from upscaling_images import run

PIPELINES = (
    "upscale:bicubic x4",
    "stylize-sr:monet x4",
    "style:monet | upscale:compact x4",
    "upscale:compact x4 | style:monet",
    "upscale:esrgan x4 | translate:photo2monet",
)
PART = (slice(90, 350), slice(170, 430))


def joint() -> np.ndarray:
    photo = Image.fromarray(data.coffee())
    small = np.asarray(photo.resize((photo.width // 4, photo.height // 4), Image.Resampling.BICUBIC))
    return row([run(pipeline, small)[PART] for pipeline in PIPELINES])


if __name__ == "__main__":
    draw(__doc__, {"joint": joint})
