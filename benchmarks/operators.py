"""Operators against the library calls that do the same, on an image of 12 megapixels: python benchmarks/operators.py

Both get the same values, float32 for operators, and float32 or 8 bits for libraries, whichever they take. Times are
seconds of one processor, which other work on the machine hardly changes: of the operator's call, of the library's, and
of a whole pipeline from an array of the library's kind to another. They are called in turns; times are medians, and
`relative` is the median of the ratios of the first to the second of the same turn. The image is scikit-image's
astronaut (public domain), enlarged. White balance, exposure, dehazing, wavelets, detail,
halftone, text and alpha have no counterpart in OpenCV, Pillow or scikit-image that computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from skimage import data, exposure, filters, util

import imgtk
from common import arguments, bars, record
from imgtk import Pipeline
from imgtk.geometry import Extent
from imgtk.registry import default

SIZE = (4000, 3000)
MOST = 1.2
"""What `relative` should not exceed."""
Function = Callable[[np.ndarray], Any]

TONE: dict[str, tuple[str, Function]] = {
    "adjust:levels 0.1 0.9": ("skimage rescale_intensity", lambda x: exposure.rescale_intensity(x, (0.1, 0.9))),
    "adjust:auto-levels": ("skimage rescale_intensity by numpy percentile", lambda x: stretched(x)),
    "adjust:curves 0:0,0.4:0.3,1:1": ("numpy interp", lambda x: np.interp(x, [0, 0.4, 1], [0, 0.3, 1])),
    "adjust:invert": ("skimage invert", util.invert),
    "adjust:threshold": ("cv2 threshold", lambda x: cv2.threshold(gray(x), 0.5, 1, cv2.THRESH_BINARY)[1]),
    "adjust:clahe": ("cv2 CLAHE, 16 bits", lambda x: clahe(x)),
    "adjust:tonemap": ("cv2 TonemapReinhard", lambda x: cv2.createTonemapReinhard(2.2).process(x)),
    "adjust:hue 30": ("cv2 cvtColor, twice", lambda x: hue(x)),
    "adjust:sepia": ("cv2 transform", lambda x: cv2.transform(x, np.eye(3, dtype=np.float32))),
}
FILTERS: dict[str, tuple[str, Function]] = {
    "denoise:median": ("cv2 medianBlur", lambda x: cv2.medianBlur(x, 3)),
    "denoise:bilateral 0.15 radius=5": ("cv2 bilateralFilter", lambda x: cv2.bilateralFilter(x, 11, 0.15, 5 / 1.5)),
    "denoise:nlm 0.05 search=3 patch=1": ("cv2 fastNlMeansDenoising, 16 bits", lambda x: nlm(x)),
    "filter:gaussian 2": ("cv2 GaussianBlur", lambda x: cv2.GaussianBlur(x, (17, 17), 2)),
    "adjust:blur 2": ("cv2 GaussianBlur", lambda x: cv2.GaussianBlur(x, (17, 17), 2)),
    "filter:box 2": ("cv2 blur", lambda x: cv2.blur(x, (5, 5))),
    "filter:edge": ("skimage sobel", lambda x: filters.sobel(gray(x))),
    "filter:emboss": ("cv2 filter2D", lambda x: cv2.filter2D(gray(x), -1, np.ones((3, 3), np.float32))),
    "filter:pixelate 16": ("cv2 resize, twice", lambda x: mosaic(x)),
    "filter:noise 0.05 size=0": ("skimage random_noise", lambda x: util.random_noise(x, var=0.0025)),
}
GEOMETRY: dict[str, tuple[str, Function]] = {
    "crop 3000 2000": ("numpy copy", lambda x: x[500:2500, 500:3500].copy()),
    "pad 4400 3300": ("cv2 copyMakeBorder", lambda x: margin(x, 150, 200, cv2.BORDER_CONSTANT)),
    "extend 100": ("cv2 copyMakeBorder", lambda x: margin(x, 100, 100, cv2.BORDER_REFLECT_101)),
    "flip h": ("cv2 flip", lambda x: cv2.flip(x, 1)),
    "transpose": ("cv2 transpose", cv2.transpose),
    "rotate 90": ("cv2 rotate", lambda x: cv2.rotate(x, cv2.ROTATE_90_COUNTERCLOCKWISE)),
    "rotate 17 expand=no": ("cv2 warpAffine", lambda x: turned(x, 17)),
    "perspective 100,50,3900,0,4000,3000,0,2900": ("cv2 warpPerspective", lambda x: tilted(x)),
}
BYTES: dict[str, tuple[str, Function]] = {
    "adjust:posterise 4": ("Pillow posterize", lambda x: ImageOps.posterize(Image.fromarray(x), 2)),
    "adjust:duotone": (
        "Pillow colorize",
        lambda x: ImageOps.colorize(ImageOps.grayscale(Image.fromarray(x)), "navy", "gold"),
    ),
    "fit 2000 1500": ("Pillow fit", lambda x: ImageOps.fit(Image.fromarray(x), (2000, 1500))),
    "overlay {logo}": ("Pillow alpha_composite", lambda x: overlaid(x)),
    "adjust:lut {cube}": ("Pillow Color3DLUT", lambda x: Image.fromarray(x).filter(LUT)),
}
LUT = ImageFilter.Color3DLUT.generate(33, lambda r, g, b: (r**0.8, g, b * 0.9))


def stretched(x: np.ndarray) -> np.ndarray:
    ends = np.percentile(x[::4, ::4], [0.5, 99.5])
    return np.asarray(exposure.rescale_intensity(x, (ends[0], ends[1])))


def gray(x: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY))


def clahe(x: np.ndarray) -> np.ndarray:
    parts = cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb)
    flat = cv2.createCLAHE(2, (8, 8)).apply((parts[..., 0] * 65535).astype(np.uint16))
    parts[..., 0] = flat / np.float32(65535)
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB))


def hue(x: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 30) % 360
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def nlm(x: np.ndarray) -> np.ndarray:
    codes = (x * 65535).astype(np.uint16)
    return np.asarray(cv2.fastNlMeansDenoising(codes, [3276.0], None, 3, 7, cv2.NORM_L1)) / np.float32(65535)


def mosaic(x: np.ndarray) -> np.ndarray:
    small = cv2.resize(x, (x.shape[1] // 16, x.shape[0] // 16), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_NEAREST))


def margin(x: np.ndarray, down: int, across: int, border: int) -> np.ndarray:
    return np.asarray(cv2.copyMakeBorder(x, down, down, across, across, border))


def turned(x: np.ndarray, degrees: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((2000, 1500), degrees, 1)
    return np.asarray(cv2.warpAffine(x, matrix, SIZE, flags=cv2.INTER_CUBIC))


def tilted(x: np.ndarray) -> np.ndarray:
    corners = np.array([[100, 50], [3900, 0], [4000, 3000], [0, 2900]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, np.array([[0, 0], [4000, 0], [4000, 3000], [0, 3000]], np.float32))
    return np.asarray(cv2.warpPerspective(x, matrix, SIZE, flags=cv2.INTER_CUBIC))


def overlaid(x: np.ndarray) -> Image.Image:
    image = Image.fromarray(x).convert("RGBA")
    image.alpha_composite(LOGO, (1500, 1250))
    return image.convert("RGB")


LOGO = Image.new("RGBA", (1000, 500), (255, 0, 0, 128))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="operators whose names begin so")
    options = parser.parse_args()
    whole = np.asarray(Image.fromarray(data.astronaut()).resize(SIZE, Image.Resampling.BICUBIC))
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        cube = Path(folder) / "a.cube"
        entries = np.asarray(LUT.table, np.float32).reshape(-1, 3)
        cube.write_text("\n".join(["LUT_3D_SIZE 33", *(" ".join(map(str, entry)) for entry in entries)]))
        LOGO.save(logo := Path(folder) / "logo.png")
        for pixels, table in ((whole.astype(np.float32) / 255, TONE | FILTERS | GEOMETRY), (whole, BYTES)):
            for text, (library, function) in table.items():
                if text.startswith(options.only):
                    times = measured(text.format(cube=cube, logo=logo), function, pixels, options.repeat)
                    rows.append({"operator": text, "library": library, "pixels": str(pixels.dtype), **times})
    record("operators", rows, options.out, drawing(rows))
    slow = [row["operator"] for row in rows if row["relative"] > MOST]
    print(f"slower than {MOST} times the library: {', '.join(slow) or 'none'}")


def measured(text: str, function: Function, pixels: np.ndarray, repeat: int) -> dict[str, float]:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pipeline = Pipeline(text, device="cpu", dtype="fp32")
    node = pipeline.graph.nodes[-1]
    op = default().build(node.op, **node.params)
    op.to(torch.device("cpu"), torch.float32)
    x = imgtk.Image.of(pixels).tensor().contiguous(memory_format=torch.channels_last)
    if op.geometry.extent is Extent.STATISTICS:
        statistics = op.measure(x[:, :, ::4, ::4])  # as of the smaller version that the engine makes
        call = partial(op.apply, x, statistics)
    else:
        call = partial(op, x)
    calls: dict[str, Callable[[], object]] = {
        "seconds": call,
        "library_seconds": partial(function, pixels),
        "pipeline_seconds": partial(pipeline, pixels),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.no_grad():
        for _ in range(repeat + 1):
            for name, called in calls.items():
                start = process_time()
                called()
                times[name].append(process_time() - start)
    found = {name: median(values[1:]) for name, values in times.items()}  # the first call warms up
    pairs = list(zip(times["seconds"], times["library_seconds"], strict=True))[1:]
    return {**found, "relative": median(own / library for own, library in pairs)}


def drawing(rows: list[dict[str, Any]]) -> Callable[[Any], None]:
    return bars({row["operator"]: row["relative"] for row in rows}, "12 megapixels, time against the library's", "")


if __name__ == "__main__":
    main()
