"""Restoration: noise, JPEG, blur, holes and missing colours, by us and by classic methods, beside published figures.

    python benchmarks/restore.py --data FOLDER --task TASK

FOLDER holds clean images, such as Kodak's. All methods are given the same 8-bit images. Those of OpenCV have the better
of two settings, chosen by PSNR on the same images; non-local means has h = 0.8 sigma.

- noise: a row "unclipped" is of Gaussian noise as papers add it: neither rounded nor cut off at black and white, which
  is easier.
- jpeg: in colour, as OpenCV writes it, and gray, as papers have it. Their images are others.
- blur: out of focus or moved, and noise of one step. Richardson-Lucy is told the blur, and the others are not.
- inpaint: free-form and rectangular holes. Figures are over the whole image.
- colourise: images without their colours. "mean colour" gives all of an image the mean of its true a* and b*: a tint
  that knows the answer. Colourfulness (Hasler and Suesstrunk 2003) is relative to that of the truth.
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
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from common import arguments, record
from imgtk import Image, Pipeline
from imgtk.metrics import feature_distance, psnr, psnr_y, ssim_y
from imgtk.nn.degradation import blur as convolved
from imgtk.nn.degradation import kernels
from imgtk.nn.features import load_features
from imgtk.registry import default
from imgtk.training.images import image_files, load_image
from imgtk_restore.colouring import colours_of, gray_of, painted
from imgtk_restore.degrade import disc_kernels, line_kernels
from imgtk_restore.holes import random_holes

Filter = Callable[[np.ndarray], np.ndarray]

NOISE = (15, 25, 50)
QUALITIES = (10, 20, 40)
RINGING = 10.0
"""Strength of OpenCV's filters against JPEG: that of noise with as large a standard deviation."""
BLURS = {
    "Gaussian 1.5": lambda: kernels(torch.tensor([10.0]), torch.tensor([1.5]), torch.tensor([1.5])),
    "disc 2": lambda: disc_kernels(torch.tensor([2.0])),
    "disc 3": lambda: disc_kernels(torch.tensor([3.0])),
    "motion 8": lambda: line_kernels(torch.tensor([8.0]), torch.tensor([0.5])),
}
BORDER = 16
"""Pixels at the borders of blurred images that are cut off: they would depend on what lies beyond."""
MISSING = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4))
"""Shares of an image that holes take."""

PUBLISHED = {
    # Zhang, Zuo and Zhang 2018 (FFDNet), table of colour images, Kodak24, PSNR over RGB
    "CBM3D": {15: 34.28, 25: 31.68, 50: 28.46},
    "CDnCNN-B": {15: 34.48, 25: 32.03, 50: 28.85},
    "FFDNet": {15: 34.63, 25: 32.13, 50: 28.98},
}

PUBLISHED_JPEG = {
    # Zhang et al. 2017 (DnCNN), LIVE1, luma: PSNR and SSIM
    "AR-CNN": {10: (28.96, 0.8076), 20: (31.29, 0.8733), 40: (33.63, 0.9198)},
    "DnCNN-3": {10: (29.19, 0.8123), 20: (31.59, 0.8802), 40: (33.96, 0.9247)},
}


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Return `image` (H, W, 3), 0..255, with Gaussian noise, float32."""
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape).astype(np.float32)


def to_8_bits(image: np.ndarray) -> np.ndarray:
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def filters(strength: float) -> dict[str, list[Filter]]:
    """Return OpenCV's filters with the settings that are tried, for noise of a standard deviation."""
    return {
        "OpenCV, median": [partial(cv2.medianBlur, ksize=side) for side in (3, 5)],
        "OpenCV, bilateral": [partial(cv2.bilateralFilter, d=9, sigmaColor=f * strength, sigmaSpace=3) for f in (2, 4)],
        "OpenCV, non-local means": [partial(_non_local_means, strength=0.8 * strength)],
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
    task: str,
    level: int | str,
    targets: Sequence[np.ndarray],
    degraded: Sequence[np.ndarray],
    classic: dict[str, list[Filter]],
    ours: dict[str, Filter],
) -> Iterator[dict[str, Any]]:
    """Yield what each method makes of one degradation; of the classic ones with their best settings."""
    common = {"task": task, "level": level, "images": len(targets)}
    yield {**common, "method": "nothing", **scores(lambda image: image, degraded, targets)}
    for name, variants in classic.items():
        best = max(variants, key=lambda variant: fidelity(variant, degraded, targets)) if variants[1:] else variants[0]
        yield {**common, "method": name, **scores(best, degraded, targets)}
    for name, restore in ours.items():
        yield {**common, "method": name, **scores(restore, degraded, targets)}


def in_gray(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def of_gray(found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows whose methods are said to be of gray images."""
    for row in found:
        yield {**row, "method": f"{row['method']}, gray"}


def noise(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what takes Gaussian noise away, in colour and in gray."""
    gray = [in_gray(image) for image in targets]
    for sigma in NOISE:
        raw = [noisy(image, sigma, seed) for seed, image in enumerate(targets)]
        told = operator("restore:denoise", strength=sigma)
        ours = {"restore:denoise": operator("restore:denoise")}
        yield from rows("noise", sigma, targets, [to_8_bits(image) for image in raw], filters(sigma), ours)
        grayish = [to_8_bits(noisy(image[..., :1], sigma, seed)).repeat(3, 2) for seed, image in enumerate(gray)]
        yield from of_gray(rows("noise", sigma, gray, grayish, filters(sigma), ours))
        common = {"task": "noise", "level": sigma}
        unclipped = {"images": len(targets), "method": f"restore:denoise {sigma}, unclipped"}
        yield {**common, **unclipped, **scores(told, raw, targets)}
        for method, figures in PUBLISHED.items():
            yield {**common, "images": 24, "method": f"{method}, published, unclipped", "psnr": figures[sigma]}


def jpeg(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what takes the artefacts of JPEG away, in colour and in gray."""
    gray = [in_gray(image) for image in targets]
    for quality in QUALITIES:
        ours = {
            "restore:jpeg": operator("restore:jpeg"),
            f"restore:jpeg {quality}": operator("restore:jpeg", quality=quality),
        }
        written = [_written(image, quality) for image in targets]
        yield from rows("jpeg", quality, targets, written, filters(RINGING), ours)
        written = [_written(image[..., 0], quality).repeat(3, 2) for image in gray]
        yield from of_gray(rows("jpeg", quality, gray, written, {}, ours))
        common = {"task": "jpeg", "level": quality, "images": 29}
        for method, figures in PUBLISHED_JPEG.items():
            found = dict(zip(("psnr_y", "ssim_y"), figures[quality], strict=True))
            yield {**common, "method": f"{method}, published, LIVE1, gray", **found}


def _written(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image, (H, W) or (H, W, 3), as it comes back from a JPEG file: (H, W, C)."""
    turned = image[..., ::-1] if image.ndim == 3 else image
    data = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return np.ascontiguousarray(read[..., ::-1]) if image.ndim == 3 else read[..., None]


def blur(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what sharpens blurred images."""
    ours = {"restore:deblur": operator("restore:deblur")}
    for name, kernel in BLURS.items():
        blurred = []
        for seed, image in enumerate(targets):
            x = convolved(tensor(image), kernel())[0].permute(1, 2, 0).numpy() * 255
            blurred.append(_inner(to_8_bits(noisy(x, 1, seed))))
        classic = {
            "OpenCV, unsharp mask": [partial(_unsharp, amount=amount) for amount in (1.0, 2.0)],
            "Richardson-Lucy, told the blur": [
                partial(_richardson_lucy, kernel=kernel()[0].numpy(), steps=steps) for steps in (5, 15)
            ],
        }
        yield from rows("blur", name, [_inner(image) for image in targets], blurred, classic, ours)


def _inner(image: np.ndarray) -> np.ndarray:
    return image[BORDER:-BORDER, BORDER:-BORDER]


def _unsharp(image: np.ndarray, amount: float) -> np.ndarray:
    return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), 2), -amount, 0)


def _richardson_lucy(image: np.ndarray, kernel: np.ndarray, steps: int) -> np.ndarray:
    """Return the image by the method of Richardson 1972 and Lucy 1974; the kernel is symmetric."""
    seen = image.astype(np.float32) + 1
    found = seen.copy()
    for _ in range(steps):
        found *= cv2.filter2D(seen / cv2.filter2D(found, -1, kernel), -1, kernel)
    return to_8_bits(found - 1)


def inpaint(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what fills holes."""
    features = load_features()
    for shares in MISSING:
        generator = torch.Generator().manual_seed(0)
        holes = [random_holes(1, *image.shape[:2], generator, shares)[0, 0].numpy() for image in targets]
        level = "{:.0%} to {:.0%}".format(*shares)
        common = {"task": "inpaint", "level": level, "images": len(targets)}
        for method in ("inpaint:telea", "inpaint:ns", "inpaint:network"):
            pipeline = Pipeline(method, device="cpu")
            filled = [
                pipeline(Image(image, np.where(hole, 0, 255).astype(np.uint8))).pixels
                for image, hole in zip(targets, holes, strict=True)
            ]
            found = scores(lambda image: image, filled, targets)
            pairs = zip(filled, targets, strict=True)
            found["feature_distance"] = mean(feature_distance(tensor(x), tensor(y), features) for x, y in pairs)
            yield {**common, "method": method, **found}


def colourise(targets: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what gives gray images colours."""
    features = load_features()
    pipeline = Pipeline("restore:colourise", device="cpu")
    methods: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "gray": lambda gray, target: gray.expand_as(target),
        "mean colour": lambda gray, target: painted(
            gray, colours_of(target).mean((2, 3), keepdim=True) + 0 * target[:, 1:]
        ),
        "restore:colourise": lambda gray, target: tensor(pipeline(to_8_bits(gray[0, 0].numpy() * 255)).pixels),
    }
    for method, colour in methods.items():
        found: dict[str, list[float]] = {"ciede2000": [], "colourfulness": [], "feature_distance": []}
        for image in targets:
            target = tensor(image)
            result = colour(gray_of(target), target).clamp(0, 1)
            pixels = result[0].permute(1, 2, 0).numpy()
            found["ciede2000"].append(float(deltaE_ciede2000(rgb2lab(image), rgb2lab(pixels)).mean()))
            found["colourfulness"].append(_colourfulness(pixels * 255) / _colourfulness(image))
            found["feature_distance"].append(feature_distance(result, target, features))
        means = {name: mean(values) for name, values in found.items()}
        yield {"task": "colourise", "level": "", "images": len(targets), "method": method, **means}


def _colourfulness(image: np.ndarray) -> float:
    """Return the figure of Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", section 7."""
    red, green, blue = image.astype(np.float64).transpose(2, 0, 1)
    one, other = red - green, (red + green) / 2 - blue
    return float(np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean()))


TASKS = {"noise": noise, "jpeg": jpeg, "blur": blur, "inpaint": inpaint, "colourise": colourise}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of clean images")
    parser.add_argument("--limit", type=int, default=24, help="take only so many images")
    parser.add_argument("--task", choices=TASKS, default="noise", help="what is restored")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    targets = [_cut(load_image(file)) for file in image_files(options.data)[: options.limit]]
    results = list(TASKS[options.task](targets))

    def draw(axes: Any) -> None:
        names = {row["method"]: row["method"].replace(f" {row['level']}", " told") for row in results}
        for name in dict.fromkeys(names.values()):
            shown = [row for row in results if names[row["method"]] == name]
            style = "--" if "published" in name else "-"
            values = [next(row[figure] for figure in ("psnr", "psnr_y", "ciede2000") if figure in row) for row in shown]
            axes.plot([str(row["level"]) for row in shown], values, f"o{style}", label=name)
        axes.legend(frameon=False, fontsize=7)
        ylabel = "CIEDE2000" if options.task == "colourise" else "PSNR, dB"
        axes.set(title=options.task, xlabel="level", ylabel=ylabel)

    record(f"restore-{options.task}", results, options.out, draw)


def _cut(image: np.ndarray) -> np.ndarray:
    """Return `image` cut to multiples of 16: the operators are called without the engine, which would pad."""
    height, width = (side - side % 16 for side in image.shape[:2])
    return image[:height, :width]


if __name__ == "__main__":
    main()
