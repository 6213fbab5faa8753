"""Clips: how much styles flicker with and without `--deflicker`, and the rate of a run against the bare pipeline.

Besides the rates, which suffer from all that runs beside, the time of processors tells what decoding and encoding cost.

The clip is a camera that wanders over a photo by known fractions of a pixel, with the noise of a sensor. Flicker is the
mean difference, in levels of 255, between each result and the one before it, moved by what the camera moved (the
warping error of Lai et al. 2018). What the clip itself has is its noise. Detail is the mean gradient against that
without `--deflicker`.

python benchmarks/video.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import cv2
import numpy as np

from common import arguments, bars, record, seconds
from imgtk import Image, Pipeline
from imgtk.batch import run
from imgtk.video.deflicker import Deflicker
from imgtk.video.formats import Encoding
from imgtk.video.frames import Colours, Form
from imgtk.video.read import Clip
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
    """Return frames per second of the bare pipeline, and of a run from clip to clip; and which part of the run's
    processor time computing, decoding and encoding take."""
    seen = list(frames(options.frames, options.side, MOVES[1]))
    pipeline = Pipeline(text, device=options.device)
    results = [pipeline(image) for image in seen]
    with TemporaryDirectory() as folder:
        clip, target = Path(folder) / "in.mp4", Path(folder) / "out.mp4"
        write(clip, seen)
        ways: dict[str, Callable[[], object]] = {
            "compute": lambda: [pipeline(image) for image in seen],
            "run": lambda: convert(pipeline, clip, target),
        }
        times = seconds(ways, options.repeat)
        ways |= {"decode": lambda: read(clip), "encode": lambda: write(target, results)}
        work = {name: processors(way) for name, way in ways.items()}
    rates = {"bare": len(seen) / times["compute"], "run": len(seen) / times["run"]}
    parts = {name: work[name] / work["run"] for name in ("compute", "decode", "encode")}
    return {"pipeline": text, "what": "rate", **rates, "share": rates["run"] / rates["bare"], **parts}


def convert(pipeline: Pipeline, clip: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    (row,) = run(pipeline, clip, target)
    assert row.status == "done", row.error


def processors(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes of all cores together."""
    start = process_time()
    function()
    return process_time() - start


def read(path: Path) -> None:
    with Clip(path) as clip:
        deque(clip, maxlen=0)


def write(path: Path, images: Sequence[Image]) -> None:
    form = Form("h264", "yuv420p", Colours(6), time_base=Fraction(1, 25), rate=Fraction(25))
    with ClipWriter(path, path, images[0].size, form, Encoding()) as writer:
        for index, image in enumerate(images):
            writer.write(image, index, 1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=256, help="of the frames")
    parser.add_argument("--styles", nargs="+", default=["style:monet", "style:mosaic"])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0, 0.5, 0.7, 0.9])
    parser.add_argument("--rates", nargs="+", default=["upscale:compact x2", "style:monet"])
    parser.add_argument("--repeat", type=int, default=3, help="runs for the rates; the median counts")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    rows = [row for style in options.styles for row in flicker_rows(style, options.strengths, options)]
    values = {f"{row['what']}, {row['move']}": row["flicker"] for row in rows if row["pipeline"] == options.styles[0]}
    rows += [rate(text, options) for text in options.rates]
    record("video", rows, options.out, bars(values, f"flicker of {options.styles[0]}", "levels of 255"))


if __name__ == "__main__":
    main()
