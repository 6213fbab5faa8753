"""Engines do the images of a run. `LocalEngine` does them in this process; reading, computing and writing overlap.

Each image has a thread that reads it, hands it to the thread of a device, and writes what comes back. So a device
computes one image after the other while further ones are read and written, and memory is bounded by the number of
threads, and by a `MemoryBudget` for images that are large.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Protocol, TypeAlias

from imgtk.batch.devices import InlineExecutor
from imgtk.batch.jobs import Job
from imgtk.batch.options import RunOptions
from imgtk.batch.processor import Processor, RunState, moves
from imgtk.batch.report import Row
from imgtk.batch.transfer import Transfer
from imgtk.pipeline import Pipeline, Progress

MAX_THREADS = 16
"""Images at a time, unless the user wants more."""

AHEAD = 8
"""Images per thread that may be finished before an earlier one is: rows come in the order of the jobs."""


class Engine(Protocol):
    """Where the images of a run are done.

    Attributes:
        failure: why no further image can be done.
    """

    @property
    def failure(self) -> Exception | None: ...

    def running(
        self, jobs: Sequence[Job], done: Mapping[Job, Path], threads: int | None
    ) -> AbstractContextManager[Iterator[Row]]:
        """The rows of `jobs`, as they are done, so many at the same time; those in `done` are skipped. In the end what
        has not begun to be computed is dropped."""


EngineFactory: TypeAlias = Callable[[RunOptions, Event], Engine]
"""Makes the engine of a run: given what holds for all its images, and an event that stops it."""


def default_threads(processors: int) -> int:
    """Images at a time, unless the user wants another number."""
    return min(processors + 2, MAX_THREADS)


def skipped(job: Job, file: Path) -> Row:
    """The row of an image whose result an earlier run has left."""
    return Row(job.path, "skipped", job.destination.name(file))


class LocalEngine:
    """Threads that read and write, and one thread for each device.

    Args:
        pipelines: one for each device.
        options: what holds for all images.
        stop: once it is set, nothing more is computed.
        progress: called after every tile or frame.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        options: RunOptions,
        stop: Event,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._state = RunState(stop)
        self._processor = Processor(pipelines, options, self._state, progress)
        self._transfer = Transfer(self._processor, self._state)

    @property
    def failure(self) -> Exception | None:
        """Why no further image can be done."""
        return self._state.failure

    @contextmanager
    def running(self, jobs: Sequence[Job], done: Mapping[Job, Path], threads: int | None) -> Iterator[Iterator[Row]]:
        """As of any `Engine`; the rows are in order."""
        threads = min(threads or default_threads(os.cpu_count() or 1), len(jobs))
        overlapping = threads > 1 or any(map(moves, jobs))  # the frames of one clip do, too
        with (
            self.computing(overlapping=overlapping),
            ThreadPoolExecutor(threads) if threads > 1 else InlineExecutor() as pool,
        ):
            try:
                yield self._rows(jobs, done, pool, AHEAD * threads if threads > 1 else 1)
            finally:
                self._state.end()

    def computing(self, *, overlapping: bool = True) -> AbstractContextManager[None]:
        """Within it images are computed: in the threads of the devices, or in those that ask for it."""
        return self._processor.computing(overlapping=overlapping)

    def image(self, job: Job) -> Row | None:
        """What became of an image; None if the run ended before it was computed."""
        return self._transfer.image(job)

    def _rows(self, jobs: Iterable[Job], done: Mapping[Job, Path], pool: Executor, ahead: int) -> Iterator[Row]:
        remaining = iter(jobs)
        begun: deque[Future[Row | None]] = deque()
        while True:
            while len(begun) < ahead and not self._state.ending and (job := next(remaining, None)):
                file = done.get(job)
                begun.append(pool.submit(skipped, job, file) if file else pool.submit(self.image, job))
            if not begun:
                return
            if row := begun.popleft().result():
                yield row
