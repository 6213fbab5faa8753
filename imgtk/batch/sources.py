"""What a run has to do: which images there are, and where each result goes."""

from __future__ import annotations

import codecs
import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from imgtk.errors import ImgtkError, ReadError, UsageError, WriteError
from imgtk.io.formats import READABLE, WRITABLE
from imgtk.video import formats as video
from imgtk.video.animation import is_animation

MARK = ".imgtk"
"""Tells results from inputs where they may lie in the same folder."""

SINGLE = tuple(suffix for suffix in WRITABLE if suffix not in video.ANIMATIONS)
"""Suffixes of the files that never have several frames. Those of clips become PNG files, too."""


@dataclass(frozen=True)
class Job:
    """One image or clip to do.

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
        error: why it cannot be done: the folder `source` cannot be listed, or, in a store, the result is there already.
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

    @property
    def images(self) -> tuple[Path, ...]:
        """The files that are read."""
        return self.frames or (self.source,)

    @property
    def moving(self) -> Job:
        """What to do if the image is an animation: it keeps its format, unless the user chose another one; its frames
        become images if that is one for single images."""
        if self.frames or self.suffix or self.source.suffix.lower() not in video.ANIMATIONS:
            return self
        if not self.fixed:
            whole, stem = self.source.name, self.target.stem
            stem = self.source.stem + stem.removeprefix(whole) if stem.startswith(whole) else stem  # not a.gif.gif
            return replace(self, target=self.target.with_name(stem + self.source.suffix))
        if self.exact or self.target.suffix.lower() not in SINGLE:
            return self
        return replace(self, target=self.target.with_suffix(""), suffix=self.target.suffix)


@dataclass(frozen=True)
class Found:
    """An image, or a folder that cannot be listed, with the folder below the results' that it belongs into."""

    source: Path
    folder: Path
    results: Path
    mark: str = ""
    error: ReadError | None = None


def list_jobs(
    inputs: Sequence[str],
    output: Path | None = None,
    *,
    suffix: str | None = None,
    recursive: bool = False,
    arriving: bool = False,
) -> list[Job]:
    """The images that `inputs` name, and where each result goes.

    Args:
        inputs: images and clips; folders of images; patterns such as `photos/**/*.jpg`; `@FILE` for a list, one
            name on a line (`@-`: from standard input). Folders and images whose name starts with a dot are left out,
            unless named, and so is whatever lies in the folder of the results.
        output: a file for one image, or a clip or animation of all that one folder, pattern or list stands for; else
            a folder, below which that of the images is kept: from the named folder or the pattern's first wildcard
            on, and for lists as written. None puts the results of single images into the current folder, as
            NAME.imgtk.SUFFIX, and those of the folder NAME into NAME.imgtk.
        suffix: format of the results, such as "png"; None for that of each image, or PNG (of clips: Matroska) where
            there is no writing it. The frames of a clip become images in a folder, if it is a format for images.
        recursive: whether folders in folders are taken, too.
        arriving: whether further images may come: names are given as if all were shared, and there may be none yet.

    Returns:
        One job per image or clip, in the order of the inputs, sorted within folders and patterns. Where two images
        share folder and name but for the suffix, a result whose format is not its image's keeps the whole name:
        a.jpg.png. Or one job for all images, if they become one clip: frame2 comes before frame10, and those of a
        list as written.

    Raises:
        UsageError: if there is no input, if `output` is a file for several images or one without a format, or if it
            is the folder of the images.
        ReadError: if nothing is found, or a named folder cannot be read.
    """
    if not inputs:
        raise UsageError("an input is needed: images, or folders of images")
    listed: list[Found] = []
    several = False
    for word in inputs:
        if not word:  # as of "$FOLDER" that is not set; for the system it is the current folder
            raise UsageError("an input has no name", hint="The current folder is '.'.")
        images = _find(word, output, recursive)
        if images == [] and not arriving:
            raise _nothing(word, recursive)
        several = several or images is not None
        if images is None:
            images = [Found(Path(word), Path(), output or Path(), "" if output else MARK)]
        listed += images
    if output and several and len(inputs) == 1 and _one_clip(output) and not arriving:
        return [_of_frames(inputs[0], listed, output)]
    found: dict[Path, Found] = {}
    for one in listed:
        found.setdefault(one.source, one)
    several = several or len(found) > 1
    if output and not (several or os.path.isdir(output)) and output.suffix:
        (source,) = found
        return [Job(source, output, source.stem, fixed=True, exact=True)]
    if output and not os.path.isdir(output):
        _check_folder(output)
    return named(list(found.values()), suffix, arriving)


def _one_clip(output: Path) -> bool:
    return output.suffix.lower() in video.MOVING and not output.is_dir()


def _of_frames(word: str, found: Iterable[Found], output: Path) -> Job:
    """The job that makes one clip of all images; what lies at its place is none of them."""
    own = os.path.realpath(output)
    found = [one for one in found if os.path.realpath(one.source) != own]
    for one in found:
        if one.error:
            raise one.error
        if video.is_clip(one.source):
            raise UsageError(f"-o {output} is the name of one clip, and {one.source} is a clip", hint="Name a folder.")
    if not found:
        raise ReadError(f"there are no images in {word}")
    frames = [one.source for one in found]
    if not word.startswith("@"):
        frames.sort(key=_natural)
    return Job(Path(word), output, Path(word).stem, fixed=True, exact=True, frames=tuple(frames))


def _natural(path: Path) -> tuple[list[str | int], str]:
    """What to sort by, so that frame2 comes before frame10."""
    text = str(path)
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", text)], text


def _check_folder(output: Path) -> None:
    if _one_clip(output):
        raise UsageError(
            f"-o {output} is the name of one clip, but there are several inputs",
            hint="Images of one folder, quoted pattern or @list become a clip; else name a folder for the results.",
        )
    if output.suffix.lower() in (*WRITABLE, *video.WRITABLE):
        raise UsageError(f"-o {output} is an image's name, but there are several images: name a folder")
    if os.path.exists(output):
        raise UsageError(f"-o {output} is a file, not a folder; the name of an image would end in .png, .jpg …")


def _find(word: str, output: Path | None, recursive: bool) -> list[Found] | None:
    """What an input that stands for several images stands for; None for one that is an image itself."""
    path = Path(word)
    if word.startswith("@") and len(word) > 1:
        results = _results(output, word)
        found = [Found(listed, _as_written(listed.parent), results) for listed in _listed(word)]
    elif os.path.isdir(path):
        results = output or Path(f"{path.resolve().name}{MARK}")
        if os.path.realpath(results) == os.path.realpath(path):
            raise UsageError(f"the results would lie among the images of {path}", hint="Name another folder with -o.")
        found = list(_in_folder(path, results, recursive))
    elif glob.has_magic(word) and not os.path.lexists(word):
        results = _results(output, word)
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        matches = (Path(match) for match in sorted(glob.glob(word, recursive=True)))
        taken = (*READABLE, *video.READABLE)
        images = [one for one in matches if one.suffix.lower() in taken and not os.path.isdir(one)]
        found = [Found(one, one.parent.relative_to(root), results) for one in images if not _within(one, results)]
    else:
        return None
    return found


def _nothing(word: str, recursive: bool) -> ReadError:
    path = Path(word)
    if not os.path.isdir(path):
        return ReadError(f"the list {word[1:]} is empty" if word[0] == "@" else f"no image matches {word}")
    entries = list(os.scandir(path))
    hint = None
    if any(video.is_clip(Path(entry.name)) for entry in entries):
        hint = f"Clips are taken by their names, or by a pattern: '{path / '*.mp4'}'."
    elif not recursive and any(entry.is_dir() for entry in entries):
        hint = "Folders in it are taken with --recursive."
    return ReadError(f"there are no images in {path}", hint=hint)


def _results(output: Path | None, word: str) -> Path:
    if output is None:
        raise UsageError(f"{word} stands for several images: name a folder for the results with -o")
    return output


def _listed(word: str) -> list[Path]:
    """The lines of a list, which may hold names in any encoding."""
    try:
        data = sys.stdin.buffer.read() if word == "@-" else Path(word[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the list {word[1:]}: {error.strerror}") from None
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines()
    return [Path(os.fsdecode(line)) for line in lines if line.strip()]


def _as_written(folder: Path) -> Path:
    """A folder of a list as a path below that of the results."""
    parts = Path(os.path.normpath(folder)).parts
    return Path(*(part for part in parts if part not in ("..", folder.anchor)))


def _in_folder(folder: Path, results: Path, recursive: bool) -> Iterator[Found]:
    """The images in a folder, those of its own before those of its folders."""
    refused: list[OSError] = []
    own = os.path.realpath(results)
    for place, folders, files in os.walk(folder, onerror=refused.append):
        below = Path(place).relative_to(folder)
        visible = sorted(name for name in folders if name[0] != ".") if recursive else []
        folders[:] = [name for name in visible if os.path.realpath(os.path.join(place, name)) != own]
        for name in sorted(files):
            if name[0] != "." and os.path.splitext(name)[1].lower() in READABLE:
                yield Found(Path(place, name), below, results)
    for error in refused:
        closed = Path(error.filename)
        problem = ReadError(f"cannot list the folder {closed}: {error.strerror}", hint="Check its permissions.")
        if closed == folder:
            raise problem
        yield Found(closed, closed.relative_to(folder).parent, results, error=problem)


def _within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def named(found: Sequence[Found], suffix: str | None, distinct: bool) -> list[Job]:
    """What is to be done with images that were found; see `list_jobs`. With `distinct`, each name is treated as if
    another image had it, too."""
    sharing = Counter(one.results / one.folder / one.source.stem for one in found if not one.error)
    return [_job(one, suffix, distinct or sharing[one.results / one.folder / one.source.stem] > 1) for one in found]


def _job(one: Found, suffix: str | None, shares: bool) -> Job:
    source, folder = one.source, one.results / one.folder
    if one.error:
        return Job(source, folder, source.name, error=one.error)
    own = source.suffix.lower()
    writable, usual = (video.WRITABLE, video.ANY) if video.is_clip(source) else (WRITABLE, ".png")
    ending = f".{suffix}" if suffix else source.suffix if own in writable else usual
    unique = source.name if shares else source.stem
    stem = source.stem if ending.lower() == own else unique
    images = ending if usual != ".png" and ending.lower() in (*SINGLE, ".png") else ""
    return Job(
        source,
        folder / f"{stem}{one.mark}{'' if images else ending}",
        (one.folder / unique).as_posix(),
        fallback=None if suffix or usual != ".png" or ending.lower() == ".png" else folder / f"{unique}{one.mark}.png",
        fixed=suffix is not None,
        suffix=images,
    )


def frames_folder(job: Job) -> Path | None:
    """The folder in which the job's frames become images; None if its result is a file."""
    moving = job.moving
    return moving.target if moving.suffix and (job.suffix or is_animation(job.source)) else None


def without_conflicts(
    jobs: Sequence[Job], saves: Callable[[Job], Iterable[Path]], *, in_place: bool = True
) -> list[Job]:
    """The jobs, of which none writes what another one reads or writes; where only its fallback would, without that.

    Args:
        jobs: what is to be done.
        saves: the files that `save` stages write for a job.
        in_place: whether a result may take the place of its own image, too.

    Raises:
        UsageError: if two would write the same file, or one would replace another one's image.
    """
    place = _Places()
    jobs = [job for job in jobs if not job.error] + [job for job in jobs if job.error]
    images = {place(job.source): job for job in jobs}
    writers: dict[tuple[str, str], tuple[Job, str]] = {}

    def claim(file: Path, job: Job, what: str) -> None:
        key = place(file)
        other, others = writers.setdefault(key, (job, what))
        if (other, others) != (job, what):
            raise UsageError(f"{others} and {what} would both be written to {file}", hint=_hint(what, others))
        image = images.get(key)
        if image == job and not in_place:
            raise UsageError(
                f"the image {file} would be replaced by its own result",
                hint="Name another folder. --overwrite, without --resume, is what replaces images.",
            )
        if image and image != job:
            raise UsageError(f"{what} would replace the image {file}", hint="Name another folder.")

    for job in jobs:
        for file in () if job.error else saves(job):
            claim(file, job, f"`save` of {job.source}")
    for job in jobs:
        if not job.error:
            claim(job.target, job, str(job.source))
            claim(job.moving.target, job, str(job.source))
    _check_frames([job for job in jobs if not job.error], place)
    return [
        replace(job, fallback=None)
        if job.fallback and (place(job.fallback) in writers or images.get(place(job.fallback), job) != job)
        else job
        for job in jobs
    ]


def _check_frames(jobs: Sequence[Job], place: _Places) -> None:
    """Raises UsageError if the frames of a clip would be written to where other images are, or results go."""
    folders = {file.parent for job in jobs for file in (*job.images, job.target)}
    taken = {place(folder) for deepest in folders for folder in (deepest, *deepest.parents)}
    for job in jobs:
        if place(job.moving.target) in taken and (folder := frames_folder(job)):
            raise UsageError(
                f"the frames of {job.source} would be written to {folder}, where other images are",
                hint="Name another folder.",
            )


def _hint(*what: str) -> str:
    if all(one.startswith("`save`") for one in what):
        return "Put {name} into the file's name: it stands for that of the image."
    return "Give the folder that they are in, with --recursive, or a quoted pattern: folders are kept then."


class _Places:
    """Where files are, whatever they and their folders are called; folders are looked up once."""

    def __init__(self) -> None:
        self._folders: dict[Path, str] = {}

    def __call__(self, file: Path) -> tuple[str, str]:
        if os.path.islink(file):
            file = Path(os.path.realpath(file))
        if file.parent not in self._folders:
            self._folders[file.parent] = os.path.realpath(file.parent)
        return self._folders[file.parent], file.name


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


def check_writable(folders: Collection[Path]) -> None:
    """Raises WriteError if none of the folders can be written to: each image would tell the same."""
    if folders and not any(os.access(folder, os.W_OK | os.X_OK) for folder in folders):
        raise WriteError(
            f"cannot write into the folder {min(folders)}: it is not writable",
            hint="Check its permissions, or name another folder with -o.",
        )
