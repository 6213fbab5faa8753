"""Conflicts between the jobs of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from imgtk.batch.jobs import Job, frames_folder
from imgtk.batch.local import LOCAL
from imgtk.batch.places import Place
from imgtk.errors import UsageError


def without_conflicts(
    jobs: Sequence[Job], saves: Callable[[Job], Iterable[Path]], *, in_place: bool = True
) -> list[Job]:
    """Return the jobs if none writes what another one reads or writes. Where only its fallback would, that is removed.

    Args:
        jobs: the jobs.
        saves: the files that `save` stages write for a job.
        in_place: whether a result may replace its own image.

    Raises:
        UsageError: if two would write the same file, or one would replace the image of another one.
    """
    identity = _Identity()
    jobs = [job for job in jobs if not job.error] + [job for job in jobs if job.error]
    images = {identity(job.origin, job.source): job for job in jobs}
    writers: dict[tuple[str, str], tuple[Job, str]] = {}

    def claim(place: Place, file: Path, job: Job, what: str) -> None:
        key, name = identity(place, file), place.name(file)
        other, others = writers.setdefault(key, (job, what))
        if (other, others) != (job, what):
            raise UsageError(f"{others} and {what} would both be written to {name}", hint=_hint(what, others))
        image = images.get(key)
        if image == job and not in_place:
            raise UsageError(
                f"the image {name} would be replaced by its own result",
                hint="Name another folder. --overwrite, without --resume, is what replaces images.",
            )
        if image and image != job:
            raise UsageError(f"{what} would replace the image {name}", hint="Name another folder.")

    for job in jobs:
        for file in () if job.error else saves(job):
            claim(LOCAL, file, job, f"`save` of {job.path}")
    for job in jobs:
        if not job.error:
            claim(job.destination, job.target, job, job.path)
            claim(job.destination, job.moving.target, job, job.path)
    _check_frames([job for job in jobs if job.is_local and not job.error], identity)

    def loses_fallback(job: Job) -> bool:
        key = identity(job.destination, job.fallback) if job.fallback else None
        return key is not None and (key in writers or images.get(key, job) != job)

    return [replace(job, fallback=None) if loses_fallback(job) else job for job in jobs]


def _check_frames(jobs: Sequence[Job], identity: _Identity) -> None:
    """Raise UsageError if the frames of a clip would be written to a folder with other images or results."""
    folders = {file.parent for job in jobs for file in (*job.images, job.target)}
    taken = {identity(LOCAL, folder) for deepest in folders for folder in (deepest, *deepest.parents)}
    for job in jobs:
        if identity(LOCAL, job.moving.target) in taken and (folder := frames_folder(job)):
            raise UsageError(
                f"the frames of {job.source} would be written to {folder}, where other images are",
                hint="Name another folder.",
            )


def _hint(*what: str) -> str:
    if all(one.startswith("`save`") for one in what):
        return "Put {name} into the file's name: it stands for that of the image."
    return "Give the folder that they are in, with --recursive, or a quoted pattern: folders are kept then."


class _Identity:
    """Tells which file a path means, whatever it and its folders are called; folders are looked up once."""

    def __init__(self) -> None:
        self._folders: dict[Path, str] = {}

    def __call__(self, place: Place, file: Path) -> tuple[str, str]:
        if not place.is_local:
            folder, _, name = place.name(file).rpartition("/")
            return folder, name
        if os.path.islink(file):
            file = Path(os.path.realpath(file))
        if file.parent not in self._folders:
            self._folders[file.parent] = os.path.realpath(file.parent)
        return self._folders[file.parent], file.name
