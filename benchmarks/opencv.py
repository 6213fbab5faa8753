"""OpenCV's interpolations against the upscalers: quality by the protocol of super-resolution papers, and time.

    python benchmarks/opencv.py
    python benchmarks/opencv.py --data FOLDER/Set14

Without --data on scikit-image's images. Times are of whole calls from pixels to pixels, in turns, on the largest of
the images at its full size; `relative` is the time against cv2.resize with INTER_CUBIC in the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np

from common import arguments, record, seconds
from imgtk import Pipeline
from imgtk.bench.data import builtin, find_sets
from imgtk.bench.protocol import score
from imgtk.bench.upscale import default_methods
from imgtk.nn.features import load_features

KERNELS = ("NEAREST", "LINEAR", "CUBIC", "LANCZOS4")
SCORES = ("psnr_y", "ssim_y", "feature_distance")


def resized(kernel: str, scale: int, pixels: np.ndarray) -> np.ndarray:
    flag = getattr(cv2, f"INTER_{kernel}")
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=flag))


def upscaled(pipeline: Pipeline, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pipeline(pixels).pixels)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, help="folder of images, or of pairs NAME_HR.png and NAME_LR.png")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--ops", nargs="*", default=["nearest", "bilinear", *default_methods()])
    parser.add_argument("--features", default="imgtk", help="feature network: imgtk, or a SqueezeNet or VGG file")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    scale = options.scale
    [images] = find_sets(options.data, scale) if options.data else [builtin(scale)]
    features = load_features(options.features)
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    for kernel in KERNELS:
        methods[f"cv2 {kernel}"] = partial(resized, kernel, scale)
    for name in options.ops:
        methods[f"upscale:{name}"] = partial(upscaled, Pipeline(f"upscale:{name} x{scale}"))

    pairs = [pair.load(scale) for pair in images.pairs]
    photo = max((target for _, target in pairs), key=lambda target: target.size)
    times = seconds({name: partial(method, photo) for name, method in methods.items()}, options.repeat)
    rows: list[dict[str, Any]] = []
    for name, method in methods.items():
        scores = [score(method(source), target, source, scale, features) for source, target in pairs]
        rows.append(
            {
                "method": name,
                "set": images.name,
                "images": len(pairs),
                **{key: mean(one[key] for one in scores) for key in SCORES},
                "features": features.name,
                "seconds": times[name],
                "relative": times[name] / times["cv2 CUBIC"],
                "timed": f"{photo.shape[1]}x{photo.shape[0]}",
            }
        )

    def draw(axes: Any) -> None:
        for row in rows:
            place = (row["relative"], row["psnr_y"])
            axes.plot(*place, "s" if row["method"].startswith("cv2") else "o")
            label = row["method"].removeprefix("upscale:")
            axes.annotate(label, place, textcoords="offset points", xytext=(6, 4), fontsize=8)
        axes.margins(x=0.15, y=0.12)
        axes.set_xscale("log")
        axes.set(title=f"x{scale}, {images.name}", xlabel="time against cv2 CUBIC", ylabel="PSNR on Y, dB")

    record("opencv", rows, options.out, draw)


if __name__ == "__main__":
    main()
