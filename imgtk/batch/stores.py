"""Runs from and to stores that fsspec knows, such as s3://bucket/photos."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from glob import has_magic
from itertools import chain, takewhile
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from imgtk.batch.report import Report, Row
from imgtk.batch.runner import FULL, Engine, Order, check_resuming
from imgtk.batch.sources import Found, Job, made_folders, named, without_conflicts
from imgtk.batch.stored import StoredLine, no_frames
from imgtk.errors import ReadError, UsageError, WriteError
from imgtk.io.formats import READABLE
from imgtk.io.temporary import remove_leftovers
from imgtk.io.write import replacing
from imgtk.pipeline import NAME, Pipeline, Progress
from imgtk.video import formats as video

ANSWER = 60.0
"""Seconds that a store may take for its first answer."""

MOST = 300
"""Characters of what a store says about an error."""

IN, OUT = Path("in"), Path("out")
"""What stands for the store's folders in the paths of jobs, and lies in the temporary folder of an image."""


def is_url(place: object) -> bool:
    """Whether a place is one in a store, or a file:// URL."""
    return bool(re.match(r"\w[\w+.-]*://", str(place)))


@dataclass(frozen=True)
class Stores:
    """Where images come from and results go.

    Args:
        source, target: folders, as fsspec URLs or local paths.
    """

    source: str
    target: str

    def url(self, path: Path) -> str:
        """What a path of a job, below `IN` or `OUT`, stands for."""
        root = self.source if path.parts[0] == IN.name else self.target
        return f"{root}/{PurePosixPath(*path.parts[1:])}"

    def place(self, path: Path) -> tuple[Any, str]:
        """The file system of a path of a job, and the name in it."""
        store, root = _store(self.source if path.parts[0] == IN.name else self.target)
        return store, f"{root.rstrip('/')}/{PurePosixPath(*path.parts[1:])}"

    def folders(self, jobs: Iterable[Job]) -> set[Path]:
        """Those on a disk that the results go into; none if they go into a store."""
        if not isinstance(_store(self.target)[0], LocalFileSystem):
            return set()
        return {Path(self.place(job.target)[1]).parent for job in jobs}

    def check(self) -> None:
        """Find what keeps this machine from the images, which another one has listed. Raises ReadError."""
        store, root = _store(self.source)
        try:
            _answer(partial(store.info, root))
        except PermissionError:
            return  # to look at the folder is not needed to read what is in it
        except Exception as error:
            raise ReadError(f"cannot read {self.source}: {_reason(error)}") from error

    def fetch(self, path: Path, file: Path) -> None:
        """Copy an image into a local file. Raises ReadError."""
        url = self.url(path)
        try:
            store, name = self.place(path)
            store.get_file(name, str(file))
        except Exception as error:  # each store has its own kinds
            if isinstance(error, OSError) and error.errno in FULL:
                raise WriteError(f"cannot write {file}: {error.strerror}") from error
            raise ReadError(f"cannot read {url}: {_reason(error)}") from error

    def send(self, file: Path, path: Path) -> None:
        """Copy a local file to a result's place, where it appears as a whole. Raises WriteError."""
        url = self.url(path)
        try:
            store, name = self.place(path)
            if not _bucket(name):
                store.makedirs(name.rpartition("/")[0], exist_ok=True)
            if isinstance(store, LocalFileSystem):
                with replacing(Path(name)) as copy, file.open("rb") as result:
                    while block := result.read(1 << 20):
                        copy.write(block)
            else:
                store.put_file(str(file), name)
        except WriteError:
            raise
        except FileNotFoundError as error:
            raise WriteError(f"cannot write {url}: its bucket or folder is missing") from error
        except Exception as error:
            raise WriteError(f"cannot write {url}: {_reason(error)}") from error


def list_stored(
    word: str, output: str, *, suffix: str | None = None, recursive: bool = False
) -> tuple[list[Job], Stores]:
    """The images in a store, and where each result goes; named as by `list_jobs`.

    Args:
        word: a folder, a pattern or an image; a URL or a local path.
        output: the folder of the results; a URL or a local path.
        suffix, recursive: as of `list_jobs`.

    Raises:
        UsageError: if the results would lie among the images, a store cannot be used, or frames are to become
            images, or images frames.
        ReadError: if there are no images, or they cannot be listed.
    """
    if PurePosixPath(output).suffix.lower() in video.MOVING:
        raise no_frames()
    store, root = _store(word)
    results, below = _store(output)
    try:
        files, root = _files(store, root, recursive)
    except Exception as error:
        raise ReadError(f"cannot list {word}: {_reason(error)}") from error
    below = below.rstrip("/")
    if type(store) is type(results) and root == below:
        raise UsageError(f"the results would lie among the images of {word}", hint="Name another folder with -o.")
    if type(store) is type(results):
        files = [file for file in files if not file.startswith(f"{below}/")]
    found = []
    for file in files:
        inner = PurePosixPath(file[len(root) :].lstrip("/"))
        hidden = any(part.startswith(".") for part in inner.parts)
        if not hidden and inner.suffix.lower() in (*READABLE, *(video.READABLE if has_magic(word) else ())):
            found.append(Found(IN / inner, Path(inner.parent), OUT))
    if not found:
        if _lacks_bucket(store, root):
            raise ReadError(f"cannot list {word}: there is no bucket {_bucket(root)}")
        raise ReadError(f"there are no images in {word}")
    jobs = named(found, suffix, False)
    if any(job.suffix for job in jobs):
        raise no_frames()
    return jobs, Stores(store.unstrip_protocol(root), results.unstrip_protocol(below))


def _files(store: Any, root: str, recursive: bool) -> tuple[list[str], str]:
    """The files that a place in a store stands for, and the folder that they are in."""
    store.invalidate_cache()  # of an earlier run in this process
    folder = "/".join(takewhile(lambda part: not has_magic(part), root.split("/"))).rstrip("/")
    if _answer(partial(store.isfile, folder)) and not has_magic(root):
        return [root], root.rpartition("/")[0]
    files: list[str] = []
    with suppress(FileNotFoundError):
        if has_magic(root):
            files = store.glob(root)
        elif recursive:
            files = store.find(folder)
        else:  # `find` would take a folder that may not be listed for an empty one
            files = [entry["name"] for entry in store.ls(folder, detail=True) if entry["type"] != "directory"]
    return sorted(files), folder


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
        raise UsageError("`save` stages write files of this machine, and the images are in a store")
    jobs = without_conflicts(jobs, lambda job: ())
    for pipeline in pipelines:
        pipeline.check()
    ledger = Report(report, resume=resume, overwrite=writing.overwrite) if report else None
    there = {} if writing.overwrite else _results(stores)
    done = {job: file for job in jobs if resume and (file := _result(job, stores, there))}
    todo = [job for job in jobs if job not in done]
    if not (resume or writing.overwrite):
        todo = [_kept(job, stores, there) for job in todo]
    order = replace(order, writing=replace(writing, overwrite=True), stores=stores)
    stop = stop or Event()
    working = engine(order, stop) if engine else StoredLine(pipelines, order, stop, progress)
    kept = (Row(stores.url(job.source), "skipped", stores.url(file)) for job, file in done.items())
    with ExitStack() as stack:
        folders = order.folders(job for job in todo if not job.error)
        stack.enter_context(made_folders({*folders}))
        for folder in folders:
            remove_leftovers(folder)
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
    """The files below the folder of the results, and their sizes.

    Raises:
        WriteError: if they cannot be listed, or their bucket is missing.
    """
    store, root = _store(stores.target)
    store.invalidate_cache()
    try:
        _answer(partial(store.isfile, root))
        with suppress(FileNotFoundError):
            files: dict[str, Any] = store.find(root, detail=True)
            if files:
                return {name: file["size"] for name, file in files.items()}
    except Exception as error:
        raise WriteError(f"cannot list {stores.target}: {_reason(error)}") from error
    if _lacks_bucket(store, root):
        raise WriteError(
            f"cannot write into {stores.target}: there is no bucket {_bucket(root)}", hint="Create it first."
        )
    return {}


def _result(job: Job, stores: Stores, there: Mapping[str, int]) -> Path | None:
    """The file in which an earlier run has left the result, if it is whole and no older than the image."""
    for file in (job.target, job.fallback, job.moving.target):
        if file:
            results, name = stores.place(file)
            if there.get(name):
                store, source = stores.place(job.source)
                if results.modified(name) >= store.modified(source):
                    return file
    return None


def _kept(job: Job, stores: Stores, there: Mapping[str, int]) -> Job:
    """The job; it fails if its result is there, which is not to be replaced."""
    for file in (job.target, job.fallback, job.moving.target):
        if file and stores.place(file)[1] in there:
            hint = "Choose another name, or replace it with --overwrite (overwrite=True)."
            return replace(job, error=WriteError(f"cannot write {stores.url(file)}: it exists", hint=hint))
    return job


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


def _bucket(name: str) -> str:
    """The bucket of a name in a store that has buckets; "" in one that has folders."""
    return name.partition("/")[0]


def _lacks_bucket(store: Any, name: str) -> bool:
    return bool(_bucket(name)) and not store.exists(_bucket(name))


def _answer(ask: Callable[[], Any]) -> Any:
    """What a store says. Left to themselves, their libraries wait for half an hour for one that says nothing.

    Raises:
        TimeoutError: after `ANSWER` seconds.
        Exception: as `ask` does.
    """
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(ANSWER)
    except FutureTimeout:
        raise TimeoutError(f"it has not answered for {ANSWER:.0f} seconds") from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return " ".join(str(error).split())[:MOST] or type(error).__name__
