"""The benchmark of upscalers: every method on every image, scored by the protocol of super-resolution papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgtk.bench.crops import Comparison, compare
from imgtk.bench.data import BenchSet
from imgtk.bench.meter import Meter
from imgtk.bench.protocol import score
from imgtk.bench.report import BenchReport, Figures, Result, SetReport
from imgtk.errors import UsageError
from imgtk.image import Image
from imgtk.language.graph import SAVE
from imgtk.nn.features import Features
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default

__all__ = ["Method", "default_methods", "methods", "run"]

PAPERS = {"bicubic": "upscale:bicubic x{} a=-0.5"}
"""Pipelines for bare names that do not mean `upscale:NAME x{}`: the bicubic of papers is MATLAB's."""


@dataclass(frozen=True)
class Method:
    """One way to upscale.

    Attributes:
        name: how tables call it.
        pipeline: text in imgtk's language.
    """

    name: str
    pipeline: str


def methods(names: Sequence[str], pipelines: Sequence[str], scale: int) -> list[Method]:
    """Return those of bare names ("compact" is `upscale:compact xSCALE`), then whole pipelines, in which {} is the
    scale.

    Raises:
        UsageError: for none, for one that is given twice, or for a name that looks like a pipeline.
    """
    for name in names:
        if not name or ":" in name or " " in name:
            raise UsageError(f"{name!r} is not a bare name such as compact", hint="Give a pipeline with --pipeline.")
    found = [Method(name, PAPERS.get(name, f"upscale:{name} x{{}}").replace("{}", str(scale))) for name in names]
    found += [Method(text, text) for text in (text.replace("{}", str(scale)) for text in pipelines)]
    known = [method.name for method in found]
    twice = [name for name in dict.fromkeys(known) if known.count(name) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice")
    if not found:
        raise UsageError("there is nothing to measure", hint="Name upscalers, such as bicubic,compact.")
    return found


def default_methods(registry: Registry | None = None) -> list[str]:
    """Return the names of two plain kernels and of all upscalers with shipped weights."""
    trained = [spec.name for spec in (registry or default()).specs if spec.weights and spec.name.startswith("upscale:")]
    return ["bicubic", "lanczos", *(name.removeprefix("upscale:") for name in trained)]


def run(
    sets: Sequence[BenchSet],
    contestants: Sequence[Method],
    scale: int,
    *,
    features: Features | None,
    device: str = "auto",
    dtype: str = "auto",
    backend: str = "auto",
    comparisons: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> BenchReport:
    """Measure every method on every image.

    Each method first runs once on the first image of a set, unmeasured, so that loading is not in the times.

    Args:
        sets: from `imgtk.bench.data`, made for `scale`.
        contestants: at least one.
        scale: the factor.
        features: network for the feature distance; None leaves it out. It is moved to the device.
        device, dtype, backend: as for `Pipeline`.
        comparisons: of how many images of each set to cut out a place; those in which methods differ most.
        progress: called after each image with its name, how many are done, and how many there are.

    Raises:
        PipelineError: for a method that cannot be understood.
        UsageError: for one that saves images, or whose result has another size than the image.
        ReadError: for an image that cannot be read.
    """
    pipelines = {
        method: Pipeline(method.pipeline, device=device, dtype=dtype, backend=backend) for method in contestants
    }
    for method, pipeline in pipelines.items():
        if any(node.op == SAVE for node in pipeline.graph.nodes):
            raise UsageError(f"`{method.pipeline}` saves an image", hint="A benchmark only measures: leave save out.")
        pipeline.check()
    first = next(iter(pipelines.values()))
    if features is not None:
        features.to(first.device)
    reports: list[SetReport] = []
    total, done = sum(len(one.pairs) for one in sets), 0
    for one in sets:
        figures: dict[Method, dict[str, Figures]] = {method: {} for method in contestants}
        kept: list[Comparison] = []
        for pair in one.pairs:
            source, target = pair.load(scale)
            outputs: dict[str, np.ndarray] = {}
            for method, pipeline in pipelines.items():
                if not figures[method]:
                    pipeline(source)
                with Meter(pipeline.device) as meter:
                    output = pipeline(source)
                pixels = _checked(output, target, method)
                scores: dict[str, float | None] = {**score(pixels, target, source, scale, features)}
                figures[method][pair.name] = {**scores, "seconds": meter.seconds, "peak_bytes": meter.peak_bytes}
                outputs[method.name] = pixels
            if comparisons:
                kept = _most_different([*kept, compare(pair.name, source, outputs, target, scale)], comparisons)
            done += 1
            if progress:
                progress(f"{one.name} {pair.name}", done, total)
        results = tuple(Result(method.name, method.pipeline, figures[method]) for method in contestants)
        reports.append(SetReport(one.name, scale, one.inputs, results, tuple(kept)))
    name = features.name if features is not None else None
    return BenchReport(scale, name, str(first.device), str(first.dtype).removeprefix("torch."), tuple(reports), backend)


def _checked(output: Image, target: np.ndarray, method: Method) -> np.ndarray:
    """Return the pixels (H, W, 3) of a result, which must be as large as the ground truth."""
    if output.pixels.shape[:2] != target.shape[:2]:
        wanted = f"{target.shape[1]}x{target.shape[0]}"
        raise UsageError(
            f"`{method.pipeline}` returns {output.size} instead of {wanted}",
            hint="Its scale must be that of the benchmark. In a pipeline, {} stands for it.",
        )
    return output.pixels if not output.gray else np.repeat(output.pixels, 3, axis=2)


def _most_different(comparisons: list[Comparison], count: int) -> list[Comparison]:
    return sorted(comparisons, key=lambda one: one.difference, reverse=True)[:count]
