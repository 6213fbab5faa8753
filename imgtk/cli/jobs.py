"""What `imgtk run` has to do: which pictures there are, and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from imgtk.errors import ReadError, WriteError


@dataclass(frozen=True)
class Job:
    """One picture to do.

    Attributes:
        source: where it is read.
        target: where the result goes.
        fixed: whether the user chose the format of `target`; otherwise PNG may take its place.
    """

    source: Path
    target: Path
    fixed: bool


def list_jobs(inputs: Sequence[str], output: Path | None, suffix: str | None) -> list[Job]:
    """The pictures that the command line names, and where each result goes.

    Raises:
        click.UsageError: if there is no input, or if -o is a file for several pictures or one without a format.
        ReadError: for a folder without pictures.
    """
    from imgtk.io.formats import READABLE, WRITABLE

    if not inputs:
        raise click.UsageError("an input is needed: pictures, or folders of pictures")
    sources: dict[Path, Path] = {}  # each picture with the folder that its result goes into by default
    for path in map(Path, inputs):
        if not path.is_dir():
            sources.setdefault(path, Path())
            continue
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in READABLE and file.is_file())
        if not found:
            raise ReadError(f"there are no pictures in {path}")
        sources.update((file, Path(f"{path.resolve().name}.imgtk")) for file in found)

    several = len(sources) > 1 or Path(inputs[0]).is_dir()
    is_folder = output is not None and (several or output.is_dir() or not output.suffix)
    if output and is_folder and not output.is_dir() and output.suffix.lower() in WRITABLE:
        raise click.UsageError(f"-o {output} is a picture's name, but there are several pictures: name a folder")
    if output and is_folder and output.exists() and not output.is_dir():
        raise click.UsageError(f"-o {output} is a file, not a folder; the name of a picture would end in .png, .jpg …")
    jobs = []
    for source, folder in sources.items():
        ending = f".{suffix}" if suffix else source.suffix if source.suffix.lower() in WRITABLE else ".png"
        if output and not is_folder:
            jobs.append(Job(source, output, fixed=True))
            continue
        stem = f"{source.stem}.imgtk" if folder == Path() and not output else source.stem
        jobs.append(Job(source, (output or folder) / f"{stem}{ending}", fixed=suffix is not None))
    return jobs


class Claims:
    """Which result each file is for, so that none replaces another one of the same command.

    Args:
        jobs: what is to be done; each claims its target.
        saves: the files of `save` stages.

    Raises:
        click.UsageError: if two of them are for the same file.
    """

    def __init__(self, jobs: Sequence[Job], saves: Sequence[Path]) -> None:
        self._owners = {os.path.realpath(file): f"`save {file}`" for file in saves}
        for job in jobs:
            if other := self.other(job, job.target):
                raise click.UsageError(f"{other} and {job.source} would both be written to {job.target}")
            self.add(job, job.target)

    def other(self, job: Job, file: Path) -> str | None:
        """What else `file` is for than the result of `job`."""
        owner = self._owners.get(os.path.realpath(file))
        return None if owner == str(job.source) else owner

    def add(self, job: Job, file: Path) -> None:
        self._owners[os.path.realpath(file)] = str(job.source)


@contextmanager
def made_folders(folders: set[Path]) -> Iterator[None]:
    """Makes the folders that do not exist, with their parents; in the end removes those that nothing was written to."""
    made: list[Path] = []
    try:
        for folder in sorted({path for leaf in folders for path in (leaf, *leaf.parents)}):
            try:
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            except OSError as error:
                raise WriteError(f"cannot make the folder {folder}: {error.strerror}") from None
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
