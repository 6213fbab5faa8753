"""Contact sheets at 1:1 of the painting and the upscaling operators: python benchmarks/gallery.py [--out docs/images]

The images are scikit-image's, in the public domain or CC0 (a portrait, an engine, a dark scene, a cat, a page of text),
and a generated sky. Rows are operators, columns are images; the first row is the input.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from skimage.io import imread

import imgtk
from imgtk.nn.regularity import smooth_image
from imgtk_gramstyle import STYLES

SIDE = 192
"""Of a cell, in pixels."""
UPSCALERS = (
    "upscale:bicubic x4",
    "upscale:compact x4",
    "upscale:rrdb x4",
    "upscale:esrgan x4",
    "upscale:esrgan x4 denoise=0",
)
PAINTERS = (
    *(f"style:{name}" for name in STYLES),
    "translate:photo2monet",
    "translate:unit",
)


def subjects() -> list[np.ndarray]:
    """Return a portrait, an engine, a dark scene, a cat, text, and a sky: (H, W, 3), uint8, of about 400 pixels."""
    sky = (255 * smooth_image(400, 400)[0].permute(1, 2, 0).numpy()).astype(np.uint8)
    engine = imread(Path(data.__file__).parent / "motorcycle_left.png")[:, :, :3]
    page = np.repeat(data.page()[:, :, None], 3, 2)
    return [
        data.astronaut()[:400, 60:460],
        engine[60:460, 150:550],
        data.rocket()[20:420, 120:520],
        data.chelsea()[:, 25:425],
        page,
        sky,
    ]


def small(pixels: np.ndarray) -> np.ndarray:
    """Return a quarter of the size, as a JPEG of quality 85: what people want to enlarge."""
    height, width = (length // 4 for length in pixels.shape[:2])
    file = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file))


def cell(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of an image, a third from the top."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - SIDE) // 3), max(0, (width - SIDE) // 2)
    part = pixels[top : top + SIDE, left : left + SIDE]
    return np.pad(part, ((0, SIDE - part.shape[0]), (0, SIDE - part.shape[1]), (0, 0)), constant_values=255)


def sheet(path: Path, texts: Sequence[str], images: Sequence[np.ndarray], first: Sequence[np.ndarray]) -> None:
    """Draw one row for the inputs, and one for each pipeline."""
    rows = [np.concatenate([cell(pixels) for pixels in first], 1)]
    for text in texts:
        pipeline = imgtk.Pipeline(text)
        rows.append(np.concatenate([cell(pipeline(image).numpy()) for image in images], 1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)
    print(f"{path}: {', '.join(texts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", choices=("upscaling", "painting"))
    options = parser.parse_args()
    images = subjects()
    if options.only != "painting":
        inputs = [small(image) for image in images]
        enlarged = [np.repeat(np.repeat(pixels, 4, 0), 4, 1) for pixels in inputs]
        sheet(options.out / "gallery-upscaling.webp", UPSCALERS, inputs, enlarged)
    if options.only != "upscaling":
        sheet(options.out / "gallery-painting.webp", PAINTERS, images, images)


if __name__ == "__main__":
    main()
