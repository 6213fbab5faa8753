"""How well a GPU is used: one command on the day there is one.

For each pipeline the share of the peak of the matrix units, and frames per second, memory and copies for frames of
1080p; small images per second by the number that share a batch; and frames per second of several GPUs together.

python benchmarks/gpu.py
python benchmarks/gpu.py --device cpu --quick --out DIR     try the script without a GPU
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from common import arguments, bars, record
from imgtk import Pipeline
from imgtk.device import resolve_device, resolve_dtype
from imgtk.engine import Settings
from imgtk.errors import DeviceError
from imgtk.image import Image

PIPELINES = ("upscale:compact x2", "upscale:compact x4", "upscale:esrgan x4", "style:monet")


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "xpu":
        torch.xpu.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def best(call: Any, device: torch.device, repeats: int) -> float:
    """The shortest of several times, in seconds, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        synchronise(device)
        start = perf_counter()
        call()
        synchronise(device)
        times.append(perf_counter() - start)
    return min(times)


def peak(device: torch.device, dtype: torch.dtype, side: int, repeats: int) -> float:
    """Multiply-adds per second of a large matrix product, which is what the units reach in practice."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return side**3 / best(lambda: a @ b, device, repeats)


def measured(text: str, settings: Settings, size: tuple[int, int], repeats: int, reached: float) -> dict[str, Any]:
    """The figures of one pipeline."""
    device = resolve_device(settings.device)
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    pipeline = Pipeline(text, settings)
    with FlopCounterMode(display=False) as counter:
        pipeline(pixels)
    seconds = best(lambda: pipeline(pixels), device, repeats)
    work = counter.get_total_flops() / 2
    figures: dict[str, Any] = {"what": text, "input": f"{size[0]}x{size[1]}", "per_second": 1 / seconds}
    figures |= {"multiply_adds": work, "share_of_peak": work / seconds / reached}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            pipeline(pixels)
        copies = [event for event in profile.events() if "Memcpy" in event.name]
        figures["copies_per_image"] = len(copies)
        figures["peak_bytes"] = torch.cuda.max_memory_allocated(device)
    return figures


def batch(text: str, settings: Settings, side: int, count: int, repeats: int) -> dict[str, Any]:
    """Small images per second, if so many share a batch."""
    pipeline = Pipeline(text, settings)
    images = [Image.of(np.full((side, side, 3), value % 256, np.uint8)) for value in range(count)]
    seconds = best(lambda: pipeline.batch(images), resolve_device(settings.device), repeats)
    return {"what": f"{text}, {count} in a batch", "input": f"{side}x{side}", "per_second": count / seconds}


def rate(pipelines: list[Pipeline], size: tuple[int, int]) -> float:
    """Frames per second of several devices, in threads as `imgtk run` uses them."""
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    rounds = 8
    with ThreadPoolExecutor(len(pipelines)) as pool:
        list(pool.map(lambda p: p(pixels), pipelines))
        start = perf_counter()
        list(pool.map(lambda p: [p(pixels) for _ in range(rounds)], pipelines))
        seconds = perf_counter() - start
    return rounds * len(pipelines) / seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--quick", action="store_true", help="small images, to try the script")
    options = parser.parse_args()
    settings = Settings(device=options.device, dtype=options.dtype, backend="torch")
    try:
        device = resolve_device(options.device)
    except DeviceError as error:
        parser.error(error.message)
    dtype = resolve_dtype(options.dtype, device)
    size, side, repeats = ((64, 48), 256, 1) if options.quick else ((1920, 1080), 8192, 5)
    reached = peak(device, dtype, side, repeats)
    pipelines = [measured(text, settings, size, repeats, reached) for text in PIPELINES]
    counts = (1, 2) if options.quick else (1, 2, 4, 8, 16, 32)
    rows = [
        {"what": f"matrix products in {dtype} on {device}", "multiply_adds": side**3, "per_second": reached / side**3},
        *pipelines,
        *(batch("upscale:compact x2", settings, 64, count, repeats) for count in counts),
    ]
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if count > 1:
        each = [Pipeline(PIPELINES[1], settings, device=f"cuda:{index}") for index in range(count)]
        rows.append({"what": f"{PIPELINES[1]} on {count} GPUs", "per_second": rate(each, size)})
    values = {row["what"]: row["per_second"] for row in pipelines}
    record("gpu", rows, options.out, bars(values, f"Frames of {size[0]}x{size[1]}", "per second"))


if __name__ == "__main__":
    main()
