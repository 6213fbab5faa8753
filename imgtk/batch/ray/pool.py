"""`RayEngine`: sends paths to the workers of a Ray cluster and receives rows; pixels stay where they are computed.

The engine gives each worker as many images as it processes at the same time, so an image that is lost with its worker
is known, and goes to another one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from imgtk.batch.engine import default_threads, skipped
from imgtk.batch.jobs import Job, frames_folder, local_folders
from imgtk.batch.options import RunOptions
from imgtk.batch.ray.config import Cluster
from imgtk.batch.ray.connection import INTERVAL, connected
from imgtk.batch.ray.worker import Task, Worker
from imgtk.batch.report import Row
from imgtk.errors import ClusterError, WriteError
from imgtk.io.temporary import remove_marked, temporary
from imgtk.pipeline import Pipeline
from imgtk.video.folder import written

CORES = 4
"""CPU cores per worker, unless the user sets another number or no machine of the cluster has as many."""

TRIES = 3
"""Workers that an image may cost before it fails; the later ones work on nothing else meanwhile."""

START = 900.0
"""Seconds in which a first worker must have started: machines that a cluster adds take minutes."""

STARTS = 3
"""Workers in a row that may die before they are ready."""

FINISH = 60.0
"""Seconds that workers are given to finish what they compute or write when a run ends early."""


@dataclass(eq=False)
class _Member:
    """A worker of the pool: `ready` is the call that it answers first, `mark` that answer; `calls` are its images."""

    actor: Any
    ready: Any
    mark: str | None = None
    calls: dict[Any, Job] = field(default_factory=dict)


class RayEngine:
    """Workers that come as the cluster has room for them, and go when nothing is left to do.

    Rows come in the order in which images are done. A worker that dies costs nothing: what it wrote of images that
    it had not told about is removed, and they are done again, after all others, each by a worker that does nothing else
    meanwhile. One that costs `TRIES` workers fails.

    Args:
        cluster: which one.
        options: the options of the run.
        stop: once it is set, what is being computed or written is finished, and nothing else.

    Attributes:
        failure: why no further image can be processed.
    """

    def __init__(self, cluster: Cluster, options: RunOptions, stop: Event) -> None:
        self.cluster, self.options, self.stop = cluster, options, stop
        self.failure: Exception | None = None
        self._saves = Pipeline.from_yaml(cluster.pipeline, device="cpu").saves
        self._todo: deque[Job] = deque()
        self._again: deque[Job] = deque()
        self._lost: Counter[Job] = Counter()
        self._members: list[_Member] = []
        self._started, self._failed_starts = False, 0

    @contextmanager
    def running(self, jobs: Sequence[Job], done: Mapping[Job, Path], threads: int | None) -> Iterator[Iterator[Row]]:
        """Yield the rows of `jobs` as they finish; `threads` is the number of jobs per worker. See `Engine.running`.

        Raises:
            ClusterError: if the cluster cannot be reached.
            WriteError: if the folder of the results cannot be written to.
        """
        self._todo.extend(job for job in jobs if not (job.error or done.get(job)))
        known = (row for job in jobs if (row := self._known(job, done.get(job))))
        if not self._todo:
            yield known
            return
        folders = local_folders(self._todo)
        with connected(self.cluster.head) as connection, _beacon(min(folders)) if folders else nullcontext() as beacon:
            self._connection, self._connected = connection, monotonic()
            self._began = beacon.stat().st_mtime_ns if beacon else 0
            self._prepare(beacon, threads)
            try:
                yield self._rows(known)
            finally:
                self._dismiss()

    def _known(self, job: Job, file: Path | None) -> Row | None:
        """Return the row of an image that needs no worker."""
        if job.error:
            return Row(job.path, "failed", exception=job.error)
        return skipped(job, file) if file else None

    def _prepare(self, beacon: Path | None, threads: int | None) -> None:
        import ray

        machines = _machines()
        device = self.cluster.settings.device
        gpu = device == "cuda" or (device == "auto" and any(machine.get("GPU") for machine in machines))
        cores = self.cluster.cores or _cores(machines, gpu)
        self._threads = threads or default_threads(cores)
        self._needs = {"num_cpus": cores, "num_gpus": int(gpu)}
        self._room = sum(int(machine.get("GPU", 0) if gpu else machine.get("CPU", 0) // cores) for machine in machines)
        overwrite = self.options.writing.overwrite
        settings = replace(self.cluster.settings, device="cuda" if gpu else "cpu", overwrite=overwrite)
        folders = local_folders(self._todo)
        places = frozenset(job.origin for job in self._todo)
        task = Task(self.cluster.pipeline, settings, self.options, cores, Path.cwd(), beacon, folders, places)
        worker = ray.remote(Worker).options(**self._needs, max_concurrency=self._threads + 1)  # one for `stop`
        self._task, self._worker = ray.put(task), worker

    def _rows(self, known: Iterator[Row]) -> Iterator[Row]:
        import ray

        yield from known
        ending = False
        while True:
            if (self.stop.is_set() or self.failure) and not ending:
                ending = True
                for member in self._members:
                    member.actor.stop.remote()
            if ending:
                self._todo.clear()
                self._again.clear()
            self._hire()
            self._hand_out()
            answers = {call: member for member in self._members for call in (*member.calls, *_starting(member))}
            if not answers:
                return
            come, _ = ray.wait([*answers], timeout=INTERVAL)
            if come:
                come, _ = ray.wait([*answers], num_returns=len(answers), timeout=0)
            for call in come:
                if answers[call] in self._members:
                    yield from self._answered(answers[call], call)
            self.failure = self.failure or self._trouble()

    def _trouble(self) -> ClusterError | None:
        """Return the error of the cluster, if it has one."""
        if gone := self._connection.gone():
            self._members.clear()  # they cannot be told anything
            return ClusterError(
                f"the Ray cluster is gone: {gone} no longer answers",
                hint="Run the same command with --resume to continue.",
            )
        self._started = self._started or any(member.mark for member in self._members)
        if self._started or monotonic() - self._connected < START:
            return None
        has = {f"{machine.get('CPU', 0):g} cores and {machine.get('GPU', 0):g} GPUs" for machine in _machines()}
        return ClusterError(
            f"no worker has started in {START / 60:.0f} minutes: each needs {self._needs['num_cpus']} cores and "
            f"{self._needs['num_gpus']} GPUs; the machines have {'; '.join(sorted(has))}",
            hint="Try fewer --ray-cores, or wait until others have finished.",
        )

    def _hire(self) -> None:
        """Ask for workers while images wait: for as many as there is room for now, and where that grows, for twice as
        many as there are."""
        waiting = -(-len(self._todo) // self._threads) + len(self._again)
        most = max(self._room, 2 * sum(member.mark is not None for member in self._members), 1)
        most = min(most, self.cluster.workers or most)
        starting = sum(member.mark is None for member in self._members)
        for _ in range(min(most - len(self._members), waiting - starting)):
            actor = self._worker.remote(self._task)
            self._members.append(_Member(actor, actor.begin.remote()))
        if not waiting:
            for member in [member for member in self._members if not member.calls]:
                self._let_go(member)

    def _hand_out(self) -> None:
        for member in self._members:
            while member.mark and self._todo and len(member.calls) < self._threads:
                self._give(member, self._todo.popleft())
            if member.mark and self._again and not member.calls:
                self._give(member, self._again.popleft())

    def _give(self, member: _Member, job: Job) -> None:
        member.calls[member.actor.image.remote(job)] = job

    def _answered(self, member: _Member, call: Any) -> Iterator[Row]:
        """Take an answer of a worker, or its death."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            answer = ray.get(call)
        except RayTaskError:
            raise
        except RayError as error:
            yield from self._died(member, error)
            return
        if call == member.ready:
            self._failed_starts = 0
            if isinstance(answer, Exception):
                self.failure = self.failure or answer
                self._let_go(member)
            else:
                member.mark = answer
            return
        del member.calls[call]
        row, failure = answer
        self.failure = self.failure or failure
        if row:
            yield row

    def _died(self, member: _Member, error: Exception) -> Iterator[Row]:
        """Yield schedule the images of a dead worker again. Returns the rows of those that were tried often enough."""
        self._let_go(member)
        if member.mark is None:
            self._failed_starts += 1
            if self._failed_starts == STARTS:
                reason = (str(error).strip().splitlines() or ["it does not say why"])[-1]
                self.failure = self.failure or ClusterError(f"Ray cannot start workers: {reason}")
            return
        for job in member.calls.values():
            self._clean(job, member.mark)
            self._lost[job] += 1
            if self._lost[job] < TRIES:
                self._again.append(job)
            else:
                reason = f"{TRIES} workers have died of it: perhaps it needs more memory than a worker has"
                yield Row(job.path, "failed", exception=ClusterError(f"cannot process {job.path}: {reason}"))

    def _clean(self, job: Job, mark: str) -> None:
        """Remove what a dead worker has written for an image: its temporary files, and what would keep the image
        from being written again."""
        moving, saved = job.moving, self._saves(job.name).values()
        for folder in local_folders([job]) | {file.parent for file in saved}:
            remove_marked(folder, mark)
        if self.options.writing.overwrite or not job.destination.is_local:
            return
        files = [file for file in (job.target, job.fallback, moving.target, *saved) if file]
        frames = frames_folder(job)
        for file in (*files, *(written(frames, moving.suffix) if frames else ())):
            with suppress(OSError):
                if file.stat().st_mtime_ns > self._began:
                    file.unlink()
        if frames:
            with suppress(OSError):  # something else is in it, or it is not there
                frames.rmdir()

    def _let_go(self, member: _Member) -> None:
        import ray

        self._members.remove(member)
        ray.kill(member.actor)

    def _dismiss(self) -> None:
        """Let the workers finish, and end them."""
        import ray

        calls = [call for member in self._members for call in member.calls]
        for member in self._members if calls else ():
            member.actor.stop.remote()
        if calls:
            ray.wait(calls, num_returns=len(calls), timeout=FINISH)
        for member in [*self._members]:
            self._let_go(member)


def _machines() -> list[Mapping[str, float]]:
    """Return the resources of the cluster's machines: "CPU", "GPU"."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _cores(machines: Sequence[Mapping[str, float]], gpu: bool) -> int:
    """Return the number of CPU cores per worker if the user chooses none."""
    shares = [machine.get("CPU", 0) // machine["GPU"] for machine in machines if gpu and machine.get("GPU")]
    most = min(shares) if shares else min(CORES, max(machine.get("CPU", 0) for machine in machines))
    return max(1, int(most))


def _starting(member: _Member) -> tuple[Any, ...]:
    return () if member.mark else (member.ready,)


@contextmanager
def _beacon(folder: Path) -> Iterator[Path]:
    """Create a file in `folder`, by which workers recognise that they see the same folder, for the duration of the
    block."""
    path = temporary(folder / "beacon")
    try:
        path.touch()
    except OSError as error:
        raise WriteError(f"cannot write into {folder}: {error.strerror}") from error
    try:
        yield path
    finally:
        with suppress(OSError):  # of a disk that has become read-only
            path.unlink()
