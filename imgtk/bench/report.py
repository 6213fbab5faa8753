"""The result of a benchmark: figures by image, their means, and published figures beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import Any

from imgtk.bench.crops import Comparison
from imgtk.bench.machine import machine
from imgtk.bench.published import Published, published

__all__ = ["METRICS", "BenchReport", "Figures", "Metric", "Result", "SetReport"]

Figures = Mapping[str, float | None]
"""Values by the keys of `METRICS`; None where one could not be measured, absent where it was not asked for."""


@dataclass(frozen=True)
class Metric:
    """One column.

    Attributes:
        key: in `Figures` and in JSON.
        title: over the column.
        text: a value as it is shown.
        meaning: in a few words.
        best: which value is best, min or max.
    """

    key: str
    title: str
    text: Callable[[float], str]
    meaning: str
    best: Callable[..., float]


METRICS = (
    Metric("psnr_y", "PSNR-Y", "{:.2f}".format, "peak signal-to-noise ratio of luma, dB; more is more faithful", max),
    Metric("ssim_y", "SSIM-Y", "{:.4f}".format, "structural similarity of luma, at most 1", max),
    Metric("psnr", "PSNR-RGB", "{:.2f}".format, "peak signal-to-noise ratio of the three channels, dB", max),
    Metric(
        "feature_distance",
        "DISTANCE",
        "{:.4f}".format,
        "distance to the ground truth for a feature network; less is better",
        min,
    ),
    Metric("mean_colour", "COLOUR", "{:.2f}".format, "largest shift of a channel's mean, in 8-bit steps", min),
    Metric("seconds", "SECONDS", "{:.3f}".format, "time of one image", min),
    Metric("peak_bytes", "MB", lambda value: f"{value / 1e6:.0f}", "most memory beyond what was held before", min),
)


@dataclass(frozen=True)
class Result:
    """The figures of one method on one set.

    Attributes:
        method: its short name.
        pipeline: what was run.
        figures: by image.
    """

    method: str
    pipeline: str
    figures: Mapping[str, Figures]

    @property
    def mean(self) -> Figures:
        """Averages over the images, by metric."""
        rows = list(self.figures.values())
        return {key: _mean([row[key] for row in rows]) for key in rows[0]}


@dataclass(frozen=True)
class SetReport:
    """The figures of all methods on one set.

    Attributes:
        name: of the set.
        scale: the factor.
        inputs: "files" if the small images came from files, "made" if they were made, "degraded" if they were also
            blurred, noisy and compressed.
        results: one for each method.
        comparisons: crops side by side, those first in which the methods differ most.
    """

    name: str
    scale: int
    inputs: str
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...] = ()

    @property
    def images(self) -> int:
        return len(self.results[0].figures)

    @property
    def published(self) -> list[Published]:
        """The literature's figures for this set, if it knows it."""
        return published(self.name, self.images, self.scale)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that were measured."""
        return [metric for metric in METRICS if metric.key in self.results[0].mean]


@dataclass(frozen=True)
class BenchReport:
    """The figures of a whole run.

    Attributes:
        scale: the factor.
        features: name of the feature network; None if there was none.
        device, dtype: of the computation.
        sets: one for each set.
        backend: the requested runtime for networks.
    """

    scale: int
    features: str | None
    device: str
    dtype: str
    sets: tuple[SetReport, ...]
    backend: str = "auto"

    @property
    def computed(self) -> str:
        """How the figures were computed, as a line of text."""
        ours = " (our own, distilled from SqueezeNet 1.1)" if self.features == "imgtk" else ""
        network = f"; feature network: {self.features}{ours}" if self.features else ""
        runtime = "" if self.backend == "auto" else f" by {self.backend}"
        return f"computed on {self.device} in {self.dtype}{runtime}{network}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data; the PSNR of equal images, which is infinite, is None."""
        return {
            "benchmark": "upscale",
            "machine": machine(),
            "scale": self.scale,
            "features": self.features,
            "device": self.device,
            "dtype": self.dtype,
            "backend": self.backend,
            "sets": [
                {
                    "set": one.name,
                    "images": one.images,
                    "inputs": one.inputs,
                    "published": [vars(row) for row in one.published],
                    "results": [
                        {
                            "method": result.method,
                            "pipeline": result.pipeline,
                            "mean": _finite(result.mean),
                            "by_image": {name: _finite(row) for name, row in result.figures.items()},
                        }
                        for result in one.results
                    ],
                }
                for one in self.sets
            ],
        }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _finite(figures: Figures) -> dict[str, float | None]:
    return {key: value if value is not None and isfinite(value) else None for key, value in figures.items()}
