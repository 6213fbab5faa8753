"""Processes images in a store: fetches each into a temporary folder, processes it, and sends the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

from imgtk.batch.jobs import Job, frames_folder, frames_in_store
from imgtk.batch.processor import Processor, RunState, disk_is_full
from imgtk.batch.report import Row
from imgtk.batch.timing import timed
from imgtk.errors import ImgtkError, ReadError, WriteError
from imgtk.io.temporary import temporary_folder

MAX_REFUSALS = 20
"""Images in a row that stores may refuse to give or take before the run ends."""


class Transfer:
    """Does images as a `Processor` does, wherever they are and their results go.

    Args:
        processor: does those of this machine.
        state: whether the run goes on.
    """

    def __init__(self, processor: Processor, state: RunState) -> None:
        self._processor, self._state = processor, state
        self._refused, self._counting = 0, Lock()

    def image(self, job: Job) -> Row | None:
        """Process one image or clip; its row names the URLs. See `Processor.image`."""
        if job.is_local:
            return self._processor.image(job)
        if job.error:
            return Row(job.path, "failed", exception=job.error)
        if self._state.ending:
            return None
        try:
            with scratch(), temporary_folder() as folder:
                row = self._between(job, folder)
        except ImgtkError as error:
            if disk_is_full(error):
                self._state.end(error)
                return None
            self._count(error)
            return Row(job.path, "failed", exception=error)
        self._refused = 0
        return row

    def _between(self, job: Job, folder: Path) -> Row | None:
        """Fetch an image into `folder` if it is not on this machine, do it, and send its result to a store."""
        here = replace(
            job,
            source=job.source if job.origin.is_local else folder / "in" / job.source,
            target=_result(job, job.target, folder),
            fallback=job.fallback and _result(job, job.fallback, folder),
        )
        moved: dict[str, float] = {}
        if not job.origin.is_local:
            here.source.parent.mkdir(parents=True)
            with timed(moved, "read"):
                job.origin.fetch(job.source, here.source)
        if not job.destination.is_local:
            here.target.parent.mkdir(parents=True)
        if frames_folder(here):
            return Row(job.path, "failed", exception=frames_in_store())
        row = self._processor.image(here, keep=False)
        if not row:
            return None
        output = row.output
        if output and not job.destination.is_local:
            path = Path(output).relative_to(folder / "out")
            with timed(moved, "write"):
                job.destination.send(Path(output), path)
            output = job.destination.name(path)
        if isinstance(row.exception, ImgtkError):
            target = job.destination.name(job.target)
            for local, name in ((here.source, job.path), (here.target, target)):
                row.exception.message = row.exception.message.replace(str(local), name)
        told = [stage for stage in ("read", "compute", "write") if stage in moved or stage in row.seconds]
        seconds = {stage: moved.get(stage, 0) + row.seconds.get(stage, 0) for stage in told}
        return replace(row, path=job.path, output=output, seconds=seconds)

    def _count(self, error: ImgtkError) -> None:
        """Count the images that could not be fetched or sent, except those that are no longer there."""
        if isinstance(error, ReadError) and isinstance(error.__cause__, FileNotFoundError):
            return
        with self._counting:
            self._refused += 1
        if self._refused >= MAX_REFUSALS:
            reason = f"given up after {MAX_REFUSALS} images in a row: {error}"
            self._state.end(type(error)(reason, hint="Run the same command with --resume to continue."))


def _result(job: Job, file: Path, folder: Path) -> Path:
    return file if job.destination.is_local else folder / "out" / file


@contextmanager
def scratch() -> Iterator[None]:
    """Raise WriteError if the disk for temporary files cannot be used."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"cannot write temporary files: {reason}", hint="Set TMPDIR to another folder.") from error
