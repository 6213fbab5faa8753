"""A worker of a Ray cluster: an actor with one GPU or some cores, and the engine of a local run in it."""

from __future__ import annotations

import os
import pickle
import platform
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from imgtk import __version__
from imgtk.batch.engine import LocalEngine
from imgtk.batch.jobs import Job
from imgtk.batch.local import LOCAL
from imgtk.batch.options import RunOptions
from imgtk.batch.places import Place
from imgtk.batch.report import Row
from imgtk.engine import Settings
from imgtk.errors import ClusterError, ReadError
from imgtk.io.temporary import mark, remove_leftovers
from imgtk.pipeline import Pipeline


@dataclass(frozen=True)
class Task:
    """What a worker needs to know.

    Attributes:
        pipeline, settings: as of `Cluster`.
        options: the options of the run.
        cores: the number that it may use.
        folder: the current folder, to which names of files are relative.
        beacon: a file that exists while the run lasts; None if results go into a store.
        folders: the folders on disks that results go into.
        places: where images are.
        version: of imgtk.
    """

    pipeline: str
    settings: Settings
    options: RunOptions
    cores: int
    folder: Path
    beacon: Path | None
    folders: frozenset[Path] = frozenset()
    places: frozenset[Place] = frozenset({LOCAL})
    version: str = __version__


class Worker:
    """The engine of a local run, in a process of the cluster. Each call has a thread of its own.

    Args:
        task: what to do.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._stop, self._open = task, Event(), ExitStack()
        self._engine: LocalEngine

    def begin(self) -> str | Exception:
        """Prepare for images. Returns the prefix of the names of its temporary files, or the error."""
        try:
            self._check_version()
            for place in self._task.places:
                if not place.is_local:
                    _reach(place)
            if LOCAL in self._task.places or self._task.folders:
                _enter(self._task.folder)
            if self._task.beacon:
                _see(self._task.beacon)
            for folder in self._task.folders:  # a run before may have been killed on this machine
                remove_leftovers(folder)
            _use(self._task.cores)
            pipeline = Pipeline.from_yaml(self._task.pipeline, self._task.settings)
            pipeline.check()
            self._engine = LocalEngine([pipeline], self._task.options, self._stop)
            self._open.enter_context(self._engine.computing())
        except Exception as error:
            return _portable(error)
        return mark()

    def _check_version(self) -> None:
        if self._task.version != __version__:
            raise ClusterError(
                f"{platform.node()} has imgtk {__version__}, and the run was started by {self._task.version}"
            )

    def image(self, job: Job) -> tuple[Row | None, Exception | None]:
        """Return the row of an image, as `LocalEngine.image` does, and why no further one can be processed."""
        row = self._engine.image(job)
        if row and row.exception:
            row = replace(row, exception=_portable(row.exception))
        return row, self._engine.failure and _portable(self._engine.failure)

    def stop(self) -> None:
        """Finish the images in progress, and start no others."""
        self._stop.set()


def _enter(folder: Path) -> None:
    """Make `folder` the current one, so that relative names mean the same as on the machine of the command."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"{platform.node()} cannot enter {folder}, where the run was started: {error.strerror}",
            hint="All machines need the same files under the same names: start it on a shared disk.",
        ) from None


def _see(beacon: Path) -> None:
    """Check that results go to the same folder as those of the other machines."""
    if not beacon.exists():
        raise ClusterError(
            f"{platform.node()} does not see the files in {beacon.parent} of the machine that started the run",
            hint="Results need a disk that all machines share.",
        )


def _reach(place: Place) -> None:
    """Check that this machine can access the images in a store."""
    try:
        place.check()
    except ReadError as error:
        raise ClusterError(
            f"{platform.node()} {error}",
            hint="Each machine needs keys and endpoints of its own: in a file, or in the environment of `ray start`.",
        ) from None


def _use(cores: int) -> None:
    """Compute with so many threads: Ray counts cores, but does not limit processes to them."""
    import cv2
    import torch

    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)


def _portable(error: Exception) -> Exception:
    """Return the error, or an equivalent one if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
