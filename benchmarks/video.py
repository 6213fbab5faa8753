"""Clips: how much styles flicker with and without `--deflicker`, and the rate of a run against the bare pipeline.

The clip is a camera that wanders over a photo by known fractions of a pixel, with the noise of a sensor. Flicker is the
mean difference, in levels of 255, between each result and the one before it, moved by what the camera moved (the
warping error of Lai et al. 2018). What the clip itself has is its noise. Detail is the mean gradient against that
without `--deflicker`.

python benchmarks/video.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from common import arguments, bars, record
from imgtk import Image, Pipeline
from imgtk.batch import run
from imgtk.video.deflicker import Deflicker
from imgtk.video.formats import Encoding
from imgtk.video.frames import Colours, Form
from imgtk.video.write import ClipWriter

MOVES = ((0.0, 0.0), (1.3, 0.4), (3.7, -1.1))  # pixels from frame to frame: a tripod, a hand, a pan
NOISE = 2.0  # standard deviation of the sensor's noise, in levels of 255
BORDER = 24  # pixels left out, where the camera sees something new


def frames(count: int, side: int, move: tuple[float, float]) -> Iterator[Image]:
    """Yield what the camera sees: square frames of `side` pixels."""
    from skimage import data

    photo, random = data.astronaut(), np.random.default_rng(0)
    for index in range(count):
        centre = (256 + (index - count / 2) * move[0], 256 + (index - count / 2) * move[1])
        view = cv2.getRectSubPix(photo, (side, side), centre).astype(np.float32)
        yield Image(np.clip(np.rint(view + random.normal(0, NOISE, view.shape)), 0, 255).astype(np.uint8))


def flicker(results: Sequence[Image], move: tuple[float, float]) -> float:
    """Return mean difference of the results from those before, at the place that the camera has moved them to."""
    differences = []
    for before, after in pairwise(results):
        shift = np.float32([[1, 0, -move[0]], [0, 1, -move[1]]])
        size = after.size
        moved = cv2.warpAffine(before.pixels.astype(np.float32), shift, tuple(size), flags=cv2.INTER_CUBIC)
        inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
        differences.append(np.abs(after.pixels[inner] - moved[inner]).mean())
    return float(np.mean(differences))


def detail(results: Sequence[Image]) -> float:
    """Return mean gradient."""
    return float(np.mean([np.abs(np.diff(one.pixels.astype(np.float32), axis=1)).mean() for one in results[1:]]))


def flicker_rows(style: str, strengths: Sequence[float], options: Any) -> Iterator[dict[str, Any]]:
    pipeline = Pipeline(style, device=options.device)
    for move in MOVES:
        seen = list(frames(options.frames, options.side, move))
        plain = [pipeline(image) for image in seen]
        row = {"pipeline": style, "move": f"{move[0]}, {move[1]}"}
        yield row | {"what": "the clip", "flicker": flicker(seen, move)}
        for strength in strengths:
            deflicker = Deflicker(strength)
            held = [deflicker(*pair) if strength else pair[1] for pair in zip(seen, plain, strict=True)]
            what = f"--deflicker {strength:g}" if strength else "without"
            yield row | {"what": what, "flicker": flicker(held, move), "detail": detail(held) / detail(plain)}


def rate(text: str, options: Any) -> dict[str, Any]:
    """Return frames per second of the bare pipeline, and of a run from clip to clip."""
    seen = list(frames(options.frames, options.side, MOVES[1]))
    pipeline = Pipeline(text, device=options.device)
    pipeline(seen[0])
    start = perf_counter()
    for image in seen:
        pipeline(image)
    bare = len(seen) / (perf_counter() - start)
    form = Form("h264", "yuv420p", Colours(6), time_base=Fraction(1, 25), rate=Fraction(25))
    with TemporaryDirectory() as folder:
        clip = Path(folder) / "in.mp4"
        with ClipWriter(clip, clip, seen[0].size, form, Encoding()) as writer:
            for index, image in enumerate(seen):
                writer.write(image, index, 1)
        start = perf_counter()
        (row,) = run(pipeline, clip, Path(folder) / "out.mp4")
        whole = len(seen) / (perf_counter() - start)
        assert row.status == "done", row.error
    return {"pipeline": text, "what": "rate", "bare": bare, "run": whole, "share": whole / bare}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=256, help="of the frames")
    parser.add_argument("--styles", nargs="+", default=["style:monet", "style:mosaic"])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0, 0.5, 0.7, 0.9])
    parser.add_argument("--rates", nargs="+", default=["upscale:compact x2", "style:monet"])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    rows = [row for style in options.styles for row in flicker_rows(style, options.strengths, options)]
    values = {f"{row['what']}, {row['move']}": row["flicker"] for row in rows if row["pipeline"] == options.styles[0]}
    rows += [rate(text, options) for text in options.rates]
    record("video", rows, options.out, bars(values, f"flicker of {options.styles[0]}", "levels of 255"))


if __name__ == "__main__":
    main()
