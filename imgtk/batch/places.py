"""Places that images come from and results go to: the local file system, or a store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imgtk.errors import ReadError


class Place(Protocol):
    """Where images are read and results are written. What a path means is up to the place.

    Places are compared by value, and can be sent to other processes.
    """

    @property
    def is_local(self) -> bool:
        """Whether paths are those of local files, which need neither `fetch` nor `send`."""

    def list(self, word: str, *, recursive: bool, results: Folder | None) -> list[SourceItem]:
        """List the images that an input stands for, without those in the folder `results`.

        Raises:
            ReadError: if the input cannot be listed.
            UsageError: if the results would lie among the images.
        """

    def name(self, path: Path) -> str:
        """Return the path or URL by which people know a file."""

    def existing(self, paths: Iterable[Path]) -> dict[Path, int]:
        """Return the files among `paths` that are there, with their sizes in bytes. Raises WriteError."""

    def modified(self, path: Path) -> float:
        """Return when a file was last changed, in seconds since the epoch. Raises OSError or ReadError."""

    def fetch(self, path: Path, file: Path) -> None:
        """Copy an image to a local file. Raises ReadError."""

    def send(self, file: Path, path: Path) -> None:
        """Copy a local file to a result's path, where it appears as a whole. Raises WriteError."""

    def check(self) -> None:
        """Check that this machine can read what another one has listed. Raises ReadError."""


@dataclass(frozen=True)
class Folder:
    """A folder in a place."""

    place: Place
    path: Path = Path()


@dataclass(frozen=True)
class SourceItem:
    """An image that an input stands for, or a folder that cannot be listed.

    Attributes:
        origin: where the image is.
        source: its path there.
        folder: the folder below that of the results in which its result belongs.
        named: whether the input named this image, rather than a folder, pattern or list.
        results: the folder of the results.
        mark: tells the result's name from the image's where both may lie in the same folder.
        error: why a folder cannot be listed.
    """

    origin: Place
    source: Path
    folder: Path = Path()
    named: bool = False
    results: Path = Path()
    mark: str = ""
    error: ReadError | None = None


def is_url(word: object) -> bool:
    """Return whether an input or output is a URL."""
    return bool(re.match(r"\w[\w+.-]*://", str(word)))
