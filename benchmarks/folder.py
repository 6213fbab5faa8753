"""Folders: thousands of small images, some broken, killed and resumed; the rate of a run against the bare network's.

python benchmarks/folder.py
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import PIL.Image
import torch

from common import arguments, bars, record, seconds
from imgtk import Image, Pipeline
from imgtk.batch import run
from imgtk.device import resolve_device, resolve_dtype
from imgtk.io import WriteOptions
from imgtk.testing import sample_image
from overhead import chain

SUFFIXES = (".png", ".jpg", ".webp", ".tif")
PER_FOLDER = 5000


def make_images(folder: Path, count: int) -> list[Path]:
    """Return the noise of 24x16 to 31x23 pixels in four formats, in folders of 5000."""
    noise = np.random.default_rng(0).integers(0, 256, (23, 31 + count, 3), np.uint8)
    paths = []
    for k in range(count):
        path = folder / f"{k // PER_FOLDER:03}" / f"{k:06}{SUFFIXES[k % len(SUFFIXES)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(noise[: 16 + k % 8, k : k + 24 + k % 7]).save(path)
        paths.append(path)
    return paths


def break_images(paths: list[Path]) -> None:
    """Break each image in one of five ways."""
    for k, path in enumerate(paths):
        data = path.read_bytes()
        cut = data[: len(data) // 2]
        path.write_bytes((b"", b"this is no image\n", cut, data[:20], bytes(len(data)))[k % 5])


def killed_and_resumed(folder: Path, images: int, broken: int, kills: int) -> dict[str, Any]:
    """Run the command, kill it that often after a random number of rows, resume it, and check all that is there."""
    paths = make_images(folder / "in", images)
    bad = random.Random(0).sample(paths, broken)
    break_images(bad)
    command = [sys.executable, "-m", "imgtk", "run", "upscale:nearest x2", "in", "-o", "out"]
    command += ["--recursive", "--report", "report.jsonl", "--json"]
    start = perf_counter()
    for kill in range(kills + 1):
        with subprocess.Popen(
            [*command, *["--resume"] * (kill > 0)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout
            new = 0
            for line in process.stdout:
                new += b'"skipped"' not in line
                if kill < kills and new == images // (kills + 1):
                    process.kill()
                    break
            code = process.wait()
    elapsed = perf_counter() - start
    assert code == (1 if bad else 0), code
    good = set(paths) - set(bad)
    expected = {folder / "out" / path.relative_to(folder / "in") for path in good}
    assert {path for path in (folder / "out").rglob("*") if path.is_file()} == expected
    rows = [json.loads(line) for line in (folder / "report.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(folder / row["path"] for row in rows) == Counter(paths)
    assert {folder / row["path"] for row in rows if row["status"] == "failed"} == set(bad)
    for row in rows:
        assert row["status"] == "failed" or row["sha256"] == sha256((folder / row["output"]).read_bytes()).hexdigest()
    for path in expected:
        with PIL.Image.open(path) as image:
            image.load()
    return {
        "what": f"{images} images, {broken} broken, {kills} kills",
        "pipeline": "upscale:nearest x2",
        "seconds": elapsed,
        "images_per_second": images / elapsed,
    }


def rates(
    folder: Path, pipeline: str, images: int, width: int, suffix: str, device: str, repeat: int
) -> list[dict[str, Any]]:
    """Return the same images through a folder run, one after the other, and through the bare operators, decoded
    before."""
    size = (width, width * 3 // 4)
    (folder / "in").mkdir(parents=True)
    tensors = []
    for k in range(images):
        x = sample_image(*size).roll(k, -1)
        Image((x[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()).save(folder / "in" / f"{k:04}.{suffix}")
        tensors.append(x.to(resolve_device(device)))
    ops = chain(pipeline, resolve_device(device), resolve_dtype("auto", resolve_device(device)))
    runner = Pipeline(pipeline, device=device)

    def bare() -> None:
        with torch.inference_mode():
            for x in tensors:
                for op, dtype in ops:
                    x = op(x.to(dtype))
                x.cpu()

    def through(jobs: int | None) -> None:
        for row in run(runner, folder / "in", folder / "out", write=WriteOptions(overwrite=True), jobs=jobs):
            assert row.status == "done", row.error

    names = ("bare operators", "folder run", "folder run, --jobs 1")
    times = seconds(dict(zip(names, (bare, lambda: through(None), lambda: through(1)), strict=True)), repeat)
    return [
        {
            "what": name,
            "pipeline": pipeline,
            "input": f"{images} {suffix} of {size[0]}x{size[1]}",
            "device": str(resolve_device(device)),
            "seconds": value,
            "images_per_second": images / value,
            "of_bare": times[names[0]] / value,
        }
        for name, value in times.items()
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="small ones, killed and resumed")
    parser.add_argument("--broken", type=int, default=50)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--pipeline", default="upscale:compact x2", help="a chain without branches, for the rate")
    parser.add_argument("--count", type=int, default=32, help="images for the rate")
    parser.add_argument("--width", type=int, default=256, help="of these, 4:3")
    parser.add_argument("--suffix", default="jpg", help="their format")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = rates(
            Path(folder) / "rate",
            options.pipeline,
            options.count,
            options.width,
            options.suffix,
            options.device,
            options.repeat,
        )
        drawn = {row["what"]: row["images_per_second"] for row in rows}
        (Path(folder) / "kill").mkdir()
        rows.append(killed_and_resumed(Path(folder) / "kill", options.images, options.broken, options.kills))
    record("folder", rows, options.out, bars(drawn, f"{options.pipeline}, {rows[0]['input']}", "images per second"))


if __name__ == "__main__":
    main()
