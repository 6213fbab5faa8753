"""The line of an image that is in a store: fetched into a temporary folder, worked on there, and its result sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from threading import Event, Lock

from imgtk.batch.report import Row
from imgtk.batch.runner import Line, Order, disk_is_full
from imgtk.batch.sources import Job
from imgtk.batch.timing import timed
from imgtk.errors import ImgtkError, ReadError, UsageError, WriteError
from imgtk.io.temporary import remove_leftovers, temporary_folder
from imgtk.pipeline import Pipeline, Progress

REFUSED = 20
"""Images in a row that stores may refuse to give or take before the run ends."""


class StoredLine(Line):
    """A line whose images are in `order.stores`."""

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        order: Order,
        stop: Event,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__(pipelines, order, stop, progress)
        assert order.stores
        self._stores = order.stores
        self._refused, self._counting = 0, Lock()
        with _scratch():
            remove_leftovers(Path(gettempdir()))

    def image(self, job: Job) -> Row | None:
        """As of any `Line`; the row tells the places in the stores."""
        path = self._stores.url(job.source)
        if job.error or self._ending:
            return Row(path, "failed", exception=job.error) if job.error else None
        try:
            with _scratch(), temporary_folder() as folder:
                row = self._between(job, folder)
        except ImgtkError as error:
            if disk_is_full(error):
                self._end(error)
                return None
            self._count(error)
            return Row(path, "failed", exception=error)
        self._refused = 0
        return row and replace(row, path=path)

    def _clip(self, job: Job, seconds: dict[str, float]) -> Row | None:
        if job.suffix:
            raise no_frames()
        return super()._clip(job, seconds)

    def _between(self, job: Job, folder: Path) -> Row | None:
        """Fetch an image into `folder`, work on it there, and send the result."""
        here = replace(
            job,
            source=folder / job.source,
            target=folder / job.target,
            fallback=job.fallback and folder / job.fallback,
        )
        moved: dict[str, float] = {}
        for file in (here.source, here.target):
            file.parent.mkdir(parents=True, exist_ok=True)
        with timed(moved, "read"):
            self._stores.fetch(job.source, here.source)
        row = super().image(here)
        if row and row.output:
            result = Path(row.output)
            with timed(moved, "write"):
                self._stores.send(result, result.relative_to(folder))
            row = replace(row, output=self._stores.url(result.relative_to(folder)))
        if row and isinstance(row.exception, ImgtkError):
            for local in (here.source, here.target):
                url = self._stores.url(local.relative_to(folder))
                row.exception.message = row.exception.message.replace(str(local), url)
        if not row:
            return None
        told = [stage for stage in ("read", "compute", "write") if stage in moved or stage in row.seconds]
        return replace(row, seconds={stage: moved.get(stage, 0) + row.seconds.get(stage, 0) for stage in told})

    def _count(self, error: ImgtkError) -> None:
        """The images that could not be fetched or sent, but not those that are no longer there."""
        if isinstance(error, ReadError) and isinstance(error.__cause__, FileNotFoundError):
            return
        with self._counting:
            self._refused += 1
        if self._refused >= REFUSED:
            reason = f"given up after {REFUSED} images in a row: {error}"
            self._end(type(error)(reason, hint="The same command with --resume goes on."))

    def _end(self, error: Exception) -> None:
        self.failure = self.failure or error
        self._over.set()


@contextmanager
def _scratch() -> Iterator[None]:
    """Raises WriteError if the disk for temporary files cannot be used."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"cannot write temporary files: {reason}", hint="TMPDIR names another folder.") from error


def no_frames() -> UsageError:
    return UsageError(
        "frames become images, and images frames, on disks only, not from or to a store",
        hint="Use local paths, and copy the results; from or to a store, -o is a folder.",
    )


def line(pipelines: Sequence[Pipeline], order: Order, stop: Event) -> Line:
    """Where images are worked on, wherever they are."""
    return (StoredLine if order.stores else Line)(pipelines, order, stop)
