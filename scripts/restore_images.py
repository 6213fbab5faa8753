"""Draw the images of docs/restore.md: python scripts/restore_images.py [NAME …]

The cat, the coffee, the astronaut and the rocket are scikit-image's (CC0). Parts are at 1:1.
"""

from __future__ import annotations

import tempfile

import cv2
import numpy as np
import torch
from drawing import draw
from skimage import data

from imgtk import Image, Pipeline
from imgtk.nn.colour import from_srgb, to_srgb
from imgtk.nn.degradation import blur as convolved
from imgtk_restore.degrade import disc_kernels, line_kernels
from imgtk_restore.holes import random_holes
from imgtk_restore.light import brightened, darkened

SIDE = 200
CLEAN = {"cat": (data.chelsea, 60, 110), "coffee": (data.coffee, 60, 150), "astronaut": (data.astronaut, 30, 120)}
"""Functions of `skimage.data`, and where in their image the part that is shown begins: row, column."""


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def non_local_means(pixels: np.ndarray, sigma: float) -> np.ndarray:
    result: np.ndarray = cv2.fastNlMeansDenoisingColored(pixels, None, 0.8 * sigma, 0.8 * sigma, 7, 21)
    return result


def part(name: str, pixels: np.ndarray) -> np.ndarray:
    _, top, left = CLEAN[name]
    return pixels[top : top + SIDE, left : left + SIDE]


def noise() -> np.ndarray:
    """Return rows of noisy, non-local means, ours and the truth, for rising noise."""
    pipeline = Pipeline("restore:denoise")
    rows = []
    for (name, (load, _, _)), sigma in zip(CLEAN.items(), (15, 25, 50), strict=True):
        clean = load()
        bad = noisy(clean, sigma)
        shown = (bad, non_local_means(bad, sigma), pipeline(bad).pixels, clean)
        rows.append(np.concatenate([part(name, pixels) for pixels in shown], 1))
    return np.concatenate(rows)


def scratches() -> np.ndarray:
    """Return a part with scratches and a date, the mask, and the part filled in."""
    clean = data.chelsea()
    mask = np.zeros(clean.shape[:2], np.uint8)
    random = np.random.default_rng(3)
    for start, end, width in zip(
        random.integers(0, 450, (9, 2)), random.integers(0, 450, (9, 2)), 3 * [1, 2, 4], strict=True
    ):
        cv2.line(mask, [int(v) for v in start], [int(v) for v in end], 255, width, cv2.LINE_AA)
    cv2.putText(mask, "12.8.1997", (120, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2, cv2.LINE_AA)
    share = mask[..., None] / 255
    damaged = (clean * (1 - share) + share * np.array([255, 190, 60])).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        cv2.imwrite(f"{folder}/mask.png", mask)
        filled = Pipeline(f"inpaint:telea mask='{folder}/mask.png'")(damaged).pixels
    shown = (damaged, mask[..., None].repeat(3, 2), filled)
    return np.concatenate([pixels[60:280, 100:360] for pixels in shown], 1)


def lowlight() -> np.ndarray:
    """Return a photo with a sixteenth of the light, then brightened by the curve alone, by ours, and the truth."""
    clean = data.coffee()
    gain = torch.tensor([16.0])
    x = torch.from_numpy(clean).permute(2, 0, 1)[None] / 255
    light = from_srgb(darkened(x, gain))
    light = light + (1e-4 * light).sqrt() * torch.randn(light.shape, generator=torch.Generator().manual_seed(0))
    dark = to_8_bits(to_srgb(light.clamp(0, 1)))
    brighter = brightened(torch.from_numpy(dark).permute(2, 0, 1)[None] / 255, gain)
    shown = (dark, to_8_bits(brighter), Pipeline("restore:lowlight 4")(dark).pixels, clean)
    return np.concatenate([part("coffee", pixels) for pixels in shown], 1)


def blur() -> np.ndarray:
    """Return rows of blurred, sharpened by an unsharp mask, ours and the truth: out of focus, moved, and compressed."""
    pipeline = Pipeline("restore:deblur")
    kernels = disc_kernels(torch.tensor([2.5])), line_kernels(torch.tensor([9.0]), torch.tensor([0.5]))
    rows = []
    for (name, (load, _, _)), kernel in zip(CLEAN.items(), (*kernels, kernels[0]), strict=True):
        clean = load()
        bad = to_8_bits(convolved(torch.from_numpy(clean).permute(2, 0, 1)[None] / 255, kernel))
        if len(rows) == 2:
            written = cv2.imencode(".jpg", bad, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
            bad = cv2.imdecode(written, cv2.IMREAD_COLOR)
        unsharp = cv2.addWeighted(bad, 2.5, cv2.GaussianBlur(bad, (0, 0), 2), -1.5, 0)
        rows.append(np.concatenate([part(name, x) for x in (bad, unsharp, pipeline(bad).pixels, clean)], 1))
    return np.concatenate(rows)


def holes() -> np.ndarray:
    """Return a part with large holes, filled by Telea's method, by ours, and the truth."""
    clean = data.coffee()[100:320, 60:340]
    hole = random_holes(1, *clean.shape[:2], torch.Generator().manual_seed(4))[0, 0].numpy()
    image = Image(clean, np.where(hole, 0, 255).astype(np.uint8))
    filled = [Pipeline(f"inpaint:{method}")(image).pixels for method in ("telea", "network")]
    return np.concatenate([np.where(hole[..., None], 128, clean).astype(np.uint8), *filled, clean], 1)


def outpainted() -> np.ndarray:
    """Return rows of a photo on gray, and with its margins by the network alone, and by `outpaint`: one that goes well,
    and one that cuts an object."""
    coffee = data.coffee()
    photos = cv2.resize(coffee, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), coffee[60:260, 180:480]
    return np.concatenate([_outpainted(photo, 40) for photo in photos])


def _outpainted(photo: np.ndarray, width: int) -> np.ndarray:
    around = ((width, width), (width, width))
    opaque = np.pad(np.full(photo.shape[:2], 255, np.uint8), around)
    image = Image(np.pad(photo, (*around, (0, 0)), constant_values=128), opaque)
    network = Pipeline("inpaint:network")(image).pixels
    ours = Pipeline(f"outpaint {width} {width} {width} {width}")(photo).pixels
    return np.concatenate([image.pixels, network, ours], 1)


def colours() -> np.ndarray:
    """Return rows of gray, coloured by ours, and the truth, at about half the size."""
    pipeline = Pipeline("restore:colourise")
    rows = []
    for load in (data.coffee, data.astronaut, data.chelsea, data.rocket):
        height, width = load().shape[:2]
        clean = cv2.resize(load(), (300, 300 * height // width), interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)
        rows.append(np.concatenate([gray[..., None].repeat(3, 2), pipeline(gray).pixels, clean], 1))
    return np.concatenate(rows)


def to_8_bits(x: torch.Tensor) -> np.ndarray:
    return (x[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


DRAWINGS = {
    "denoise-levels": noise,
    "deblur": blur,
    "inpaint": scratches,
    "holes": holes,
    "lowlight": lowlight,
    "outpaint": outpainted,
    "colourise": colours,
}


if __name__ == "__main__":
    draw(__doc__, DRAWINGS)
