"""Runs from and to stores that fsspec knows, such as s3://bucket/photos: each picture is fetched into a temporary
folder, worked on there, and its result sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from glob import has_magic
from itertools import chain, takewhile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from imgtk.batch.report import Report, Row
from imgtk.batch.runner import Engine, Line, Order, check_resuming
from imgtk.batch.sources import Found, Job, named, without_conflicts
from imgtk.errors import ImgtkError, ReadError, UsageError, WriteError
from imgtk.io.formats import READABLE
from imgtk.io.write import replacing
from imgtk.pipeline import NAME, Pipeline, Progress
from imgtk.video import formats as video

IN, OUT = Path("in"), Path("out")
"""What stands for the store's folders in the paths of jobs, and lies in the temporary folder of a picture."""


def is_url(place: object) -> bool:
    """Whether a place is one in a store, or a file:// URL."""
    return bool(re.match(r"\w[\w+.-]*://", str(place)))


@dataclass(frozen=True)
class Stores:
    """Where pictures come from and results go.

    Args:
        source, target: folders, as fsspec URLs or local paths.
    """

    source: str
    target: str

    def url(self, path: Path) -> str:
        """What a path of a job, below `IN` or `OUT`, stands for."""
        root = self.source if path.parts[0] == IN.name else self.target
        return f"{root}/{PurePosixPath(*path.parts[1:])}"

    def fetch(self, path: Path, file: Path) -> None:
        """Copy a picture into a local file. Raises ReadError."""
        url = self.url(path)
        try:
            store, name = _store(url)
            store.get_file(name, str(file))
        except Exception as error:  # each store has its own kinds
            raise ReadError(f"cannot read {url}: {_reason(error)}") from error

    def send(self, file: Path, path: Path) -> None:
        """Copy a local file to a result's place, where it appears as a whole. Raises WriteError."""
        url = self.url(path)
        try:
            store, name = _store(url)
            store.makedirs(name.rpartition("/")[0], exist_ok=True)
            if isinstance(store, LocalFileSystem):
                with replacing(Path(name)) as copy, file.open("rb") as result:
                    while block := result.read(1 << 20):
                        copy.write(block)
            else:
                store.put_file(str(file), name)
        except WriteError:
            raise
        except Exception as error:
            raise WriteError(f"cannot write {url}: {_reason(error)}") from error


def list_stored(
    word: str, output: str, *, suffix: str | None = None, recursive: bool = False
) -> tuple[list[Job], Stores]:
    """The pictures in a store, and where each result goes; named as by `list_jobs`.

    Args:
        word: a folder, a pattern or a picture; a URL or a local path.
        output: the folder of the results; a URL or a local path.
        suffix, recursive: as of `list_jobs`.

    Raises:
        UsageError: if the results would lie among the pictures, a store cannot be used, or frames are to become
            pictures, or pictures frames.
        ReadError: if there are no pictures, or they cannot be listed.
    """
    if PurePosixPath(output).suffix.lower() in video.MOVING:
        raise _no_frames()
    store, root = _store(word)
    results, below = _store(output)
    try:
        files, root = _files(store, root, recursive)
    except Exception as error:
        raise ReadError(f"cannot list {word}: {_reason(error)}") from error
    below = below.rstrip("/")
    if type(store) is type(results) and root == below:
        raise UsageError(f"the results would lie among the pictures of {word}", hint="Name another folder with -o.")
    if type(store) is type(results):
        files = [file for file in files if not file.startswith(f"{below}/")]
    found = []
    for file in files:
        inner = PurePosixPath(file[len(root) :].lstrip("/"))
        hidden = any(part.startswith(".") for part in inner.parts)
        if not hidden and inner.suffix.lower() in (*READABLE, *(video.READABLE if has_magic(word) else ())):
            found.append(Found(IN / inner, Path(inner.parent), OUT))
    if not found:
        raise ReadError(f"there are no pictures in {word}")
    jobs = named(found, suffix, False)
    if any(job.suffix for job in jobs):
        raise _no_frames()
    return jobs, Stores(store.unstrip_protocol(root), results.unstrip_protocol(below))


def _files(store: Any, root: str, recursive: bool) -> tuple[list[str], str]:
    """The files that a place in a store stands for, and the folder that they are in."""
    if has_magic(root):
        parts = takewhile(lambda part: not has_magic(part), root.split("/"))
        return sorted(store.glob(root)), "/".join(parts)
    if store.isfile(root):
        return [root], root.rpartition("/")[0]
    root = root.rstrip("/")
    return sorted(store.find(root, maxdepth=None if recursive else 1)), root


def run_stored(
    pipelines: Sequence[Pipeline],
    jobs: Sequence[Job],
    stores: Stores,
    order: Order,
    *,
    resume: bool = False,
    report: Path | None = None,
    threads: int | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    engine: Callable[[Order, Event], Engine] | None = None,
) -> Iterator[Row]:
    """Do `jobs`, as `run_jobs` does, between `stores`; those that are skipped come first.

    Raises:
        UsageError: if the pipeline has `save` stages, which write local files.
        ImgtkError: as `run_jobs` does.
    """
    writing = order.writing
    check_resuming(writing, resume)
    if pipelines[0].saves(NAME):
        raise UsageError("`save` stages write files of this machine, and the pictures are in a store")
    jobs = without_conflicts(jobs, lambda job: ())
    for pipeline in pipelines:
        pipeline.check()
    ledger = Report(report, resume=resume, overwrite=writing.overwrite) if report else None
    there = _results(stores)
    done = {job: file for job in jobs if resume and (file := _result(job, stores, there))}
    todo = [job for job in jobs if job not in done]
    if not (resume or writing.overwrite):
        todo = [_kept(job, stores, there) for job in todo]
    order = replace(order, writing=replace(writing, overwrite=True), stores=stores)
    stop = stop or Event()
    working = engine(order, stop) if engine else StoredLine(pipelines, order, stop, progress)
    kept = (Row(stores.url(job.source), "skipped", stores.url(file)) for job, file in done.items())
    with ExitStack() as stack:
        rows = stack.enter_context(working.running(todo, {}, threads))
        if ledger:
            ledger.open({stores.url(job.source) for job in todo})
            stack.callback(ledger.close)
        for row in chain(kept, rows):
            if ledger:
                ledger.add(row)
            yield row
    if working.failure:
        raise working.failure


def _results(stores: Stores) -> Mapping[str, int]:
    """The files below the folder of the results, and their sizes."""
    store, root = _store(stores.target)
    with suppress(FileNotFoundError):
        files: dict[str, Any] = store.find(root, detail=True)
        return {name: file["size"] for name, file in files.items()}
    return {}


def _result(job: Job, stores: Stores, there: Mapping[str, int]) -> Path | None:
    """The file in which an earlier run has left the result, if it is whole and no older than the picture."""
    for file in (job.target, job.fallback, job.moving.target):
        if file:
            results, name = _store(stores.url(file))
            if there.get(name):
                store, source = _store(stores.url(job.source))
                if results.modified(name) >= store.modified(source):
                    return file
    return None


def _kept(job: Job, stores: Stores, there: Mapping[str, int]) -> Job:
    """The job; it fails if its result is there, which is not to be replaced."""
    for file in (job.target, job.fallback, job.moving.target):
        if file and _store(stores.url(file))[1] in there:
            hint = "Choose another name, or replace it with --overwrite (overwrite=True)."
            return replace(job, error=WriteError(f"cannot write {stores.url(file)}: it exists", hint=hint))
    return job


class StoredLine(Line):
    """A line whose pictures are in `order.stores`."""

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

    def picture(self, job: Job) -> Row | None:
        """As of any `Line`; the row tells the places in the stores."""
        path = self._stores.url(job.source)
        if job.error or self._ending:
            return Row(path, "failed", exception=job.error) if job.error else None
        with TemporaryDirectory(prefix="imgtk-") as name:
            folder = Path(name)
            here = replace(
                job,
                source=folder / job.source,
                target=folder / job.target,
                fallback=job.fallback and folder / job.fallback,
            )
            try:
                for file in (here.source, here.target):
                    file.parent.mkdir(parents=True, exist_ok=True)
                self._stores.fetch(job.source, here.source)
                row = super().picture(here)
                if row and row.output:
                    result = Path(row.output)
                    self._stores.send(result, result.relative_to(folder))
                    row = replace(row, output=self._stores.url(result.relative_to(folder)))
            except (ImgtkError, OSError) as error:
                return Row(path, "failed", exception=error)
            if row and isinstance(row.exception, ImgtkError):
                for local in (here.source, here.target):
                    told = self._stores.url(local.relative_to(folder))
                    row.exception.message = row.exception.message.replace(str(local), told)
            return row and replace(row, path=path)

    def _clip(self, job: Job, seconds: dict[str, float]) -> Row | None:
        if job.suffix:
            raise _no_frames()
        return super()._clip(job, seconds)


def _no_frames() -> UsageError:
    return UsageError(
        "frames become pictures, and pictures frames, on disks only, not from or to a store",
        hint="Use local paths, and copy the results; from or to a store, -o is a folder.",
    )


def line(pipelines: Sequence[Pipeline], order: Order, stop: Event) -> Line:
    """Where pictures are worked on, wherever they are."""
    return (StoredLine if order.stores else Line)(pipelines, order, stop)


def _store(url: str) -> tuple[Any, str]:
    """The file system of a URL or a path, and the name in it.

    Raises:
        UsageError: if there is no such store, or its library is missing.
    """
    try:
        store, name = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"cannot use {url}: {_reason(error)}") from None
    return store, name


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
