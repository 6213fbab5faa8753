"""Time and peak memory of images kept on the disk, against their size; each size in a process of its own.

Needs `pip install '.[bench,large]'`, and on the disk, for the largest, 3 bytes per pixel of input and 8 of output.

python benchmarks/large.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from common import arguments, record
from imgtk.engine.pixels import quantised
from imgtk.geometry import Box
from imgtk.image import Metadata
from imgtk.io.large import output, raster
from imgtk.testing.images import sample_image as made_up


def make(path: Path, side: int) -> None:
    """Write a TIFF file of `side` x `side` pixels: a synthetic image, repeated."""
    tile = quantised(made_up(1024, 512), np.dtype(np.uint8), gray=False)
    with output(path, 3 * side * side, 0) as file, raster(path, (side, side, 3), np.dtype(np.uint8)) as pixels:
        across = np.tile(tile, (1, -(-side // tile.shape[1]), 1))[:, :side]
        for top in range(0, side, len(across)):
            rows = across[: side - top]
            pixels.write(Box(0, top, side, top + len(rows)), rows)
        file.add(pixels, Metadata())


def measure(pipeline: str, source: Path, suffix: str, max_memory: int) -> dict[str, Any]:
    """Run `pipeline` once in this process; seconds without loading the weights, and peak resident memory in MB."""
    import resource

    from imgtk import Pipeline
    from imgtk.io import read_size

    size = read_size(source, max_pixels=sys.maxsize)
    chain = Pipeline(pipeline, device="cpu", max_memory=max_memory)
    chain.plan(size)
    start = perf_counter()
    result = chain.run_file(source, source.with_name(f"result{suffix}"), max_pixels=sys.maxsize)
    seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "input_megapixels": size.pixels / 1e6,
        "input": str(size),
        "output": f"{result.size}{suffix}",
        "seconds": seconds,
        "seconds_per_megapixel": seconds / size.pixels * 1e6,
        "peak_mb": peak / 1e6,
        "file_mb": source.with_name(f"result{suffix}").stat().st_size / 1e6,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--pipeline", default="upscale:compact x4")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[4, 16, 64, 256])
    parser.add_argument("--suffix", default=".tif", help="format of the results")
    parser.add_argument("--max-memory", type=float, default=1, help="GB that tiles may use")
    parser.add_argument("--folder", type=Path, help="where images and results lie meanwhile")
    parser.add_argument("--child", type=Path, help="measure this image here and print JSON")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.pipeline, options.child, options.suffix, int(options.max_memory * 1e9))))
        return
    rows = []
    for megapixels in options.megapixels:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            image = Path(folder) / "image.tif"
            make(image, round((megapixels * 1e6) ** 0.5))
            command = [sys.executable, __file__, "--pipeline", options.pipeline, "--suffix", options.suffix]
            command += ["--max-memory", str(options.max_memory), "--child", str(image)]
            rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
            print(rows[-1], file=sys.stderr)

    def draw(axes: Any) -> None:
        sizes = [row["input_megapixels"] for row in rows]
        (left,) = axes.plot(sizes, [row["peak_mb"] for row in rows], "o-", color="C0", label="peak memory")
        axes.set(title=f"{options.pipeline}, on the disk", xlabel="megapixels of input", ylabel="MB")
        axes.set_xscale("log", base=2)
        axes.set_ylim(bottom=0)
        times = axes.twinx()
        (right,) = times.plot(sizes, [row["seconds_per_megapixel"] for row in rows], "s--", color="C1", label="time")
        times.set_ylabel("seconds per megapixel of input")
        times.set_ylim(bottom=0)
        axes.legend(handles=[left, right], frameon=False, loc="lower right")

    record("large", rows, options.out, draw)


if __name__ == "__main__":
    main()
