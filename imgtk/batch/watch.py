"""A run over images as they arrive in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

from imgtk.batch.folders import made_folders
from imgtk.batch.jobs import Job
from imgtk.batch.options import RunOptions
from imgtk.batch.report import Report, Row
from imgtk.batch.runner import run_jobs
from imgtk.batch.sources import list_jobs
from imgtk.errors import ReadError, UsageError
from imgtk.pipeline import Pipeline

INTERVAL = 1.0
"""Seconds between two checks of a folder."""


def watch(
    pipelines: Sequence[Pipeline],
    folder: str | Path,
    output: Path | None,
    options: RunOptions,
    *,
    stop: Event,
    suffix: str | None = None,
    recursive: bool = False,
    report: Path | None = None,
    threads: int | None = None,
    interval: float = INTERVAL,
) -> Iterator[Row]:
    """Process the images in `folder`, and those that arrive there, until `stop` is set.

    An image is processed when neither its size nor its time has changed between two checks, and again when it has
    changed later. As with `resume`, existing results are skipped. Results that change their format keep the whole name,
    a.jpg.png, since a.png may arrive.

    Args:
        folder: the folder.
        interval: seconds between two checks.
        pipelines, output, options, suffix, recursive, report, threads: as for `list_jobs` and `run_jobs`. The report of
            an earlier run is continued; the last row of an image counts.

    Yields:
        The row of each image.

    Raises:
        UsageError: if there is no such folder.
        ReadError: if it can no longer be read.
        ImgtkError: as `run_jobs` does.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"cannot watch {folder}: it is not a folder")
    for pipeline in pipelines:
        pipeline.check()
    _states(folder, output, suffix, recursive)  # finds mistakes
    how: dict[str, Any] = {"threads": threads, "stop": stop}
    with ExitStack() as stack:
        stack.enter_context(made_folders({output} if output else set()))
        ledger = Report(report, resume=True) if report else None
        if ledger:
            ledger.open(set())
            stack.callback(ledger.close)
        taken: dict[Path, tuple[int, int]] = {}
        seen: dict[Path, tuple[int, int]] = {}
        while not stop.is_set():
            states = _states(folder, output, suffix, recursive)
            arrived = [job for job, state in states.items() if seen.get(job.source) == state != taken.get(job.source)]
            new = [job for job in arrived if job.source not in taken]
            changed = [job for job in arrived if job.source in taken]  # whatever their times: they may have moved here
            seen = {job.source: state for job, state in states.items()}
            taken |= {job.source: seen[job.source] for job in arrived}
            again = replace(options, write=replace(options.write, overwrite=True))
            for row in chain(
                run_jobs(pipelines, new, replace(options, resume=True), **how) if new else (),
                run_jobs(pipelines, changed, again, **how) if changed else (),
            ):
                if ledger:
                    ledger.add(row)
                yield row
            stop.wait(interval)


def _states(
    folder: str | Path, output: Path | None, suffix: str | None, recursive: bool
) -> Mapping[Job, tuple[int, int]]:
    """Return the images that are there, and folders that cannot be listed, with size and time of their files."""
    if not os.path.isdir(folder):
        raise ReadError(f"the folder {folder} is gone")
    states = {}
    for job in list_jobs([str(folder)], output, suffix=suffix, recursive=recursive, arriving=True):
        with suppress(OSError):
            status = job.source.stat()
            states[job] = status.st_size, status.st_mtime_ns
    return states
