"""One clip or animation of a run: its frames are computed while others are decoded and encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias, TypeVar

from imgtk.batch.timing import timed
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io.carried import fitting, left_out, wanted
from imgtk.io.metadata import special_profile
from imgtk.io.options import WriteOptions
from imgtk.io.temporary import remove_segments
from imgtk.io.write import check_place, replacing
from imgtk.pipeline import Progress
from imgtk.video.animation import Animation, AnimationWriter
from imgtk.video.deflicker import WARM_UP, Deflicker
from imgtk.video.folder import FolderWriter
from imgtk.video.formats import ANIMATED, ANIMATIONS, CLIP, Encoding, check_installed, container_of, is_clip
from imgtk.video.frames import Frame
from imgtk.video.sequence import ImageSequence

if TYPE_CHECKING:
    from av import Packet

    from imgtk.batch.making import MadeClip
    from imgtk.video.read import Clip
    from imgtk.video.segments import SegmentedWriter
    from imgtk.video.write import ClipWriter

    Reader: TypeAlias = Clip | Animation | ImageSequence
    FileWriter: TypeAlias = ClipWriter | SegmentedWriter | AnimationWriter

AHEAD = 3
"""Frames that are read before the first of them is written, for each that is computed at the same time: the devices
never wait for the codecs."""

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - a signal of the run to itself
    """The run ended before the clip did."""


class Converted(NamedTuple):
    """The result of converting a clip."""

    size: Size
    notes: list[str]
    warnings: list[str]


def convert(
    source: Path,
    target: Path,
    plan: Callable[[Image], tuple[Size, int]],
    compute: Callable[[Image], Future[Image | None]],
    *,
    frames: Sequence[Path] = (),
    suffix: str = "",
    options: WriteOptions,
    encoding: Encoding,
    max_pixels: int,
    seconds: dict[str, float],
    progress: Callable[[Progress], None] | None,
    resume: str | None = None,
) -> Converted:
    """Send the frames of a clip through a pipeline, into another clip that has all else that the first one has.

    Args:
        source, target: the files; the suffix of `target` chooses the format. It appears complete or not at all.
        plan: the size that images like this one will have, and how many are computed at the same time.
        compute: begins to compute an image; None in its place ends the run.
        frames: the images that are the clip, if `source` only stands for them.
        suffix: of the images that the frames become, if `target` is a folder for them.
        options: how animations and images are written, and whether `target` may be replaced.
        encoding: how the frames of clips are written.
        max_pixels: clips whose frames have more are refused.
        seconds: gets what it took to read and to write.
        progress: called after every frame.
        resume: what tells this pipeline from others: clips are written in segments, and those that an earlier run with
            the same one has left are kept; so are images. None to do all at once.

    Returns:
        What the clip has become.

    Raises:
        ReadError: if the clip cannot be read.
        WriteError: if the result cannot be written; what can be known before is found before a frame is computed.
        Stopped: if the run ended.
        ImgtkError: as the pipeline does.
    """
    check_place(target, options.overwrite, folder=bool(suffix))
    encoding = replace(encoding, metadata=options.metadata)
    if not suffix:
        _check_format(source, target)
    with timed(seconds, "read"):
        clip = _reader(source, frames, encoding.rate, max_pixels)
    with clip:
        size, at_once = plan(clip.first)
        made_of = [(str(file), file.stat().st_mtime_ns) for file in clip.files]
        how = replace(options, overwrite=False), encoding
        key = None if resume is None else repr((resume, made_of, how, size, suffix))
        with writing(target, clip, size, suffix, options, encoding, key) as writer:
            done = writer.done
            warming = min(done, WARM_UP) if encoding.deflicker else 0  # frames that are there, but the next ones need
            items = _timed_each(clip.after(done - warming), seconds)
            for item in _computed(items, compute, AHEAD * at_once, Deflicker(encoding.deflicker)):
                if warming and isinstance(item, Frame):
                    warming -= 1
                    continue
                with timed(seconds, "write"):
                    if not isinstance(item, Frame):
                        writer.copy(item)
                        continue
                    writer.write(item.image, item.pts, item.duration)
                done += 1
                if progress:
                    progress(Progress(done, max(clip.length, done), "frames", item.image.pixels.nbytes))
        remove_segments([target])
        return Converted(
            size, clip.notes, [*clip.warnings, *_lost(clip.first, target, size, suffix, options), *writer.warnings]
        )


def _check_format(source: Path, target: Path) -> None:
    """Raise an error unless `target` can be a clip or an animation, and the library for it is installed."""
    if target.suffix.lower() not in ANIMATIONS or (is_clip(source) and target.suffix.lower() == ".png"):
        container_of(target)
        check_installed(source)


def _reader(source: Path, frames: Sequence[Path], rate: Fraction | int | None, max_pixels: int) -> Reader:
    if frames:
        return ImageSequence(frames, rate, max_pixels=max_pixels)
    if not is_clip(source):
        return Animation(source, max_pixels=max_pixels)
    check_installed(source)
    from imgtk.video.read import Clip

    return Clip(source, max_pixels=max_pixels)


@contextmanager
def writing(
    target: Path,
    clip: Reader | MadeClip,
    size: Size,
    suffix: str,
    options: WriteOptions,
    encoding: Encoding,
    key: str | None,
) -> Iterator[FolderWriter | FileWriter]:
    """Yield the writer for the frames of `target`, which appears at the end."""
    if suffix:
        transparent = clip.first.alpha is not None
        with FolderWriter(target, suffix, size, clip.form, transparent=transparent, options=options, key=key) as folder:
            yield folder
        return
    with replacing(target) as file, _file_writer(file, target, clip, size, options, encoding, key) as writer:
        yield writer


def _file_writer(
    file: BinaryIO,
    target: Path,
    clip: Reader | MadeClip,
    size: Size,
    options: WriteOptions,
    encoding: Encoding,
    key: str | None,
) -> FileWriter:
    if target.suffix.lower() in ANIMATIONS:
        loops = clip.loops if isinstance(clip, Animation) else 0
        return AnimationWriter(file, target, size, clip.length, clip.form.time_base, loops=loops, options=options)
    from imgtk.video.read import Clip
    from imgtk.video.segments import SegmentedWriter
    from imgtk.video.write import ClipWriter

    rest = clip if isinstance(clip, Clip) else None
    transparent = clip.first.alpha is not None
    writer: ClipWriter | SegmentedWriter
    if key is None:
        writer = ClipWriter(file.name, target, size, clip.form, encoding, rest, transparent=transparent)
    else:
        writer = SegmentedWriter(file.name, target, size, clip.form, encoding, rest, key=key, transparent=transparent)
    return writer


def _lost(first: Image, target: Path, size: Size, suffix: str, options: WriteOptions) -> tuple[str, ...]:
    """Return what the first frame carries and `target` does not hold, in words."""
    metadata = wanted(first.metadata, options)
    if suffix:
        return left_out(metadata, size, first.gray, Path(f"frame{suffix}"))
    if form := ANIMATIONS.get(target.suffix.lower()):
        return (*metadata.warnings, *fitting(metadata, size, first.gray, ANIMATED[form]).warnings)
    if profile := special_profile(metadata):
        profile = f"the ICC profile ({profile}) is left out"
    lost = fitting(replace(metadata, icc=None), size, first.gray, CLIP).warnings
    return (*metadata.warnings, *([profile] if profile else []), *lost)


def _computed(
    items: Iterator[Frame | Packet], compute: Callable[[Image], Future[Image | None]], ahead: int, deflicker: Deflicker
) -> Iterator[Frame | Packet]:
    """Yield the contents of a clip in order, its frames computed; `ahead` frames at a time are in progress."""
    waiting: deque[tuple[Frame, Future[Image | None]] | Packet] = deque()
    frames = 0
    for item in items:
        if isinstance(item, Frame):
            waiting.append((item, compute(item.image)))
            frames += 1
        else:
            waiting.append(item)
        while frames > ahead or (waiting and not isinstance(waiting[0], tuple)):
            frames -= isinstance(waiting[0], tuple)
            yield _finished(waiting.popleft(), deflicker)
    while waiting:
        yield _finished(waiting.popleft(), deflicker)


def _finished(item: tuple[Frame, Future[Image | None]] | Packet, deflicker: Deflicker) -> Frame | Packet:
    if not isinstance(item, tuple):
        return item
    frame, future = item
    image = future.result()
    if image is None:
        raise Stopped
    if deflicker.strength:
        image = deflicker(frame.image, image)
    return Frame(image, frame.pts, frame.duration)


def _timed_each(items: Iterable[T], seconds: dict[str, float]) -> Iterator[T]:
    iterator = iter(items)
    while True:
        with timed(seconds, "read"):
            item = next(iterator, None)
        if item is None:
            return
        yield item
