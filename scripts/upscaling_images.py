"""Draw the images of docs/upscaling.md: python scripts/upscaling_images.py [NAME …]

The cat is `chelsea`, which scikit-image bundles (Stéfan van der Walt, CC0); the cobbles are drawn here.
"""

from __future__ import annotations

import io

import numpy as np
from drawing import draw, row
from PIL import Image
from scipy.spatial import KDTree
from skimage import data

from imgtk import Pipeline


def run(pipeline: str, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Pipeline(pipeline, dtype="fp32")(pixels).pixels)


def cat() -> np.ndarray:
    """Return an eye of the cat, 72x72: half the size of the photo."""
    photo = Image.fromarray(data.chelsea()).crop((84, 84, 228, 228))
    return np.asarray(photo.resize((72, 72), Image.Resampling.BICUBIC))


def cobbles(side: int = 64, stones: int = 26) -> np.ndarray:
    """Return a texture that repeats itself seamlessly: the cells of random points on a torus, shaded from the
    top left."""
    random = np.random.default_rng(5)
    fine = 8 * side
    points = random.random((stones, 2)) * fine
    grid = np.stack(np.meshgrid(np.arange(fine), np.arange(fine), indexing="ij"), -1).reshape(-1, 2) + 0.5
    for _ in range(5):  # Lloyd's relaxation: points move to the middle of their cells
        distance, cell = KDTree(points, boxsize=fine).query(grid, k=2)
        away = (grid - points[cell[:, 0]] + fine / 2) % fine - fine / 2
        count = np.bincount(cell[:, 0], minlength=stones)
        points = (points + np.stack([np.bincount(cell[:, 0], axis, stones) / count for axis in away.T], 1)) % fine
    edge = np.clip((distance[:, 1] - distance[:, 0]) / (0.06 * fine), 0, 1)
    tone = random.uniform(0.45, 0.8, stones)[cell[:, 0]]
    stone = tone * (1 - away.sum(1) / (0.8 * fine)) * (0.35 + 0.65 * np.sqrt(edge))
    colour = stone[:, None] * np.array([1.0, 0.95, 0.88]) * 255
    small = colour.reshape(side, 8, side, 8, 3).mean((1, 3)) + random.normal(0, 4, (side, side, 1))
    return small.round().clip(0, 255).astype(np.uint8)


def degraded(pixels: np.ndarray) -> np.ndarray:
    """Return the image after Gaussian noise of 5 levels and JPEG of quality 40."""
    noisy = pixels + np.random.default_rng(0).normal(0, 5, pixels.shape)
    return compressed(noisy.round().clip(0, 255).astype(np.uint8), 40)


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def operators() -> np.ndarray:
    texts = [f"upscale:{name} x4" for name in ("bicubic", "fast", "compact", "srresnet", "rrdb", "srgan", "esrgan")]
    texts.insert(-1, "upscale:compact x4 model=compact-x4-sharp")
    return row([run(text, cat())[60:220, 60:220] for text in texts])


def scales() -> np.ndarray:
    """Draw x2 of the cat, and x1 of a degraded image twice as large."""
    photo = np.asarray(Image.fromarray(data.chelsea()).crop((84, 84, 228, 228)))
    pair = [run("upscale:bicubic x2", cat()), run("upscale:esrgan x2", cat())]
    return row([*pair, degraded(photo), run("upscale:esrgan x1", degraded(photo))])


def interpolate() -> np.ndarray:
    mixtures = [f"rrdb-x4:{1 - share},esrgan-x4-clean:{share}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return row([run(f"upscale:esrgan interpolate={mixture}", cat())[40:232, 40:232] for mixture in mixtures])


def denoise() -> np.ndarray:
    """Draw a face in a photo saved as JPEG of quality 80."""
    face = np.asarray(
        Image.fromarray(data.astronaut()).resize((256, 256), Image.Resampling.BOX).crop((82, 18, 136, 72))
    )
    texts = ("upscale:bicubic x4", *(f"upscale:esrgan denoise={share}" for share in (0, 0.5)), "upscale:esrgan")
    return row([run(text, compressed(face, 80)) for text in texts])


def tta() -> np.ndarray:
    """Draw one view, eight, and what changes, five times as strong, around middle gray."""
    one, eight = (run(f"upscale:compact tta={views}", cat())[40:232, 40:232] for views in (1, 8))
    change = (eight.astype(int) - one) * 5 + 128
    return row([one, eight, change.clip(0, 255).astype(np.uint8)])


def tileable() -> np.ndarray:
    """Draw four copies of a quarter that is cut out around the corner, where they meet; without and with the flag."""
    texture = cobbles()
    pair = [np.roll(run(f"upscale:compact {flag}", texture), (128, 128), (0, 1)) for flag in ("", "tileable=both")]
    return row([np.tile(texture, (4, 4, 1))[:192, :192], *(pixels[32:224, 32:224] for pixels in pair)])


if __name__ == "__main__":
    drawings = (operators, scales, interpolate, denoise, tta, tileable)
    draw(__doc__, {drawing.__name__: drawing for drawing in drawings})
