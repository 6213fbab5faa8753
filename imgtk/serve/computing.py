"""The tasks of worker processes, with pipelines that stay loaded."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from imgtk.batch import Job, Row, RunOptions, list_jobs, run_jobs
from imgtk.engine.settings import Settings
from imgtk.errors import ImgtkError, UsageError
from imgtk.geometry import Extent, Size
from imgtk.image import Image
from imgtk.io import WriteOptions
from imgtk.io.formats import readable
from imgtk.io.read import read_headers
from imgtk.pipeline import Pipeline, Progress
from imgtk.serve.problem import Problem
from imgtk.serve.scaled import scaled
from imgtk.serve.tasks import AnyTask, InspectTask, PlanTask, PreviewTask, RunTask, Task

__all__ = ["Computer"]

SAMPLE = 48
"""Side of the image whose computing is timed for an estimate."""

Report = Callable[[Progress], None]


class Computer:
    """Does tasks on one device, and keeps the pipelines that were used last.

    Args:
        settings: how to compute.
        warm: how many pipelines are kept.
    """

    def __init__(self, settings: Settings, warm: int) -> None:
        self._settings, self._most = settings, warm
        self._warm: OrderedDict[tuple[str, int], Pipeline] = OrderedDict()
        self._speeds: dict[tuple[str, int], float | None] = {}

    def do(self, task: AnyTask, report: Report) -> dict[str, Any]:
        """Return the result of a task. Raises ImgtkError, Problem, or whatever `report` raises."""
        if isinstance(task, RunTask):
            return self._run(task, report)
        if isinstance(task, InspectTask):
            return self._inspect(task)
        if isinstance(task, PlanTask):
            return self._plan(task)
        return self._preview(task)

    def _pipeline(self, task: Task) -> Pipeline:
        """Return the pipeline of a task, loaded before or now. The one that was unused for longest is dropped."""
        key = (task.pipeline, task.seed)
        pipeline = self._warm.pop(key, None) or Pipeline(task.pipeline, replace(self._settings, seed=task.seed))
        if task.keep:
            self._warm[key] = pipeline
            while len(self._warm) > self._most:
                old, _ = self._warm.popitem(last=False)
                self._speeds.pop(old, None)
                gc.collect()
        return pipeline

    def _run(self, task: RunTask, report: Report) -> dict[str, Any]:
        """Run the pipeline with the code of `imgtk run`, so that results are the same files."""
        pipeline = self._pipeline(task)
        (job,) = self._jobs(task.source, task.folder, task.write.suffix)
        write = WriteOptions(False, task.write.quality, task.write.lossless, task.write.depth)
        options = RunOptions(write, max_pixels=task.max_pixels)
        rows = list(run_jobs([pipeline], [job], options, threads=1, progress=report))
        if not rows:
            raise RuntimeError(f"the run of {task.source} has no outcome")
        return self._told(rows[0])

    def _jobs(self, source: Path, folder: Path, suffix: str | None) -> list[Job]:
        return list_jobs([str(source)], folder, suffix=suffix)

    def _told(self, row: Row) -> dict[str, Any]:
        if row.exception is not None:
            raise row.exception
        assert row.output is not None
        assert row.size is not None
        return {
            "file": row.output,
            "size": list(row.size),
            "seconds": {stage: round(seconds, 4) for stage, seconds in row.seconds.items()},
            "notes": list(row.notes),
            "warnings": list(row.warnings),
        }

    def _inspect(self, task: InspectTask) -> dict[str, Any]:
        if task.source.suffix and task.source.suffix.lower() not in readable():
            raise UsageError(f"{task.source} has no suffix of an image", hint="Send an image; `imgtk run` takes clips.")
        for path in task.others:
            if path.suffix.lower() in ("", *readable()):  # others are no images: look-up tables
                read_headers(path, max_pixels=task.pixels_in)
        headers = read_headers(task.source, max_pixels=task.pixels_in)
        pixels = sum(header.size.pixels for header in headers)
        if pixels > task.pixels_in:
            raise _too_large(f"{task.source} has {pixels:,} pixels in {len(headers)} pages", task.pixels_in)
        sizes = self._pipeline(task).sizes(headers[0].size)
        _check_stages(sizes, task.pixels_out // len(headers))
        output = sizes[-1]
        return {"size": list(headers[0].size), "output": list(output), "pages": len(headers)}

    def _plan(self, task: PlanTask) -> dict[str, Any]:
        size, pipeline = Size(*task.size), self._pipeline(task)
        _check_stages(pipeline.sizes(size), task.pixels_out)
        plan = pipeline.plan(size)
        speed = self._speed(task, pipeline, {stage.extent for stage in plan.stages})
        estimate = None if speed is None else round(speed * size.pixels, 3)
        return {**plan.to_dict(), "notes": list(plan.notes), "seconds": estimate}

    def _speed(self, task: Task, pipeline: Pipeline, extents: set[Extent]) -> float | None:
        """Return seconds per pixel of the input, measured on a small image; None for what takes as long for any
        image, or does not suit a small one."""
        key = (task.pipeline, task.seed)
        if key not in self._speeds:
            self._speeds[key] = None
            with suppress(ImgtkError):
                if Extent.WHOLE not in extents:
                    pipeline(np.zeros((16, 16, 3), np.uint8))
                    start = perf_counter()
                    pipeline(np.full((SAMPLE, SAMPLE, 3), 128, np.uint8))
                    self._speeds[key] = (perf_counter() - start) / SAMPLE**2
        return self._speeds[key]

    def _preview(self, task: PreviewTask) -> dict[str, Any]:
        image = scaled(Image.open(task.source, max_pixels=task.max_pixels), task.most)
        image.save(task.target, depth=8, overwrite=True)
        return {"size": list(image.size)}


def _check_stages(sizes: list[Size], most: int) -> None:
    for size in sizes:
        if size.pixels > most:
            raise _too_large(f"the pipeline would make an image of {size}", most)


def _too_large(what: str, most: int) -> Problem:
    return Problem(413, "too-large", f"{what}, and this server's limit is {most:,} pixels", "Send a smaller image.")
