"""The local file system as a place of images and results."""

from __future__ import annotations

import codecs
import glob
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imgtk.batch.places import Folder, SourceItem
from imgtk.errors import ReadError, UsageError
from imgtk.io.formats import readable, suffix_of
from imgtk.io.write import replacing
from imgtk.video import formats as video


@dataclass(frozen=True)
class LocalPlace:
    """The local file system, by paths. See `Place`."""

    @property
    def is_local(self) -> bool:
        return True

    def list(self, word: str, *, recursive: bool, results: Folder | None) -> list[SourceItem]:
        """List the images of an input: an image, a folder, a pattern, or an `@FILE` with one name per line. See
        `Place.list`."""
        path, own = Path(word), results.path if results and results.place == self else None
        if word.startswith("@") and len(word) > 1:
            return [SourceItem(self, listed, _as_written(listed.parent)) for listed in _lines(word)]
        if os.path.isdir(path):
            if own is not None and os.path.realpath(own) == os.path.realpath(path):
                raise UsageError(
                    f"the results would be among the images of {path}", hint="Name another folder with -o."
                )
            return list(self._in_folder(path, own, recursive))
        if glob.has_magic(word) and not os.path.lexists(word):
            root = _literal(path)
            rest = path.relative_to(root).parts
            matches = sorted({*_matches(root, rest)} or {*_matches(root, [part.replace("[", "[[]") for part in rest])})
            taken = (*readable(), *video.READABLE)
            images = [one for one in matches if suffix_of(one).lower() in taken and not os.path.isdir(one)]
            kept = (one for one in images if own is None or not _within(one, own))
            return [SourceItem(self, one, one.parent.relative_to(root)) for one in kept]
        return [SourceItem(self, path, named=True)]

    def _in_folder(self, folder: Path, results: Path | None, recursive: bool) -> Iterator[SourceItem]:
        """Yield the images in a folder, those of its own before those of its folders."""
        refused: list[OSError] = []
        own = None if results is None else os.path.realpath(results)
        for place, folders, files in os.walk(folder, onerror=refused.append):
            below = Path(place).relative_to(folder)
            visible = sorted(name for name in folders if name[0] != ".") if recursive else []
            folders[:] = [name for name in visible if os.path.realpath(os.path.join(place, name)) != own]
            for name in sorted(files):
                if name[0] != "." and suffix_of(Path(name)).lower() in readable():
                    yield SourceItem(self, Path(place, name), below)
        for error in refused:
            closed = Path(error.filename)
            problem = ReadError(f"cannot list the folder {closed}: {error.strerror}", hint="Check its permissions.")
            if closed == folder:
                raise problem
            yield SourceItem(self, closed, closed.relative_to(folder).parent, error=problem)

    def name(self, path: Path) -> str:
        return str(path)

    def existing(self, paths: Iterable[Path]) -> dict[Path, int]:
        found = {}
        for path in paths:
            with suppress(OSError):
                found[path] = path.stat().st_size
        return found

    def modified(self, path: Path) -> float:
        return path.stat().st_mtime

    def fetch(self, path: Path, file: Path) -> None:
        try:
            shutil.copyfile(path, file)
        except OSError as error:
            raise ReadError(f"cannot read {path}: {error.strerror}") from error

    def send(self, file: Path, path: Path) -> None:
        with replacing(path) as copy, file.open("rb") as result:
            shutil.copyfileobj(result, copy)

    def check(self) -> None:
        """Do nothing: the folders of a run are checked separately."""


LOCAL = LocalPlace()


def empty_reason(word: str, recursive: bool) -> ReadError:
    """Return why an input stands for no image."""
    path = Path(word)
    if not os.path.isdir(path):
        return ReadError(f"the list {word[1:]} is empty" if word[0] == "@" else f"no image matches {word}")
    entries = list(os.scandir(path))
    hint = None
    if any(video.is_clip(Path(entry.name)) for entry in entries):
        hint = f"Name clips one by one, or with a pattern: '{path / '*.mp4'}'."
    elif not recursive and any(entry.is_dir() for entry in entries):
        hint = "Use --recursive to include the folders in it."
    return ReadError(f"there are no images in {path}", hint=hint)


def _literal(pattern: Path) -> Path:
    """Return the folders that a pattern begins with: up to the first wildcard that is not the name of an existing
    folder."""
    root = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part) and not os.path.isdir(root / part):
            break
        root /= part
    return root


def _matches(root: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield what a pattern below `root` stands for. Where the name of a file or folder is there as it is written, it
    stands for that alone, whatever wildcards are in it."""
    if not parts:
        yield root
        return
    part, *rest = parts
    if os.path.lexists(root / part):
        names = [part]
    elif part == "**":
        names = ["", *glob.glob("**/", root_dir=root, recursive=True)]
    else:
        names = glob.glob(part, root_dir=root)
    for name in names:
        yield from _matches(root / name, rest)


def _lines(word: str) -> list[Path]:
    """Return the lines of a list, which may hold names in any encoding."""
    try:
        data = sys.stdin.buffer.read() if word == "@-" else Path(word[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the list {word[1:]}: {error.strerror}") from None
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines()
    return [Path(os.fsdecode(line)) for line in lines if line.strip()]


def _as_written(folder: Path) -> Path:
    """Return a folder of a list as a path below that of the results."""
    parts = Path(os.path.normpath(folder)).parts
    return Path(*(part for part in parts if part not in ("..", folder.anchor)))


def _within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents
