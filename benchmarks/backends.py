"""Networks in torch, onnxruntime and OpenVINO on the CPU: the same weights, the same image, in turns.

    python benchmarks/backends.py
    python benchmarks/backends.py --op upscale:esrgan --width 192

Times are of whole calls from 8-bit pixels to 8-bit pixels. The first way is what most scripts do: torch in float32 and
NCHW. What is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np
import torch

from common import arguments, bars, record, seconds
from imgtk import Image, Pipeline
from imgtk.engine.backend import known_backends
from imgtk.geometry import Size
from imgtk.registry import default
from imgtk.testing import sample_image

PLAIN = "torch fp32 NCHW"
WAYS = (("torch", "fp32"), ("torch", "bf16"), ("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
"""Backends and number formats of the pipeline. Torch computes in channels_last there."""


def plain(network: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Upscale (H, W, 3) uint8 in float32 and NCHW."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255).contiguous()
    with torch.no_grad():
        y = network(x)
    return y[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def measure(name: str, size: Size, repeat: int) -> list[dict[str, Any]]:
    """Return a row for each way to compute the operator."""
    network = default().build(name).network
    assert network is not None, f"{name} has no network"
    pixels = (sample_image(*size)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    image = Image(pixels)
    functions: dict[str, Callable[[], Any]] = {PLAIN: partial(plain, network.float(), pixels)}
    start: dict[str, float] = {}
    runtimes = {PLAIN: "torch"}
    exact = functions[PLAIN]().astype(int)
    worst = {PLAIN: 0}
    for backend, dtype in WAYS:
        if backend in (known := known_backends()) and not known[backend].installed():
            continue
        way = f"{backend} {dtype}" + (" (imgtk)" if backend == "torch" else "")
        pipeline = Pipeline(name, device="cpu", dtype=dtype, backend=backend, tile="off")
        begin = perf_counter()
        pipeline.plan(size)
        start[way] = perf_counter() - begin
        result = pipeline(image)
        worst[way] = int(np.abs(result.numpy() - exact).max())
        assert not result.notes, result.notes
        functions[way], runtimes[way] = partial(pipeline, image), backend
    times = seconds(functions, repeat)
    return [
        {
            "what": name,
            "input": str(size),
            "way": way,
            "version": version(runtimes[way]),
            "threads": torch.get_num_threads(),
            "seconds": value,
            "times_as_fast": times[PLAIN] / value,
            "to_build": start.get(way, 0.0),
            "largest_difference": worst[way],
        }
        for way, value in times.items()
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--width", type=int, default=288, help="of the input, 3:2")
    parser.add_argument("--op", nargs="*", default=["upscale:esrgan", "upscale:compact"], help="operators to measure")
    options = parser.parse_args()
    size = Size(options.width, options.width * 2 // 3)
    rows = [row for name in options.op for row in measure(name, size, options.repeat)]
    ratios = {f"{row['what'].removeprefix('upscale:')}, {row['way']}": row["times_as_fast"] for row in rows}
    record("backends", rows, options.out, bars(ratios, f"Speed on the CPU, against {PLAIN}", "times as fast"))


if __name__ == "__main__":
    main()
