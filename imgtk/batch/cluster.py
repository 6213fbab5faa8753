"""A run over a Ray cluster: paths go to workers, rows come back, and pixels stay where they are computed.

A worker is an actor that has one GPU, or some cores, and in it the engine of a local run. The pool hands each worker as
many images as it works on at the same time, so an image that is lost with its worker is known, and goes to another.
"""

from __future__ import annotations

import os
import pickle
import platform
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from imgtk import __version__
from imgtk.batch.connection import INTERVAL, connected
from imgtk.batch.report import Row
from imgtk.batch.runner import Line, Order, default_threads, skipped
from imgtk.batch.sources import Job, frames_folder
from imgtk.batch.stored import line
from imgtk.batch.stores import Stores
from imgtk.engine import Settings
from imgtk.errors import ClusterError, ReadError, UsageError, WriteError
from imgtk.io.temporary import mark, remove_leftovers, remove_marked, temporary
from imgtk.pipeline import Pipeline
from imgtk.video.folder import written

CORES = 4
"""Of a worker, unless the user says otherwise or no machine of the cluster has as many."""

TRIES = 3
"""Workers that an image may cost before it fails; the later ones work on nothing else meanwhile."""

START = 900.0
"""Seconds in which a first worker must have started: machines that a cluster adds take minutes."""

STARTS = 3
"""Workers in a row that may die before they are ready."""

FINISH = 60.0
"""Seconds that workers are given to finish what they compute or write when a run ends early."""


@dataclass(frozen=True)
class Cluster:
    """Workers on a Ray cluster; the `engine` of `run_jobs`.

    All machines need the same imgtk, and see the files under the same names, from the same current folder.

    Args:
        pipeline: a YAML document, as `Pipeline.yaml` gives it.
        settings: of the `Pipeline` in each worker; `device` is "auto" (GPUs, if the cluster has any), "cpu" or "cuda".
        address: HOST:PORT of the cluster's head; "auto" for the cluster that this machine belongs to; None for what
            `RAY_ADDRESS` says, or else for this machine alone.
        cores: of each worker. None for 4, or for all of the largest machine if it has fewer; with GPUs, for a GPU's
            share of its machine.
        workers: how many there may be. None for as many as the cluster has room for, and one that grows by itself is
            asked to.

    Raises:
        UsageError: for an address or a device of another kind.
        ClusterError: if Ray is not installed.
    """

    pipeline: str
    settings: Settings = field(default_factory=Settings)
    address: str | None = None
    cores: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        device = self.settings.device
        if device not in ("auto", "cpu", "cuda"):
            raise UsageError(
                f"the device {device} is one machine's: the workers of a cluster have one device each",
                hint="Use auto, cpu or cuda.",
            )
        if self.place not in (None, "auto") and not re.fullmatch(r"[^/]+:\d+", self.place):
            raise UsageError(f"{self.place!r} is no address of a Ray cluster", hint="Use auto or HOST:PORT.")
        if not find_spec("ray"):
            raise ClusterError("Ray is not installed", hint="pip install 'imgtk[ray]'")

    @property
    def place(self) -> str | None:
        """The address, or what the environment says in its place; None for this machine alone."""
        place = self.address or os.environ.get("RAY_ADDRESS") or "local"
        return None if place == "local" else place

    def __call__(self, order: Order, stop: Event) -> Pool:
        return Pool(self, order, stop)


@dataclass(frozen=True)
class Task:
    """What a worker has to know.

    Attributes:
        pipeline, settings: as of `Cluster`.
        order: what holds for all images.
        cores: that it may use.
        folder: the current one, of which the names of files are told.
        beacon: a file that is there while the run lasts; None if results go into a store.
        folders: those on a disk that results go into.
        version: of imgtk.
    """

    pipeline: str
    settings: Settings
    order: Order
    cores: int
    folder: Path
    beacon: Path | None
    folders: frozenset[Path] = frozenset()
    version: str = __version__


class Worker:
    """The engine of a local run, in a process of the cluster. Each call has a thread of its own.

    Args:
        task: what to do.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._stop, self._open = task, Event(), ExitStack()
        self._line: Line

    def begin(self) -> str | Exception:
        """Get ready. Gives what the names of its temporary files begin with, or what is wrong."""
        try:
            self._check_version()
            if self._task.order.stores:
                _reach(self._task.order.stores)
            else:
                _enter(self._task.folder)
            if self._task.beacon:
                _see(self._task.beacon)
            for folder in self._task.folders:  # a run before may have been killed on this machine
                remove_leftovers(folder)
            _use(self._task.cores)
            pipeline = Pipeline.from_yaml(self._task.pipeline, self._task.settings)
            pipeline.check()
            self._line = line([pipeline], self._task.order, self._stop)
            self._open.enter_context(self._line.computing())
        except Exception as error:
            return _portable(error)
        return mark()

    def _check_version(self) -> None:
        if self._task.version != __version__:
            raise ClusterError(
                f"{platform.node()} has imgtk {__version__}, and the run was started by {self._task.version}"
            )

    def image(self, job: Job) -> tuple[Row | None, Exception | None]:
        """What became of an image, as of `Line.image`, and why no further one can be done."""
        row = self._line.image(job)
        if row and row.exception:
            row = replace(row, exception=_portable(row.exception))
        return row, self._line.failure and _portable(self._line.failure)

    def stop(self) -> None:
        """Finish what is being computed or written, and nothing else."""
        self._stop.set()


def _enter(folder: Path) -> None:
    """Make `folder` the current one, so that names mean what they mean where the run was started."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"{platform.node()} cannot enter {folder}, where the run was started: {error.strerror}",
            hint="All machines need the same files under the same names: start it on a shared disk.",
        ) from None


def _see(beacon: Path) -> None:
    """Make sure that results go where those of the other machines go."""
    if not beacon.exists():
        raise ClusterError(
            f"{platform.node()} does not see the files in {beacon.parent} of the machine that started the run",
            hint="Results need a disk that all machines share.",
        )


def _reach(stores: Stores) -> None:
    """Find what keeps this machine from the images."""
    try:
        stores.check()
    except ReadError as error:
        raise ClusterError(
            f"{platform.node()} {error}",
            hint="Each machine needs keys and endpoints of its own: in a file, or in the environment of `ray start`.",
        ) from None


def _use(cores: int) -> None:
    """Compute with so many threads: Ray counts cores, but keeps nobody from using others."""
    import cv2
    import torch

    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same, if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@dataclass(eq=False)
class _Member:
    """A worker of the pool: `ready` is the call that it answers first, `mark` that answer; `calls` are its images."""

    actor: Any
    ready: Any
    mark: str | None = None
    calls: dict[Any, Job] = field(default_factory=dict)


class Pool:
    """Workers that come as the cluster has room for them, and go when nothing is left to do.

    Rows come in the order in which images are done. A worker that dies costs nothing: what it wrote of images that
    it had not told about is removed, and they are done again, after all others, each by a worker that does nothing else
    meanwhile. One that costs `TRIES` workers fails.

    Args:
        cluster: which one.
        order: what holds for all images.
        stop: once it is set, what is being computed or written is finished, and nothing else.

    Attributes:
        failure: why no further image can be done.
    """

    def __init__(self, cluster: Cluster, order: Order, stop: Event) -> None:
        self.cluster, self.order, self.stop = cluster, order, stop
        self.failure: Exception | None = None
        self._saves = Pipeline.from_yaml(cluster.pipeline, device="cpu").saves
        self._todo: deque[Job] = deque()
        self._again: deque[Job] = deque()
        self._lost: Counter[Job] = Counter()
        self._members: list[_Member] = []
        self._started, self._failed_starts = False, 0

    @contextmanager
    def running(
        self, jobs: Sequence[Job], done: Mapping[Job, Path | None], threads: int | None
    ) -> Iterator[Iterator[Row]]:
        """As of any `Engine`; `threads` are those of each worker.

        Raises:
            ClusterError: if the cluster cannot be reached.
            WriteError: if the folder of the results cannot be written to.
        """
        self._todo.extend(job for job in jobs if not (job.error or done.get(job)))
        known = (row for job in jobs if (row := self._known(job, done.get(job))))
        if not self._todo:
            yield known
            return
        folders = self.order.folders(self._todo)
        with connected(self.cluster.place) as connection, _beacon(min(folders)) if folders else nullcontext() as beacon:
            self._connection, self._connected = connection, monotonic()
            self._began = beacon.stat().st_mtime_ns if beacon else 0
            self._prepare(beacon, threads)
            try:
                yield self._rows(known)
            finally:
                self._dismiss()

    def _known(self, job: Job, file: Path | None) -> Row | None:
        """The row of an image that needs no worker."""
        if job.error:
            return Row(self.order.path(job), "failed", exception=job.error)
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
        overwrite = self.order.writing.overwrite
        settings = replace(self.cluster.settings, device="cuda" if gpu else "cpu", overwrite=overwrite)
        folders = self.order.folders(self._todo)
        task = Task(self.cluster.pipeline, settings, self.order, cores, Path.cwd(), beacon, folders)
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
        """What is wrong with the cluster."""
        if gone := self._connection.gone():
            self._members.clear()  # they cannot be told anything
            return ClusterError(
                f"the Ray cluster is gone: {gone} no longer answers", hint="The same command with --resume goes on."
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
        """Have its images done again; gives rows of those that were tried often enough."""
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
                path = self.order.path(job)
                yield Row(path, "failed", exception=ClusterError(f"cannot do {path}: {reason}"))

    def _clean(self, job: Job, mark: str) -> None:
        """Remove what a dead worker has written for an image: its temporary files, and what would keep the image
        from being written again."""
        moving, saved = job.moving, self._saves(job.name).values()
        for folder in self.order.folders([job]) | {file.parent for file in saved}:
            remove_marked(folder, mark)
        if self.order.writing.overwrite:
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
    """What the machines of the cluster have: "CPU", "GPU"."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _cores(machines: Sequence[Mapping[str, float]], gpu: bool) -> int:
    """Of each worker, unless the user chooses."""
    shares = [machine.get("CPU", 0) // machine["GPU"] for machine in machines if gpu and machine.get("GPU")]
    most = min(shares) if shares else min(CORES, max(machine.get("CPU", 0) for machine in machines))
    return max(1, int(most))


def _starting(member: _Member) -> tuple[Any, ...]:
    return () if member.mark else (member.ready,)


@contextmanager
def _beacon(folder: Path) -> Iterator[Path]:
    """A file in `folder`, by which workers tell that it is the same for them; gone in the end."""
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
