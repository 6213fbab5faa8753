"""From inputs and an output to the jobs of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from imgtk.batch.jobs import Job, frames_in_store, named
from imgtk.batch.local import LOCAL, empty_reason
from imgtk.batch.places import Folder, Place, SourceItem, is_url
from imgtk.batch.template import Template
from imgtk.errors import ReadError, UsageError
from imgtk.io.formats import writable
from imgtk.video import formats as video

MARK = ".imgtk"
"""Tells results from inputs where they may lie in the same folder."""


def list_jobs(
    inputs: Sequence[str],
    output: str | Path | None = None,
    *,
    suffix: str | None = None,
    recursive: bool = False,
    arriving: bool = False,
    pipeline: str = "",
) -> list[Job]:
    """Return a job for each image that `inputs` name, with the place of its result.

    Args:
        inputs: images and clips; folders of images; patterns such as `photos/**/*.jpg`; `@FILE` for a list with one
            name per line (`@-`: standard input). Folders and images whose name starts with a dot are skipped unless
            named, and so are files in the folder of the results. Images, folders and patterns may be URLs of stores
            that fsspec knows, such as `s3://bucket/photos`.
        output: a file for one image, or a clip or animation of all images of one folder, pattern or list; otherwise a
            folder or a URL. Subfolders are kept below it: from the named folder or the first wildcard of a pattern on,
            and for lists as written. None puts the results of single images into the current folder, as
            NAME.imgtk.SUFFIX, and those of the folder NAME into NAME.imgtk.
        suffix: format of the results, such as "png"; None for that of each image, or PNG (for clips: Matroska) if that
            cannot be written. The frames of a clip become images in a folder, if it is a format for images.
        recursive: whether to include subfolders.
        arriving: whether more images may arrive: names are then chosen as if all were shared, and there may be none
            yet.

    Returns:
        One job per image or clip, in the order of the inputs, sorted within folders and patterns. Where two images
        differ only in their suffix, a result whose format is not its image's keeps the whole name: a.jpg.png. Or one
        job
        for all images, if they become one clip: frame2 comes before frame10, and those of a list as written.

    Raises:
        UsageError: if there is no input, if `output` is a file for several images or one without a format, or if it is
            the folder of the images; from or to a store, if `output` is missing, or frames would become images, or
            images frames.
        ReadError: if nothing is found, or a named folder cannot be read.
    """
    if not inputs:
        raise UsageError("no input given", hint="Name images, or folders of images.")
    if not all(inputs):  # as of "$FOLDER" that is not set; for the system it is the current folder
        raise UsageError("an input path is empty", hint="The current folder is '.'.")
    if str(output) == "-":
        raise UsageError("results are not written to standard output", hint="Name a file or a folder with -o.")
    slash = str(output).endswith(("/", os.sep))  # which only a folder's name has
    if output is not None and (template := Template.of(str(output), pipeline)):
        if suffix or arriving:
            raise UsageError(f"-o {output} names each result", hint="Leave out --format; with --watch, name a folder.")
        return _by_template(inputs, template, recursive)
    results = None if output is None else _folder(str(output))
    listed = [one for word in inputs for one in _items(word, results, recursive, arriving)]
    stored = any(not one.origin.is_local for one in listed) or bool(results and not results.place.is_local)
    whole = any(not one.named for one in listed) or not listed
    if stored and results is None:
        raise UsageError("the images are in a store, and -o is missing", hint="-o names the folder of the results.")
    if stored and PurePosixPath(str(output)).suffix.lower() in video.MOVING:
        raise frames_in_store()
    path = results.path if results and results.place.is_local else None
    if path and whole and len(inputs) == 1 and _one_clip(path) and not (slash or arriving):
        return [_of_frames(inputs[0], listed, path)]
    distinct: dict[tuple[Place, Path], SourceItem] = {}
    for one in listed:
        distinct.setdefault((one.origin, one.source), one)
    items = list(distinct.values())
    if path and not (slash or whole or len(items) > 1 or os.path.isdir(path)) and path.suffix:
        (one,) = items
        return [Job(one.source, path, one.source.stem, fixed=True, exact=True, origin=one.origin)]
    if path and not (slash or os.path.isdir(path)):
        _check_folder(path)
    jobs = named(items, suffix, arriving, results.place if results else LOCAL)
    if stored and any(job.suffix for job in jobs):
        raise frames_in_store()
    return jobs


def _by_template(inputs: Sequence[str], template: Template, recursive: bool) -> list[Job]:
    results = _folder(template.folder)
    items: dict[tuple[Place, Path], SourceItem] = {}
    for word in inputs:
        place, path = _place(word)
        listed = place.list(path, recursive=recursive, results=None)
        if not listed:
            raise _nothing(place, path, recursive)
        for one in listed:
            items.setdefault((one.origin, one.source), replace(one, results=results.path))
    jobs = named(list(items.values()), template.suffix.removeprefix(".") or None, False, results.place)
    if any(job.suffix and not job.is_local for job in jobs):
        raise frames_in_store()
    return template.named(jobs)


def _nothing(place: Place, word: str, recursive: bool) -> ReadError:
    return empty_reason(word, recursive) if place.is_local else ReadError(f"there are no images in {word}")


def _folder(word: str) -> Folder:
    """Return the folder (or file) that `-o` names: of a store, its root."""
    place, path = _place(word)
    return Folder(place, Path(path) if place.is_local else Path())


def _place(word: str) -> tuple[Place, str]:
    """Return the place that an input or output is in, and the word as the place's `list` takes it: of a `file://` URL,
    the path. Raises UsageError if there is no such store, or its library is missing."""
    if not is_url(word):
        return LOCAL, word
    from imgtk.batch.store import StorePlace, local_path  # fsspec is for those that use it

    path = local_path(word)
    return (LOCAL, path) if path is not None else (StorePlace.at(word), word)


def _items(word: str, results: Folder | None, recursive: bool, arriving: bool) -> list[SourceItem]:
    """Return the images that an input stands for, with the folder of their results.

    Raises:
        ReadError: if there are none, and no further ones can come.
        UsageError: if a folder for the results must be named.
    """
    place, word = _place(word)
    if results is None and place.is_local and os.path.isdir(word):
        results = Folder(LOCAL, Path(f"{Path(word).resolve().name}{MARK}"))
    items = place.list(word, recursive=recursive, results=results)
    if not (items or arriving):
        raise _nothing(place, word, recursive)
    if results:
        return [replace(item, results=results.path) for item in items]
    if place.is_local and not all(item.named for item in items):
        raise UsageError(f"{word} stands for several images: name a folder for the results with -o")
    return [replace(item, mark=MARK) for item in items]


def _one_clip(output: Path) -> bool:
    return output.suffix.lower() in video.MOVING and not output.is_dir()


def _of_frames(word: str, items: Iterable[SourceItem], output: Path) -> Job:
    """Return the job that makes one clip of all images; what lies at its place is none of them."""
    own = os.path.realpath(output)
    items = [one for one in items if os.path.realpath(one.source) != own]
    for one in items:
        if one.error:
            raise one.error
        if video.is_clip(one.source):
            raise UsageError(f"-o {output} is the name of one clip, and {one.source} is a clip", hint="Name a folder.")
    if not items:
        raise ReadError(f"there are no images in {word}")
    frames = [one.source for one in items]
    if not word.startswith("@"):
        frames.sort(key=_natural)
    return Job(Path(word), output, Path(word).stem, fixed=True, exact=True, frames=tuple(frames))


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that puts frame2 before frame10."""
    text = str(path)
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", text)], text


def _check_folder(output: Path) -> None:
    if _one_clip(output):
        raise UsageError(
            f"-o {output} is the name of one clip, but there are several inputs",
            hint="Images of one folder, quoted pattern or @list become a clip; else name a folder for the results.",
        )
    if output.suffix.lower() in (*writable(), *video.WRITABLE):
        raise UsageError(f"-o {output} is an image's name, but there are several images: name a folder")
    if os.path.exists(output):
        raise UsageError(f"-o {output} is a file, not a folder; the name of an image would end in .png, .jpg …")
