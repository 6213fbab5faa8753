"""Engines process the images of a run. `LocalEngine` does so in this process.

Each image has a thread that reads it, hands it to the thread of a device, and writes the result. So a device computes
one image after the other while others are read and written. Memory is bounded by the number of threads, and by a
`MemoryBudget` for large images.
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
    """Where the images of a run are processed.

    Attributes:
        failure: why no further image can be processed.
    """

    @property
    def failure(self) -> Exception | None: ...

    def running(
        self, jobs: Sequence[Job], done: Mapping[Job, Path], threads: int | None
    ) -> AbstractContextManager[Iterator[Row]]:
        """Yield the rows of `jobs` as they finish, with so many jobs at the same time; those in `done` are skipped. On
        leaving, jobs that have not been started are dropped."""


EngineFactory: TypeAlias = Callable[[RunOptions, Event], Engine]
"""Creates the engine of a run from its options and an event that stops it."""


def default_threads(processors: int) -> int:
    """Return the images at a time, unless the user wants another number."""
    return min(processors + 2, MAX_THREADS)


def skipped(job: Job, file: Path) -> Row:
    """Return the row of an image whose result exists from an earlier run."""
    return Row(job.path, "skipped", job.destination.name(file))


class LocalEngine:
    """Threads that read and write, and one thread for each device.

    Args:
        pipelines: one for each device.
        options: the options of the run.
        stop: once it is set, no further image is computed.
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
        """Yield the rows of `jobs` in order. See `Engine.running`."""
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
        """Compute images within the block: in the threads of the devices, or in those that ask for it."""
        return self._processor.computing(overlapping=overlapping)

    def image(self, job: Job) -> Row | None:
        """Return the row of an image; None if the run ended before it was computed."""
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
