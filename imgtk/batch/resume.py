"""The results of an earlier run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from imgtk.batch.jobs import Job
from imgtk.batch.places import Place
from imgtk.errors import ReadError, WriteError
from imgtk.io.write import EXISTS_HINT
from imgtk.video.animation import is_animation
from imgtk.video.timestamps import NAME as TIMESTAMPS

Sizes = Mapping[Place, Mapping[Path, int]]
"""The sizes of the files that are there, of those that results could be."""


def finished(
    jobs: Iterable[Job], saves: Callable[[Job], Iterable[Path]], owner: Callable[[str], str | None]
) -> dict[Job, Path]:
    """Return the jobs whose result is complete and no older than the image, each with its file or folder.

    Args:
        jobs: the jobs.
        saves: the files that `save` stages write for a job.
        owner: the image whose result a file is, as far as a report knows.

    Raises:
        WriteError: if a store with results cannot be listed.
    """
    jobs = [job for job in jobs if not job.error]
    sizes = _sizes(jobs)
    found = {}
    for job in jobs:
        for file in job.results:
            own = owner(job.destination.name(file)) in (None, job.path)
            if own and _is_whole(job, file, sizes) and all(save.exists() for save in saves(job)):
                found[job] = file
                break
    return found


def without_existing(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs; those fail whose results, in stores, already exist. Where local files are, is
    found out when they are written. Raises WriteError if a store cannot be listed."""
    sizes = _sizes([job for job in jobs if not (job.error or job.destination.is_local)])

    def checked(job: Job) -> Job:
        for file in job.results:
            if not job.error and file in sizes.get(job.destination, ()):
                name = job.destination.name(file)
                return replace(job, error=WriteError(f"cannot write {name}: it exists", hint=EXISTS_HINT))
        return job

    return [checked(job) for job in jobs]


def _sizes(jobs: Iterable[Job]) -> Sizes:
    wanted: dict[Place, list[Path]] = defaultdict(list)
    for job in jobs:
        wanted[job.destination] += [_witness(job, file) for file in job.results]
    return {place: place.existing(paths) for place, paths in wanted.items()}


def _witness(job: Job, file: Path) -> Path:
    """Return the file whose presence and time tell of a result: of a folder of frames, that of their times."""
    moving = job.moving
    return file / TIMESTAMPS if moving.suffix and file == moving.target else file


def _is_whole(job: Job, file: Path, sizes: Sizes) -> bool:
    witness = _witness(job, file)
    if not sizes[job.destination].get(witness):
        return False
    with suppress(OSError, ReadError):
        if job.destination.modified(witness) < max(job.origin.modified(image) for image in job.images):
            return False
        if witness != file:
            return bool(job.suffix) or is_animation(job.source)
        own = job.is_local and any(file.samefile(image) for image in job.images)
        return not own and (not job.destination.is_local or file.is_file())
    return False
