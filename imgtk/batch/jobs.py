"""The jobs of a run: one image or clip each, and where its result goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgtk.batch.local import LOCAL
from imgtk.batch.places import Place, SourceItem
from imgtk.errors import ImgtkError, UsageError
from imgtk.io.formats import suffix_of, writable
from imgtk.io.signatures import written_as
from imgtk.video import formats as video
from imgtk.video.animation import is_animation


def single() -> tuple[str, ...]:
    """Return the suffixes of the files that never have several frames. Those of clips become PNG files, too."""
    return tuple(suffix for suffix in writable() if suffix not in video.ANIMATIONS)


@dataclass(frozen=True)
class Job:
    """One image or clip to process.

    Attributes:
        source: where it is read; a folder, a pattern or a list, if `frames` are.
        target: where the result goes; a folder, if there is a `suffix`.
        name: what `{name}` means in the files of `save` stages: the image's name without suffix, below the folders
            that it is in.
        fallback: the PNG file that takes the place of `target` if its format cannot hold the result; None if the user
            chose the format, or the file is another image's.
        fixed: whether the user chose the format of `target`.
        exact: whether the user chose all of `target`, so that its folder must be there.
        frames: images that become one clip, in order.
        suffix: of the images that the frames of a clip become.
        error: why it cannot be processed: the folder `source` cannot be listed, or, in a store, the result already
            exists.
        origin: the place of `source`.
        destination: the place of `target`.
    """

    source: Path
    target: Path
    name: str
    fallback: Path | None = None
    fixed: bool = False
    exact: bool = False
    frames: tuple[Path, ...] = ()
    suffix: str = ""
    error: ImgtkError | None = None
    origin: Place = LOCAL
    destination: Place = LOCAL

    @property
    def path(self) -> str:
        """The image's path or URL, as rows state it."""
        return self.origin.name(self.source)

    @property
    def is_local(self) -> bool:
        """Whether neither the image nor its result is in a store."""
        return self.origin.is_local and self.destination.is_local

    @property
    def images(self) -> tuple[Path, ...]:
        """The files that are read."""
        return self.frames or (self.source,)

    @property
    def results(self) -> tuple[Path, ...]:
        """The files and folders of which one becomes the result."""
        return tuple(file for file in (self.target, self.fallback, self.moving.target) if file)

    @property
    def moving(self) -> Job:
        """The job for an image that is an animation: it keeps its format, unless the user chose another one; its frames
        become images if that is a format for single images."""
        if self.frames or self.suffix or self.source.suffix.lower() not in video.ANIMATIONS:
            return self
        if not self.fixed:
            whole, stem = self.source.name, self.target.stem
            stem = self.source.stem + stem.removeprefix(whole) if stem.startswith(whole) else stem  # not a.gif.gif
            return replace(self, target=self.target.with_name(stem + self.source.suffix))
        if self.exact or self.target.suffix.lower() not in single():
            return self
        return replace(self, target=self.target.with_suffix(""), suffix=self.target.suffix)


def frames_folder(job: Job) -> Path | None:
    """Return the folder in which the job's frames become images; None if its result is a file."""
    moving = job.moving
    return moving.target if moving.suffix and (job.suffix or is_animation(job.source)) else None


def local_folders(jobs: Iterable[Job]) -> frozenset[Path]:
    """Return the local folders that results go into."""
    return frozenset(job.target.parent for job in jobs if job.destination.is_local and not job.error)


def named(items: Sequence[SourceItem], suffix: str | None, distinct: bool, destination: Place) -> list[Job]:
    """Name the results of images; see `list_jobs`. With `distinct`, each name is treated as if another image had it,
    too."""
    stems = [one.results / one.folder / one.source.stem for one in items]
    whole = [one.results / one.folder / one.source.name for one in items]
    sound = [index for index, one in enumerate(items) if not one.error]
    names = Counter(path[index] for path in (stems, whole) for index in sound)
    sharing = [distinct or names[stem] > 1 + (stem == name) for stem, name in zip(stems, whole, strict=True)]
    return [_job(one, suffix, shares, destination) for one, shares in zip(items, sharing, strict=True)]


def _job(one: SourceItem, suffix: str | None, shares: bool, destination: Place) -> Job:
    source, folder = one.source, one.results / one.folder
    if one.error:
        return Job(source, folder, source.name, error=one.error, origin=one.origin, destination=destination)
    own = suffix_of(source)
    written, usual = (video.WRITABLE, video.ANY) if video.is_clip(source) else (writable(), ".png")
    ending = f".{suffix}" if suffix else own if own.lower() in written else _by_content(one) or usual
    unique = source.name if shares else source.stem
    stem = source.stem if ending.lower() == source.suffix.lower() else unique
    images = ending if usual != ".png" and ending.lower() in (*single(), ".png") else ""
    return Job(
        source,
        folder / f"{stem}{one.mark}{'' if images else ending}",
        (one.folder / unique).as_posix(),
        fallback=None if suffix or usual != ".png" or ending.lower() == ".png" else folder / f"{unique}{one.mark}.png",
        fixed=suffix is not None,
        suffix=images,
        origin=one.origin,
        destination=destination,
    )


def _by_content(one: SourceItem) -> str:
    """Return the suffix of the format of an image whose name does not tell it; empty if it is not one to be written."""
    if video.is_clip(one.source) or not one.origin.is_local:
        return ""
    try:
        with one.source.open("rb") as file:
            return written_as(file.read(32))
    except OSError:  # whoever reads the image tells what is wrong
        return ""


def frames_in_store() -> UsageError:
    """Return the error that frames can become images, and images frames, only on local disks."""
    return UsageError(
        "frames become images, and images become frames, on local disks only, not from or to a store",
        hint="Use local paths, and copy the results. From or to a store, -o is a folder.",
    )
