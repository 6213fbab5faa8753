"""Draw the image of the README and of the quick start: python scripts/demo_image.py

On the left the photo of `make demo`, its pixels repeated; on the right what the pipeline of `make demo` makes of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from drawing import draw
from PIL import Image

import imgtk

ROOT = Path(__file__).parents[1]
WIDTH = 560
"""Width of each half, in pixels."""


def demo_pipeline() -> str:
    """Return the pipeline that the Makefile's demo runs."""
    (text,) = re.findall(r'imgtk run "([^"]+)"', (ROOT / "Makefile").read_text(encoding="utf-8"))
    return text


def demo() -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        subprocess.run([sys.executable, ROOT / "scripts" / "sample_photo.py", path], check=True)
        result = imgtk.Pipeline(demo_pipeline())(path).pil()
        photo = Image.open(path).convert("RGB").resize(result.size, Image.Resampling.NEAREST)
    height = round(WIDTH * result.height / result.width)
    both = Image.new("RGB", (2 * WIDTH + 8, height), "white")
    for left, image in ((0, photo), (WIDTH + 8, result)):
        both.paste(image.resize((WIDTH, height), Image.Resampling.LANCZOS), (left, 0))
    return np.asarray(both)


if __name__ == "__main__":
    draw(__doc__, {"demo": demo})
