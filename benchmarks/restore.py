"""Restoration: noise taken away by `restore:denoise` and by OpenCV's filters, beside published figures.

    python benchmarks/restore.py --data FOLDER

FOLDER holds clean images, such as Kodak's. All methods are given the same 8-bit images. A row "unclipped" is of
Gaussian noise as papers add it: neither rounded nor cut off at black and white, which is easier. Median and bilateral
filter have the better of two settings, chosen by PSNR on the same images; non-local means has h = 0.8 sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from common import arguments, record
from imgtk.metrics import psnr, psnr_y, ssim_y
from imgtk.registry import default
from imgtk.training.images import image_files, load_image

Filter = Callable[[np.ndarray], np.ndarray]

NOISE = (15, 25, 50)

PUBLISHED = {
    # Zhang, Zuo and Zhang 2018 (FFDNet), colour images of Kodak24, PSNR over RGB
    "CBM3D": {15: 34.28, 25: 31.68, 50: 28.46},
    "CDnCNN-B": {15: 34.48, 25: 32.03, 50: 28.85},
    "FFDNet": {15: 34.63, 25: 32.13, 50: 28.98},
}


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Return `image` (H, W, 3), 0..255, with Gaussian noise, float32."""
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape).astype(np.float32)


def to_8_bits(image: np.ndarray) -> np.ndarray:
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def filters(strength: float) -> dict[str, list[Filter]]:
    """Return OpenCV's filters with the settings that are tried, for noise of a standard deviation."""
    return {
        "median": [partial(cv2.medianBlur, ksize=side) for side in (3, 5)],
        "bilateral": [partial(cv2.bilateralFilter, d=9, sigmaColor=f * strength, sigmaSpace=3) for f in (2, 4)],
        "non-local means": [partial(_non_local_means, strength=0.8 * strength)],
    }


def _non_local_means(image: np.ndarray, strength: float) -> np.ndarray:
    result: np.ndarray = cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 21)
    return result


def operator(name: str, **params: Any) -> Filter:
    """Return an operator as a function of images (H, W, 3), 0..255, of any dtype; the result has 8 bits."""
    op = default().build(name, **params)
    op.to(torch.device("cpu"), torch.float32)

    def restore(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return to_8_bits(op(tensor(image))[0].permute(1, 2, 0).numpy() * 255)

    return restore


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def scores(restore: Filter, degraded: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> dict[str, float]:
    """Return means over the images."""
    found: dict[str, list[float]] = {"psnr": [], "psnr_y": [], "ssim_y": []}
    for image, target in zip(degraded, targets, strict=True):
        x, y = tensor(restore(image)), tensor(target)
        found["psnr"].append(psnr(x, y))
        found["psnr_y"].append(psnr_y(x, y, border=0))
        found["ssim_y"].append(ssim_y(x, y, border=0))
    return {name: mean(values) for name, values in found.items()}


def fidelity(restore: Filter, degraded: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """Return the mean PSNR."""
    return mean(psnr(tensor(restore(image)), tensor(y)) for image, y in zip(degraded, targets, strict=True))


def rows(
    task: str, level: int, targets: Sequence[np.ndarray], degraded: Sequence[np.ndarray], ours: dict[str, Filter]
) -> Iterator[dict[str, Any]]:
    """Yield what each method makes of one degradation."""
    common = {"task": task, "level": level, "images": len(targets)}
    yield {**common, "method": "nothing", **scores(lambda image: image, degraded, targets)}
    for name, variants in filters(level).items():
        best = max(variants, key=lambda variant: fidelity(variant, degraded, targets)) if variants[1:] else variants[0]
        yield {**common, "method": f"OpenCV, {name}", **scores(best, degraded, targets)}
    for name, restore in ours.items():
        yield {**common, "method": name, **scores(restore, degraded, targets)}


def noise(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what takes Gaussian noise away."""
    for sigma in NOISE:
        raw = [noisy(image, sigma, seed) for seed, image in enumerate(targets)]
        told = operator("restore:denoise", strength=sigma)
        ours = {"restore:denoise": operator("restore:denoise")}
        yield from rows("noise", sigma, targets, [to_8_bits(image) for image in raw], ours)
        common = {"task": "noise", "level": sigma}
        unclipped = {"images": len(targets), "method": f"restore:denoise {sigma}, unclipped"}
        yield {**common, **unclipped, **scores(told, raw, targets)}
        for method, figures in PUBLISHED.items():
            yield {**common, "images": 24, "method": f"{method}, published, unclipped", "psnr": figures[sigma]}


TASKS = {"noise": noise}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of clean images")
    parser.add_argument("--limit", type=int, default=24, help="take only so many images")
    parser.add_argument("--task", choices=TASKS, default="noise", help="what is taken away")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    targets = [_cut(load_image(file)) for file in image_files(options.data)[: options.limit]]
    results = list(TASKS[options.task](targets))

    def draw(axes: Any) -> None:
        names = {row["method"]: row["method"].replace(f" {row['level']}", " told") for row in results}
        for name in dict.fromkeys(names.values()):
            shown = [row for row in results if names[row["method"]] == name]
            style = "--" if "published" in name else "-"
            axes.plot([row["level"] for row in shown], [row["psnr"] for row in shown], f"o{style}", label=name)
        axes.legend(frameon=False, fontsize=7)
        axes.set(title=options.task, xlabel="level", ylabel="PSNR on RGB, dB")

    record(f"restore-{options.task}", results, options.out, draw)


def _cut(image: np.ndarray) -> np.ndarray:
    """Return `image` cut to multiples of 16: the operators are called without the engine, which would pad."""
    height, width = (side - side % 16 for side in image.shape[:2])
    return image[:height, :width]


if __name__ == "__main__":
    main()
