"""Jobs: what clients have asked for, in memory. A fair queue, one task for each worker, and results that expire."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from imgtk.serve.job import FAILED_STATES, Job, State
from imgtk.serve.options import Limits
from imgtk.serve.pool import WorkerDied, WorkerHandle
from imgtk.serve.problem import IN_THE_LOG, Problem

__all__ = ["FairQueue", "Jobs"]

SWEEP_SECONDS = 5
"""Seconds between two checks for expired jobs."""

log = logging.getLogger("imgtk.serve")


class FairQueue:
    """Jobs that wait. Clients take turns, each with its jobs in order."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._some = asyncio.Condition()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def put(self, job: Job) -> None:
        """Add a job behind its client's others."""
        async with self._some:
            self._waiting.setdefault(job.client, deque()).append(job)
            self._some.notify()

    async def take(self) -> Job:
        """Return the next job, as soon as there is one."""
        async with self._some:
            await self._some.wait_for(lambda: len(self))
            client, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[client] = jobs
            return job

    def remove(self, job: Job) -> None:
        """Take out a job that may be in it."""
        jobs = self._waiting.get(job.client, deque())
        if job in jobs:
            jobs.remove(job)
        if not jobs:
            self._waiting.pop(job.client, None)

    def position(self, job: Job) -> int | None:
        """Return how many jobs are done before a waiting one; None if it does not wait."""
        own = list(self._waiting.get(job.client, ()))
        if job not in own:
            return None
        rank = own.index(job)
        clients = list(self._waiting)
        earlier = clients.index(job.client)
        turns = (min(len(jobs), rank + (place < earlier)) for place, jobs in enumerate(self._waiting.values()))
        return sum(turn for turn, client in zip(turns, clients, strict=True) if client != job.client) + rank


class Jobs:
    """All jobs of a server.

    Args:
        workers: what computes them.
        limits: how many there may be, and for how long.
        folder: where their files are.

    Attributes:
        finished: how many jobs have ended since the start, by state.
        compute_seconds: for how long workers have computed since the start.
    """

    def __init__(self, workers: Sequence[WorkerHandle], limits: Limits, folder: Path) -> None:
        self.workers, self.limits, self.folder = workers, limits, folder
        self.finished: dict[str, int] = dict.fromkeys(("done", "failed", "cancelled"), 0)
        self.compute_seconds = 0.0
        self._jobs: dict[str, Job] = {}
        self._queue = FairQueue()
        self._arriving: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._draining = False

    @property
    def waiting(self) -> int:
        """Number of jobs in the queue."""
        return len(self._queue)

    @property
    def computing(self) -> int:
        """Number of jobs that workers compute."""
        return sum(job.state is State.RUNNING for job in self._jobs.values())

    @property
    def kept_bytes(self) -> int:
        """Bytes of the files of all jobs."""
        return sum(job.nbytes for job in self._jobs.values())

    def start(self) -> None:
        """Start to take jobs from the queue."""
        self._tasks = [asyncio.create_task(self._work(worker)) for worker in self.workers]
        self._tasks.append(asyncio.create_task(self._sweep()))

    @contextmanager
    def arriving(self, client: str) -> Iterator[None]:
        """Reserve a place for a job while its image is sent. Raises Problem if there is none."""
        unfinished = sum(job.client == client and not job.finished for job in self._jobs.values())
        if self._draining:
            raise Problem(503, "ending", "the server is shutting down", headers={"Retry-After": "30"})
        if unfinished + self._arriving.get(client, 0) >= self.limits.per_client:
            raise _full(
                f"you already have {self.limits.per_client} unfinished jobs, the most that one client may have", 429
            )
        if len(self._queue) + sum(self._arriving.values()) >= self.limits.queue:
            raise _full(f"the queue is full: {self.limits.queue} jobs are waiting", 503)
        self._arriving[client] = self._arriving.get(client, 0) + 1
        try:
            yield
        finally:
            self._arriving[client] -= 1
            if not self._arriving[client]:
                del self._arriving[client]

    async def add(self, job: Job) -> None:
        """Put a job into the queue. Raises Problem if its client asks for too much at once."""
        pixels = sum(other.pixels for other in self._jobs.values() if other.client == job.client and not other.finished)
        if pixels + job.pixels > self.limits.client_pixels and pixels:
            raise _full(
                f"the results of your unfinished jobs would have more than {self.limits.client_pixels:,} pixels", 429
            )
        self._jobs[job.id] = job
        log.info("job queued", extra={"job": job.id[:8]})
        await self._queue.put(job)

    def get(self, name: str, client: str) -> Job:
        """Return a client's job. Raises Problem if it has none of that id."""
        job = self._jobs.get(name)
        if job is None or job.client != client:
            raise Problem(
                404, "no-job", "you have no such job", "Jobs expire, and those of other clients cannot be seen."
            )
        return job

    def position(self, job: Job) -> int | None:
        """Return how many jobs are done before a waiting one."""
        return self._queue.position(job)

    def cancel(self, job: Job) -> None:
        """Stop a job that is unfinished; remove one that is finished."""
        if job.finished:
            self._remove(job)
        elif job.state is State.QUEUED:
            self._queue.remove(job)
            self._finish(job, State.CANCELLED)
        else:
            job.stop()

    async def drain(self, seconds: float) -> None:
        """Refuse new jobs, fail those that wait, and give those that run `seconds` to end."""
        self._draining = True
        for job in list(self._jobs.values()):
            if job.state is State.QUEUED:
                self._queue.remove(job)
                self._finish(job, State.FAILED, Problem(503, "ending", "the server was shut down", "Send it again."))
        end = monotonic() + seconds
        while self.computing and monotonic() < end:
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Stop all jobs and workers."""
        self._draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in list(self._jobs.values()):
            if not job.finished:
                self._finish(job, State.FAILED, Problem(503, "ending", "the server was shut down", "Send it again."))
        await asyncio.gather(*(worker.close() for worker in self.workers))

    async def _work(self, worker: WorkerHandle) -> None:
        """Compute one job after the other on a worker."""
        while True:
            await worker.wait_ready()
            job = await self._queue.take()
            try:
                await self._do(worker, job)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("a job could not be done")
                self._finish(job, State.FAILED, Problem(500, "internal", "something unexpected went wrong", IN_THE_LOG))

    async def _do(self, worker: WorkerHandle, job: Job) -> None:
        job.begin()
        log.info("job running", extra={"job": job.id[:8], "worker": worker.label})
        call = asyncio.ensure_future(worker.call(job.task, job.advance))
        stop = asyncio.ensure_future(job.stopping.wait())
        try:
            await asyncio.wait({call, stop}, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            late = not call.done() and not job.stopping.is_set()
            if not call.done():
                worker.cancel()
                await asyncio.wait({call}, timeout=self.limits.cancel_seconds)
            if not call.done():
                log.warning("worker does not stop and is killed", extra={"job": job.id[:8], "worker": worker.label})
                worker.kill()
                await asyncio.wait({call})
            self._conclude(job, call, late)
        finally:
            stop.cancel()
            if not call.done():
                call.cancel()

    def _conclude(self, job: Job, call: asyncio.Future[dict[str, object] | None], late: bool) -> None:
        error = call.exception()
        if job.stopping.is_set():
            self._finish(job, State.CANCELLED)
        elif late:
            detail = f"the job took longer than {self.limits.seconds:g} seconds and was stopped"
            self._finish(job, State.FAILED, Problem(422, "timeout", detail, "Send a smaller image."))
        elif isinstance(error, Problem):
            self._finish(job, State.FAILED, error)
        elif isinstance(error, WorkerDied):
            detail = f"the process that computed this job ended unexpectedly ({error}); it was replaced"
            hint = "It may have run out of memory: try a smaller image, or try again."
            self._finish(job, State.FAILED, Problem(500, "crashed", detail, hint))
        elif error is not None:
            raise error
        else:
            job.accept(call.result() or {})
            self._finish(job, State.DONE)

    def _finish(self, job: Job, state: State, problem: Problem | None = None) -> None:
        job.finish(state, problem)
        if state in FAILED_STATES:
            shutil.rmtree(job.folder, ignore_errors=True)
        self.finished[state.value] += 1
        self.compute_seconds += job.seconds
        log.info(f"job {state.value}", extra={"job": job.id[:8], "seconds": round(job.seconds, 3)})

    def _remove(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self.limits.keep_seconds / 4))
            self.expire()

    def expire(self) -> None:
        """Remove jobs that finished too long ago, and the oldest ones if all take too much space."""
        finished = sorted((job for job in self._jobs.values() if job.finished), key=lambda job: job.ended)
        kept = sum(job.nbytes for job in finished)
        now = monotonic()
        for job in finished:
            if now - job.ended > self.limits.keep_seconds or kept > self.limits.keep_bytes:
                kept -= job.nbytes
                self._remove(job)


def _full(what: str, status: int) -> Problem:
    return Problem(status, "queue-full", what, "Try again in a few seconds.", headers={"Retry-After": "2"})
