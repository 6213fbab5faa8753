"""Margins made again after they were cut off: by `outpaint`, by `inpaint:`, and by repeating or mirroring the image.

    python benchmarks/outpaint.py --data FOLDER

FOLDER holds photos, such as Kodak's, of which a square in the middle is taken. A margin of the same width is cut off
each of its sides. All figures are of the margins alone; SSIM is of strips of at least its window of 11 pixels.
Sharpness is the standard deviation of what a mean over 3x3 pixels removes, relative to that of the photo: 0 for a blur.

Nobody can know what was cut off, so a blur between all that is likely has the best PSNR. Feature distance and sharpness
say more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from common import arguments, record
from imgtk import Image, Pipeline
from imgtk.metrics import feature_distance, psnr, ssim_y
from imgtk.nn.features import load_features
from imgtk.training.images import image_files, load_image

WIDTHS = (8, 16, 24, 32, 48, 64, 96)
WINDOW = 11
"""Side of the window of SSIM, in pixels."""
METHODS = {
    "extend, mirrored": "extend {0}",
    "extend, repeated": "extend {0} edge",
    "inpaint:telea": "inpaint:telea",
    "inpaint:ns": "inpaint:ns",
    "inpaint:network": "inpaint:network",
    "outpaint": "outpaint {0} {0} {0} {0}",
}


def again(text: str, photo: np.ndarray, width: int) -> np.ndarray:
    """Return a photo (H, W, 3) whose margins a pipeline made again."""
    inner = photo[width:-width, width:-width]
    if not text.startswith("inpaint:"):
        return Pipeline(text.format(width), device="cpu")(inner).pixels
    around = ((width, width), (width, width))
    opaque = np.pad(np.full(inner.shape[:2], 255, np.uint8), around)
    return Pipeline(text, device="cpu")(Image(np.pad(inner, (*around, (0, 0))), opaque)).pixels


def scores(result: np.ndarray, photo: np.ndarray, width: int, features: torch.nn.Module) -> dict[str, float]:
    """Return figures of the margins."""
    x, y = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in (result, photo))
    margin = pad(torch.zeros(1, 1, photo.shape[0] - 2 * width, photo.shape[1] - 2 * width), 4 * [width], value=1.0)

    def in_margin(image: Tensor) -> Tensor:
        mask: Tensor = interpolate(margin, size=image.shape[2:], mode="area") > 0.5
        return image[:, :, mask[0, 0]][..., None]

    def seen(image: Tensor) -> Mapping[str, Tensor]:
        return {name: in_margin(layer) for name, layer in features(image).items()}

    side = max(width, WINDOW)
    parts = [(..., slice(0, side), slice(None)), (..., slice(-side, None), slice(None))]
    parts += [(..., slice(0, side)), (..., slice(-side, None))]
    return {
        "psnr": psnr(in_margin(x), in_margin(y)),
        "ssim_y": mean(ssim_y(x[part], y[part], border=0) for part in parts),
        "feature_distance": feature_distance(x, y, seen),
        "sharpness": (in_margin(detail(x)).std() / in_margin(detail(y)).std()).item(),
    }


def middle(photo: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, length - side) // 2 for length in photo.shape[:2])
    return photo[top : top + side, left : left + side]


def detail(image: Tensor) -> Tensor:
    return image - avg_pool2d(pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--limit", type=int, default=24, help="take only so many photos")
    parser.add_argument("--side", type=int, default=384, help="side of the squares, in pixels")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    features = load_features()
    photos = [middle(load_image(file), options.side) for file in image_files(options.data)[: options.limit]]
    results: list[dict[str, Any]] = []
    for width in WIDTHS:
        for method, text in METHODS.items():
            found = [scores(again(text, photo, width), photo, width, features) for photo in photos]
            means = {name: mean(score[name] for score in found) for name in found[0]}
            results.append({"width": width, "method": method, "images": len(photos), **means})

    def draw(axes: Any) -> None:
        for method in METHODS:
            rows = [row for row in results if row["method"] == method]
            axes.plot(WIDTHS, [row["feature_distance"] for row in rows], "o-", label=method)
        axes.legend(frameon=False, fontsize=7)
        axes.set(xlabel="width of the margins, pixels", ylabel="feature distance, less is better")

    record("outpaint", results, options.out, draw)


if __name__ == "__main__":
    main()
