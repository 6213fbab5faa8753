"""One clip of a run: its frames go through the pipeline, one after the other, while others are decoded and encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import av

from imgtk.batch.timing import timed
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io.write import check_place, replacing
from imgtk.pipeline import Progress
from imgtk.video.formats import Encoding, container_of
from imgtk.video.read import Clip, Frame
from imgtk.video.write import ClipWriter

AHEAD = 3
"""Frames that are read before the first of them is written, for each device: the devices never wait for the codecs."""

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - a signal of the run to itself
    """The run ended before the clip did."""


def convert(
    source: Path,
    target: Path,
    plan: Callable[[Image], Size],
    compute: Callable[[Image], Future[Image | None]],
    *,
    devices: int,
    overwrite: bool,
    encoding: Encoding,
    max_pixels: int,
    seconds: dict[str, float],
    progress: Callable[[Progress], None] | None,
) -> tuple[Size, list[str]]:
    """Send the frames of a clip through a pipeline, into another clip that has all else that the first one has.

    Args:
        source, target: the files; the suffix of `target` chooses the container. It appears complete or not at all.
        plan: the size that pictures like this one will have.
        compute: begins to compute a picture; None in its place ends the run.
        devices: how many pictures are computed at the same time.
        overwrite: whether `target` may be replaced.
        encoding: how frames are written.
        max_pixels: clips whose frames have more are refused.
        seconds: gets what it took to read and to write.
        progress: called after every frame.

    Returns:
        The size of the result, and what was out of the ordinary.

    Raises:
        ReadError: if the clip cannot be read.
        WriteError: if the result cannot be written; what can be known before is found before a frame is computed.
        Stopped: if the run ended.
        ImgtkError: as the pipeline does.
    """
    container_of(target)
    check_place(target, overwrite)
    with timed(seconds, "read"):
        clip = Clip(source, max_pixels=max_pixels)
    with clip:
        size = plan(clip.first)
        with replacing(target) as file, ClipWriter(file.name, target, clip, size, encoding) as writer:
            done = 0
            for item in _computed(_timed_each(clip, seconds), compute, AHEAD * devices):
                with timed(seconds, "write"):
                    if isinstance(item, av.Packet):
                        writer.copy(item)
                        continue
                    writer.write(item.image, item.pts, item.duration)
                done += 1
                if progress:
                    progress(Progress(done, max(clip.length, done), "frames", item.image.pixels.nbytes))
        return size, [*clip.notes, *writer.notes]


def _computed(
    items: Iterator[Frame | av.Packet], compute: Callable[[Image], Future[Image | None]], ahead: int
) -> Iterator[Frame | av.Packet]:
    """What a clip consists of, in order, its frames computed; `ahead` frames at a time are on their way."""
    waiting: deque[tuple[Frame, Future[Image | None]] | av.Packet] = deque()
    frames = 0
    for item in items:
        if isinstance(item, av.Packet):
            waiting.append(item)
        else:
            waiting.append((item, compute(item.image)))
            frames += 1
        while frames > ahead or (waiting and isinstance(waiting[0], av.Packet)):
            frames -= not isinstance(waiting[0], av.Packet)
            yield _finished(waiting.popleft())
    while waiting:
        yield _finished(waiting.popleft())


def _finished(item: tuple[Frame, Future[Image | None]] | av.Packet) -> Frame | av.Packet:
    if isinstance(item, av.Packet):
        return item
    frame, future = item
    image = future.result()
    if image is None:
        raise Stopped
    return Frame(image, frame.pts, frame.duration)


def _timed_each(items: Iterator[T] | Clip, seconds: dict[str, float]) -> Iterator[T]:
    iterator = iter(items)
    while True:
        with timed(seconds, "read"):
            item = next(iterator, None)
        if item is None:
            return
        yield item  # type: ignore[misc]
