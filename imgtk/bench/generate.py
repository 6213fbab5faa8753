"""The benchmark of generators: sets of generated images, compared with a set of real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from imgtk.bench.machine import machine
from imgtk.errors import ImgtkError, UsageError
from imgtk.geometry import Box, Size, cut
from imgtk.image import Image
from imgtk.metrics import diversity, fid, kid, precision_recall
from imgtk.nn.features import Features
from imgtk.nn.resample import resample
from imgtk.pipeline import Pipeline

__all__ = ["MEANINGS", "SMALLEST", "GeneratorReport", "run"]

SMALLEST = 8
"""Real images, and generated ones of each pipeline, that are needed at least."""
SEEN = 128
"""Side of what the feature network is shown, in pixels: it knows images larger than 64."""

MEANINGS = {
    "kid": "kernel distance to the real images, times 1000; 0 for equal sets, and less is better",
    "fid": "Fréchet distance to the real images; biased upwards for small sets",
    "precision": "share of generated images that look like real ones",
    "recall": "share of real images that generated ones look like",
    "diversity": "mean distance between two generated images, relative to that of real ones",
    "seconds": "time of one image",
}
"""The figures in a few words. All but the time are of this feature network, and compare with no paper."""


@dataclass(frozen=True)
class GeneratorReport:
    """The figures of generators.

    Attributes:
        features: name of the feature network.
        real: how many real images there were.
        count: images of each generator.
        rows: the figures named in `MEANINGS`, by pipeline.
    """

    features: str
    real: int
    count: int
    rows: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it, with the machine."""
        results = [{"pipeline": text, **figures} for text, figures in self.rows.items()]
        common = {"features": self.features, "real_images": self.real, "generated_images": self.count}
        return {"benchmark": "generate", "machine": machine(), **common, "results": results}


def run(
    files: Sequence[Path],
    pipelines: Sequence[str],
    count: int,
    features: Features,
    *,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
) -> GeneratorReport:
    """Measure generators.

    Args:
        files: real images, of which the middle square is looked at; those that cannot be read are left out.
        pipelines: texts of pipelines that read no image.
        count: images that each makes, with the seeds from 1.
        features: the network that looks.
        device: as for `Pipeline`.
        progress: called after each image with the pipeline, how many images are done, and how many there are.

    Raises:
        UsageError: if there are fewer than `SMALLEST` images, or a pipeline reads one.
        ImgtkError: as a pipeline does.
    """
    if not pipelines:
        raise UsageError(
            "there is nothing to measure", hint="Name a pipeline, such as --pipeline 'generate:noise 64x64'."
        )
    if count < SMALLEST:
        raise UsageError(f"{count} images are too few", hint=f"Make at least {SMALLEST}.")
    real = _embedded(features, [image for image in map(_opened, files) if image is not None])
    if len(real) < SMALLEST:
        raise UsageError(f"{len(real)} real images are too few", hint=f"Give at least {SMALLEST}.")
    rows, total = {}, count * len(pipelines)
    spread = diversity(real)
    for number, text in enumerate(pipelines):
        vectors, seconds = [], 0.0
        Pipeline(text, device=device)()  # loads
        for seed in range(1, count + 1):
            pipeline = Pipeline(text, device=device, seed=seed)
            pipeline.check()
            started = perf_counter()
            image = pipeline()
            seconds += perf_counter() - started
            vectors.append(_embedded(features, [image]))
            if progress:
                progress(text, number * count + seed, total)
        made = torch.cat(vectors)
        precision, recall = precision_recall(made, real)
        rows[text] = {
            "kid": 1000 * kid(made, real),
            "fid": fid(made, real),
            "precision": precision,
            "recall": recall,
            "diversity": diversity(made) / spread,
            "seconds": seconds / count,
        }
    return GeneratorReport(features.name, len(real), count, rows)


def _opened(file: Path) -> Image | None:
    try:
        return Image.open(file)
    except ImgtkError:
        return None


def _embedded(features: Features, images: Sequence[Image]) -> Tensor:
    """Return the vectors of the middle squares of images, (N, C)."""
    vectors = []
    for image in images:
        side = min(image.size)
        left, top = (image.size.width - side) // 2, (image.size.height - side) // 2
        square = cut(image.tensor(), Box(left, top, left + side, top + side))
        with torch.inference_mode():
            small = resample(square, Size(SEEN // 2, SEEN // 2), kernel="area" if side >= SEEN // 2 else "bicubic")
            seen = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
            vectors.append(features.embed(seen.to(features.mean.device)))
    return torch.cat(vectors) if vectors else torch.zeros(0, 1)
