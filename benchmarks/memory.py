"""Peak memory of a streamed run against the size of the image, each size in a process of its own.

python benchmarks/memory.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np

from common import arguments, record


def measure(pipeline: str, megapixels: float) -> dict[str, Any]:
    """Run `pipeline` once in this process on 8-bit noise; peak resident memory in MB."""
    import resource

    from imgtk import Image, Pipeline

    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    pixels = np.random.default_rng(0).integers(0, 256, (width * 3 // 4, width, 3), np.uint8)
    result = Pipeline(pipeline, device="cpu")(Image(pixels))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    arrays = pixels.nbytes + result.pixels.nbytes
    return {
        "input_megapixels": megapixels,
        "input": f"{width}x{width * 3 // 4}",
        "output": str(result.size),
        "peak_mb": peak / 1e6,
        "arrays_mb": arrays / 1e6,
        "beyond_mb": (peak - arrays) / 1e6,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--pipeline", default="upscale:compact x4")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--child", type=float, help="measure this size here and print JSON")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.pipeline, options.child)))
        return
    command = [sys.executable, __file__, "--pipeline", options.pipeline, "--child"]
    rows = [
        json.loads(subprocess.run([*command, str(size)], check=True, stdout=subprocess.PIPE, text=True).stdout)
        for size in options.megapixels
    ]

    def draw(axes: Any) -> None:
        sizes = [row["input_megapixels"] for row in rows]
        axes.plot(sizes, [row["peak_mb"] for row in rows], "o-", label="peak")
        axes.plot(sizes, [row["beyond_mb"] for row in rows], "o-", label="beyond the input and output arrays")
        axes.set(title=f"Memory of {options.pipeline}", xlabel="megapixels of input", ylabel="MB")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    record("memory", rows, options.out, draw)


if __name__ == "__main__":
    main()
