"""The devices of a run, and the images that wait for them. Small images of one kind can share a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import Any, TypeVar

from imgtk.batch.memory import MemoryBudget
from imgtk.engine.plan import Plan
from imgtk.image import Image
from imgtk.pipeline import Pipeline, Progress

MAX_BATCH = 16
"""Maximum number of images in a batch on a GPU by default. On a CPU each is computed by itself, which is faster
(docs/batches.md)."""

T = TypeVar("T")


@dataclass(eq=False)
class _Waiting:
    image: Image
    seconds: dict[str, float]
    notes: dict[str, None]
    plan: Callable[[Pipeline, Image], Plan]
    name: str | None
    budget: MemoryBudget | None
    result: Future[Image | None] = field(default_factory=Future)

    @property
    def kind(self) -> tuple[Any, ...]:
        return self.image.size, self.image.pixels.dtype, self.plan

    def finish(self, result: Image, seconds: float) -> None:
        self.seconds["compute"] = self.seconds.get("compute", 0.0) + seconds
        self.notes.update(dict.fromkeys(result.notes))
        if self.budget:
            self.budget.acquire(result.pixels.nbytes)
        self.result.set_result(result)

    def fail(self, error: Exception) -> None:
        del self.image  # frames that the error holds know of this object
        self.result.set_exception(error)


class DevicePool:
    """Pipelines, one per device, which compute images one after the other.

    Args:
        pipelines: one for each device.
        batch: maximum number of images that are computed together; None for one on a CPU and `MAX_BATCH` elsewhere.
            There are never more than `Pipeline.most_at_once`.
        ending: whether the run ends and nothing more is to be computed.
        progress: called after every tile.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        batch: int | None,
        ending: Callable[[], bool],
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.batch = batch or (1 if pipelines[0].device.type == "cpu" else MAX_BATCH)
        self.count = len(pipelines)
        self._pipeline = pipelines[0]  # only to ask
        self._ending, self._progress = ending, progress
        self._idle: SimpleQueue[Pipeline] = SimpleQueue()
        for pipeline in pipelines:
            self._idle.put(pipeline)
        self._waiting: deque[_Waiting] = deque()
        self._lock = Lock()
        self._threads: Executor

    @contextmanager
    def running(self, *, overlapping: bool) -> Iterator[None]:
        """Compute images within the block: in a thread for each device, or in the threads that ask for it."""
        with ThreadPoolExecutor(self.count) if overlapping else InlineExecutor() as self._threads:
            yield

    def at_once(self, plan: Plan) -> int:
        """Return how many images of a plan are computed at the same time, by all devices together."""
        return self.count * min(self.batch, self._pipeline.most_at_once(plan))

    def compute(
        self,
        image: Image,
        seconds: dict[str, float],
        notes: dict[str, None],
        *,
        plan: Callable[[Pipeline, Image], Plan] = Pipeline.plan_for,
        name: str | None = None,
        budget: MemoryBudget | None = None,
    ) -> Future[Image | None]:
        """Start computing an image; None in place of the result means that the run ended before.

        Args:
            image: the image.
            seconds: receives its share of the time, as "compute".
            notes: receives remarks for the user.
            plan: the plan; images whose plans come from several such functions share no batch.
            name: as for a call of `Pipeline`.
            budget: where the bytes of the result are taken from; the caller releases them.
        """
        waiting = _Waiting(image, seconds, notes, plan, name, budget)
        with self._lock:
            self._waiting.append(waiting)
        self._threads.submit(self._next)
        return waiting.result

    def call(self, function: Callable[[Pipeline], T]) -> T:
        """Return the result of a function that has a pipeline to itself."""
        return self._threads.submit(self._lending, function).result()

    def _lending(self, function: Callable[[Pipeline], T]) -> T:
        with self._lent() as pipeline:
            return function(pipeline)

    @contextmanager
    def _lent(self) -> Iterator[Pipeline]:
        """Lend the pipeline of a device, which nobody else uses meanwhile."""
        pipeline = self._idle.get()
        try:
            yield pipeline
        finally:
            self._idle.put(pipeline)

    def _next(self) -> None:
        """Compute the image that has waited longest, and what can share a batch with it."""
        with self._lent() as pipeline:
            with self._lock:
                if not self._waiting:  # the one before has taken it along
                    return
                first = self._waiting.popleft()
            try:
                plan = first.plan(pipeline, first.image)
            except Exception as error:
                first.fail(error)
                return
            most = min(self.batch, pipeline.most_at_once(plan))
            self._compute(pipeline, plan, [first, *self._alike(first, most - 1)])

    def _alike(self, first: _Waiting, most: int) -> list[_Waiting]:
        with self._lock:
            taken = [waiting for waiting in self._waiting if waiting.kind == first.kind][:most]
            for waiting in taken:
                self._waiting.remove(waiting)
        return taken

    def _compute(self, pipeline: Pipeline, plan: Plan, images: Sequence[_Waiting]) -> None:
        if self._ending():
            for waiting in images:
                waiting.result.set_result(None)
            return
        start = perf_counter()
        try:
            if len(images) == 1:
                results = [pipeline(images[0].image, self._progress, images[0].name, plan=plan)]
            else:
                results = pipeline.batch([waiting.image for waiting in images], plan, self._progress)
        except Exception as error:
            if len(images) == 1:
                images[0].fail(error)
            else:  # it may be the fault of one of them
                for waiting in images:
                    self._compute(pipeline, plan, [waiting])
            return
        seconds = (perf_counter() - start) / len(images)
        for waiting, result in zip(images, results, strict=True):
            waiting.finish(result, seconds)


class InlineExecutor(Executor):
    """An executor that does what it is given at once, in the caller's thread."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future
