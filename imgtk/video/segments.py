"""Clips written in segments, so that a killed run continues with the last one.

Each segment is a complete file with frames only. Segments are in a folder beside the result until all exist; then they
are joined, without encoding again, with everything else that the clip has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from heapq import merge
from pathlib import Path
from types import TracebackType

import av

from imgtk.errors import WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io.temporary import remove_leftovers, remove_segments, segments_folder, temporary
from imgtk.video.formats import ALPHA_IN, Encoding, container_of
from imgtk.video.frames import Form
from imgtk.video.pixels import has_alpha
from imgtk.video.read import Clip
from imgtk.video.write import ClipWriter

FRAMES = 100
"""Frames of a segment. Each begins anew, with a frame that refers to no other one, as encoders do every 250 by
themselves."""

_CONTAINERS = (".mp4", ".mov", ".mkv")
"""Containers with exact times, and then one that rounds them to milliseconds, but holds the transparency of WebM."""


class SegmentedWriter:
    """A clip that is being written in segments, as a context manager. If the block succeeds, they are joined into a
    complete file; otherwise complete ones stay.

    Args:
        path, target, size, form, encoding, clip, transparent: as for `ClipWriter`.
        key: identifies the frames and how they are made. Segments of another key are removed.

    Attributes:
        done: frames of an earlier run; pass those after them to `write`.
        warnings: what could not be kept, in words.

    Raises:
        WriteError: as `ClipWriter` does.
    """

    def __init__(
        self,
        path: str | Path,
        target: Path,
        size: Size,
        form: Form,
        encoding: Encoding,
        clip: Clip | None = None,
        *,
        key: str,
        transparent: bool = False,
    ) -> None:
        with ClipWriter(path, target, size, form, encoding, clip, transparent=transparent, trial=True) as whole:
            self.warnings = whole.warnings
            encoder, alpha = whole.encoder, has_alpha(av.VideoFormat(whole.pixel_format))
        self._path, self._target, self._clip, self._form, self._size = path, target, clip, form, size
        self._encoding = Encoding(encoder, encoding.crf, metadata=encoding.metadata)
        self._suffix = next((one for one in _CONTAINERS if _holds(one, encoder, alpha)), None)
        if self._suffix is None:
            raise WriteError(
                f"cannot write {target}: {encoder} cannot be written in segments",
                hint="Leave out --resume, or choose another --codec.",
            )
        target = target.absolute()  # as FFmpeg shall see it
        self._folder = segments_folder(target, key)
        remove_segments([target], but=self._folder)
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise WriteError(f"cannot create the folder {self._folder}: {error.strerror}") from error
        remove_leftovers(self._folder)
        self._whole = _segments(self._folder)
        self.done = sum(count for _, count, _ in self._whole)
        self._current: ClipWriter | None = None
        self._draft = Path()
        self._start = self._count = 0

    def __enter__(self) -> SegmentedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            if self._current:
                self._current.__exit__(kind, error, at)
                self._draft.unlink(missing_ok=True)
            with suppress(OSError):  # it is kept if there is a segment in it
                self._folder.rmdir()
            return
        self._finish()
        self._join()

    def write(self, image: Image, pts: int, duration: int) -> None:
        """Write an image as a frame. See `ClipWriter.write`."""
        if self._current is None:
            self._draft = temporary(self._folder / "segment")
            self._start, self._count = pts, 0
            kind = container_of(Path(f"segment{self._suffix}"))
            self._current = ClipWriter(self._draft, self._target, self._size, self._form, self._encoding, kind=kind)
        self._current.write(image, pts - self._start, duration)
        self._count += 1
        if self._count == FRAMES:
            self._finish()

    def copy(self, packet: av.Packet) -> None:
        """Ignore a packet: everything else is copied when the segments are joined."""

    def _finish(self) -> None:
        if self._current is None:
            return
        self._current.__exit__(None, None, None)
        self._current = None
        file = self._folder / f"{len(self._whole):06}.{self._start}.{self._count}{self._suffix}"
        try:
            os.replace(self._draft, file)
        except OSError as error:
            raise WriteError(f"cannot write {file}: {error.strerror}") from error
        self._whole.append((self._start, self._count, file))

    def _join(self) -> None:
        with ExitStack() as stack:
            clip = stack.enter_context(Clip(self._clip.path)) if self._clip else None
            first = stack.enter_context(av.open(self._whole[0][2]))
            writer = stack.enter_context(
                ClipWriter(
                    self._path,
                    self._target,
                    self._size,
                    self._form,
                    self._encoding,
                    clip,
                    template=first.streams.video[0],
                )
            )
            frames = ((_time(packet), True, packet) for packet in self._packets())
            others = ((_time(packet), False, packet) for packet in (clip.others() if clip else ()))
            for _, is_frame, packet in merge(frames, others, key=lambda one: one[0]):
                (writer.splice if is_frame else writer.copy)(packet)

    def _packets(self) -> Iterator[av.Packet]:
        """Yield the encoded frames of all segments, at their times in the clip."""
        last = None
        for start, _, file in self._whole:
            with av.open(file) as segment:
                for packet in segment.demux(video=0):
                    if not packet.size or packet.pts is None or packet.dts is None:
                        continue
                    shift = round(start * self._form.time_base / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    if last is not None and packet.dts <= last:  # frames that come late in the one before
                        packet.dts = last + 1
                    last = packet.dts
                    yield packet


def _segments(folder: Path) -> list[tuple[int, int, Path]]:
    """Return start, number of frames, and file of each segment from the first one on, as far as none is missing."""
    found = []
    for index, file in enumerate(sorted(file for file in folder.iterdir() if not file.name.startswith("."))):
        number, start, count = file.stem.split(".")
        if int(number) != index:
            break
        found.append((int(start), int(count), file))
    return found


def _holds(suffix: str, encoder: str, alpha: bool) -> bool:
    """Return whether files with this suffix hold what an encoder writes."""
    muxer = container_of(Path(f"segment{suffix}")).muxer
    with av.open(os.devnull, "w", format=muxer) as container:
        return encoder in container.supported_codecs and not (alpha and muxer not in ALPHA_IN.get(encoder, (muxer,)))


def _time(packet: av.Packet) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float("-inf") if time is None or packet.time_base is None else float(time * packet.time_base)
