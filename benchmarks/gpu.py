"""How well a GPU is used: one command on the day there is one.

    python benchmarks/gpu.py [--device cuda] [--out benchmarks/results/gpu.json]

Measures, for each upscaler: the share of the peak of the matrix units, frames per second for 1080p frames, time and
copies per image in `imgtk`'s own pipeline, and the batch size from which small images gain nothing; and, with several
GPUs, how many times as fast all are. `--device cpu --quick` tries the script on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from imgtk import Pipeline
from imgtk.device import resolve_device, resolve_dtype
from imgtk.engine import Settings
from imgtk.image import Image

ENOUGH = 0.95
"""Share of the highest rate of small images that the smallest good batch reaches."""
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
    figures: dict[str, Any] = {"pipeline": text, "size": size, "seconds": seconds, "frames_per_second": 1 / seconds}
    figures |= {"multiply_adds": work, "share_of_peak": work / seconds / reached}
    if device.type == "cuda":
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            pipeline(pixels)
        copies = [event for event in profile.events() if "Memcpy" in event.name]
        figures["copies_per_image"] = len(copies)
        figures["peak_bytes"] = torch.cuda.max_memory_allocated(device)
    return figures


def batches(text: str, settings: Settings, sides: int, sizes: list[int], repeats: int) -> dict[int, float]:
    """Small images per second, by the number that share a batch."""
    device = resolve_device(settings.device)
    pipeline = Pipeline(text, settings)
    found = {}
    for count in sizes:
        images = [Image.of(np.full((sides, sides, 3), value % 256, np.uint8)) for value in range(count)]
        found[count] = count / best(lambda images=images: pipeline.batch(images), device, repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small images, to try the script")
    words = parser.parse_args()
    settings = Settings(device=words.device, dtype=words.dtype, backend="torch")
    device = resolve_device(words.device)
    dtype = resolve_dtype(words.dtype, device)
    size, side, repeats = ((64, 48), 256, 1) if words.quick else ((1920, 1080), 8192, 5)
    reached = peak(device, dtype, side, repeats)
    sizes = [1, 2] if words.quick else [1, 2, 4, 8, 16, 32]
    rates = batches("upscale:compact x2", settings, 64, sizes, repeats)
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "torch": torch.__version__,
        "dtype": str(dtype),
        "peak_multiply_adds_per_second": reached,
        "pipelines": [measured(text, settings, size, repeats, reached) for text in PIPELINES],
        "batches": rates,
        "batch": min(size for size, rate in rates.items() if rate >= ENOUGH * max(rates.values())),
    }
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if count > 1:
        alone = measured(PIPELINES[1], settings, size, repeats, reached)["seconds"]
        every = [Pipeline(PIPELINES[1], settings, device=f"cuda:{index}") for index in range(count)]
        result["gpus"] = {"count": count, "speedup": speedup(every, size, alone)}
    text = json.dumps(result, indent=2)
    print(text)
    if words.out:
        words.out.write_text(text + "\n", encoding="utf-8")


def speedup(pipelines: list[Pipeline], size: tuple[int, int], alone: float) -> float:
    """How many times as many images all devices compute as one does, in threads as `imgtk run` uses them."""
    from concurrent.futures import ThreadPoolExecutor

    pixels = np.zeros((*size[::-1], 3), np.uint8)
    rounds = 8
    with ThreadPoolExecutor(len(pipelines)) as pool:
        list(pool.map(lambda p: p(pixels), pipelines))
        start = perf_counter()
        list(pool.map(lambda p: [p(pixels) for _ in range(rounds)], pipelines))
        seconds = perf_counter() - start
    return alone * rounds * len(pipelines) / seconds


if __name__ == "__main__":
    main()
