"""Stores that fsspec knows, such as s3://bucket/photos, as places of images and results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from glob import has_magic
from itertools import takewhile
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from imgtk.batch.places import Folder, SourceItem
from imgtk.errors import ReadError, UsageError, WriteError
from imgtk.io.formats import readable, suffix_of
from imgtk.io.write import DISK_FULL
from imgtk.video import formats as video

ANSWER_SECONDS = 60.0
"""Seconds that a store may take for its first answer."""

MESSAGE_LENGTH = 300
"""Maximum number of characters quoted of what a store says about an error."""


@dataclass(frozen=True)
class StorePlace:
    """A folder of a store. Paths are those below it. See `Place`.

    Args:
        url: an fsspec URL, as the store itself writes it.
    """

    url: str

    @classmethod
    def at(cls, url: str) -> StorePlace:
        """Return the place of an fsspec URL. Raises UsageError if there is no such store, or its library is missing."""
        store, root = _store(url)
        return cls(store.unstrip_protocol(root.rstrip("/")))

    @property
    def is_local(self) -> bool:
        return False

    def list(self, word: str, *, recursive: bool, results: Folder | None) -> list[SourceItem]:
        """List the images of an input: the URL of an image, a folder or a pattern. See `Place.list`."""
        store, root = _store(word)
        try:
            files, root, named = _files(store, root, recursive)
        except Exception as error:
            raise ReadError(f"cannot list {word}: {_reason(error)}") from error
        below = _below(store, results)
        if root == below:
            raise UsageError(f"the results would be among the images of {word}", hint="Name another folder with -o.")
        inside = below is not None and below.startswith(f"{root}/")
        place = StorePlace(store.unstrip_protocol(root))
        items = []
        for file in files:
            inner = PurePosixPath(file[len(root) :].lstrip("/"))
            hidden = any(part.startswith(".") for part in inner.parts)
            taken = suffix_of(inner).lower() in (*readable(), *(video.READABLE if named or has_magic(word) else ()))
            if taken and not hidden and not (inside and file.startswith(f"{below}/")):
                items.append(SourceItem(place, Path(inner), Path(inner.parent), named=named))
        if not items and _lacks_bucket(store, root):
            raise ReadError(f"cannot list {word}: there is no bucket {_bucket(root)}")
        return items

    def name(self, path: Path) -> str:
        return f"{self.url.rstrip('/')}/{path.as_posix()}"

    def existing(self, paths: Iterable[Path]) -> dict[Path, int]:
        """Return the existing files with their sizes, by one listing of everything below. See `Place.existing`.

        Raises:
            WriteError: if the store cannot be listed, or the bucket is missing.
        """
        store, root = _store(self.url)
        root = root.rstrip("/")
        store.invalidate_cache()  # of an earlier run in this process
        try:
            _answer(partial(store.isfile, root))
            files: dict[str, Any] = {}
            with suppress(FileNotFoundError):
                files = store.find(root, detail=True)
            if not files and _lacks_bucket(store, root):
                raise WriteError(
                    f"cannot write into {self.url}: there is no bucket {_bucket(root)}", hint="Create it first."
                )
        except WriteError:
            raise
        except Exception as error:
            raise WriteError(f"cannot list {self.url}: {_reason(error)}") from error
        names = {path: f"{root}/{path.as_posix()}" for path in paths}
        return {path: files[name]["size"] for path, name in names.items() if name in files}

    def modified(self, path: Path) -> float:
        with _reading(self.name(path)):
            store, name = self._locate(path)
            return float(store.modified(name).timestamp())

    def fetch(self, path: Path, file: Path) -> None:
        with _reading(self.name(path)):
            store, name = self._locate(path)
            try:
                store.get_file(name, str(file))
            except OSError as error:
                if error.errno in DISK_FULL:
                    raise WriteError(f"cannot write {file}: {error.strerror}") from error
                raise

    def send(self, file: Path, path: Path) -> None:
        url = self.name(path)
        try:
            store, name = self._locate(path)
            if not _bucket(name):
                store.makedirs(name.rpartition("/")[0], exist_ok=True)
            store.put_file(str(file), name)
        except FileNotFoundError as error:
            raise WriteError(f"cannot write {url}: its bucket or folder is missing") from error
        except Exception as error:  # each store has its own kinds
            raise WriteError(f"cannot write {url}: {_reason(error)}") from error

    def check(self) -> None:
        store, root = _store(self.url)
        with suppress(PermissionError), _reading(self.url, but=PermissionError):
            _answer(partial(store.info, root))  # which need not be allowed, to read what is in it

    def _locate(self, path: Path) -> tuple[Any, str]:
        """Return the file system of a path, and the name in it."""
        store, root = _store(self.url)
        return store, f"{root.rstrip('/')}/{path.as_posix()}"


def local_path(url: str) -> str | None:
    """Return the path of a `file://` URL; None for those of other places.

    Raises:
        UsageError: if there is no such store, or its library is missing.
    """
    store, name = _store(url)
    return name if isinstance(store, LocalFileSystem) else None


@contextmanager
def _reading(url: str, but: type[Exception] | tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn the errors of a store into a ReadError, except those of the kind `but`."""
    try:
        yield
    except WriteError:
        raise
    except Exception as error:  # each store has its own kinds
        if isinstance(error, but):
            raise
        raise ReadError(f"cannot read {url}: {_reason(error)}") from error


def _files(store: Any, root: str, recursive: bool) -> tuple[list[str], str, bool]:
    """Return the files that a URL stands for, the folder that they are in, and whether it is one file that the URL
    names."""
    store.invalidate_cache()  # of an earlier run in this process
    folder = "/".join(takewhile(lambda part: not has_magic(part), root.split("/"))).rstrip("/")
    if _answer(partial(store.isfile, folder)) and not has_magic(root):
        return [root], root.rpartition("/")[0], True
    files: list[str] = []
    with suppress(FileNotFoundError):
        if has_magic(root):
            files = store.glob(root)
        elif recursive:
            files = store.find(folder)
        else:  # `find` would take a folder that may not be listed for an empty one
            files = [entry["name"] for entry in store.ls(folder, detail=True) if entry["type"] != "directory"]
    return sorted(files), folder, False


def _below(store: Any, results: Folder | None) -> str | None:
    """Return the name of the folder of the results, if it is in the same kind of store."""
    if not results or not isinstance(results.place, StorePlace):
        return None
    other, below = _store(results.place.url)
    return below.rstrip("/") if type(other) is type(store) else None


def _store(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the name in it.

    Raises:
        UsageError: if there is no such store, or its library is missing.
    """
    try:
        store, name = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"cannot use {url}: {_reason(error)}") from None
    return store, name


def _bucket(name: str) -> str:
    """Return the bucket of a name in a store that has buckets; "" in one that has folders."""
    return name.partition("/")[0]


def _lacks_bucket(store: Any, name: str) -> bool:
    return bool(_bucket(name)) and not store.exists(_bucket(name))


def _answer(ask: Callable[[], Any]) -> Any:
    """Return the answer of a store. By themselves, the libraries wait for half an hour for one that is silent.

    Raises:
        TimeoutError: after `ANSWER_SECONDS`.
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
        return answer.result(ANSWER_SECONDS)
    except FutureTimeout:
        raise TimeoutError(f"it has not answered for {ANSWER_SECONDS:.0f} seconds") from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return " ".join(str(error).split())[:MESSAGE_LENGTH] or type(error).__name__
