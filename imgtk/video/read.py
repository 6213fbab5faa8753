"""Reading clips: frames as images, and the packets of all other streams unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from imgtk.errors import ReadError
from imgtk.io import MAX_PIXELS
from imgtk.video.decode import Decoded, Decoder
from imgtk.video.formats import USUAL_RATE
from imgtk.video.frames import Form, Frame
from imgtk.video.pixels import FrameImages

_LACKING = 0.5
"""Seconds that a clip may end before its header says so; muxers round, and count in what is heard at the end."""


class Clip:
    """A clip that is being read, as a context manager. Iterating gives its frames, and the packets of its other streams
    between them, in the order of the file; it can be done once.

    Args:
        path: the file.
        max_pixels: width * height of frames above which they are not decoded.

    Attributes:
        files: what is read.
        container: the file, as PyAV has it.
        stream: the stream whose frames are read.
        first: image of the first frame.
        form: how the frames are stored.
        length: frames that there are, by estimate; 0 if that cannot be told.
        notes: remarks for the user so far.
        warnings: what of the clip is not in the frames, in words.

    Raises:
        ReadError: if there is no such file, or it holds no clip, a damaged one, or one whose frames are too large.
    """

    def __init__(self, path: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        self.notes: list[str] = []
        self._damaged = self._interlaced = self._read = 0
        with _opened(self.path) as container:  # once for the first frame, and then from the start
            first = self._first_frame(container, max_pixels)
            with self._reading():
                self._images = FrameImages(first)
                self.first = self._images(first)
            self.warnings = ["HDR mastering data are left out"] if _is_mastered(first) else []
        self.container = _open(self.path)
        self.stream = _stream(self.container, self.path)
        self._decoder = Decoder(self.stream)
        self.form = self._form(first.format.name)
        self.length = self.stream.frames or int(self._seconds() * self.form.rate)

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[Frame | av.Packet]:
        return self.after(0)

    def after(self, skipped: int) -> Iterator[Frame | av.Packet]:
        """Yield the frames and packets, without so many frames at the beginning."""
        last, end = None, 0.0
        usual = round(1 / self.form.rate / self.form.time_base)
        with self._reading():
            for packet in self.container.demux(*self._wanted()):
                if packet.stream is not self.stream:
                    if packet.pts is not None and packet.time_base:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                    if packet.dts is not None or packet.size:
                        yield packet
                    continue
                for frame, pts, shown in self._decoded(packet, self._decoder):
                    duration = shown or usual
                    if pts is None or (last is not None and pts <= last[0]):  # times of frames must rise
                        pts = 0 if last is None else last[0] + (last[1] if pts is None else 1)
                    last = (pts, duration)
                    end = max(end, float((pts + duration) * self.form.time_base))
                    if skipped:
                        skipped -= 1
                    else:
                        yield Frame(self._images(frame), pts, duration)
        if not self._read:  # which several threads may find where one did not
            raise ReadError(f"cannot read {self.path}: no frame can be decoded")
        if self._interlaced:
            self.notes.append(
                "it is interlaced: both fields of a frame are processed as one image, and the result is progressive; "
                "deinterlace it before, as by `ffmpeg -i IN -vf bwdif OUT`"
            )
        if self._damaged:
            self.notes.append(f"damaged frames, as they could be decoded: {self._damaged}")
        if self._read < self.stream.frames:
            self.notes.append(f"it should have {self.stream.frames} frames, and {self._read} were found")
        told = self._told_length()
        if end + _LACKING < told:
            self.notes.append(f"it should last {told:.1f} seconds, and ends after {end:.1f}")

    def _form(self, pixel_format: str) -> Form:
        context, images, shape = self.stream.codec_context, self._images, self.stream.sample_aspect_ratio
        assert self.stream.time_base
        return Form(
            context.codec.canonical_name,
            pixel_format,
            images.colours,
            self.stream.time_base,
            self.stream.guessed_rate or self.stream.average_rate or USUAL_RATE,
            1 / shape if shape and images.sideways else shape or None,
            images.deep,
            images.alpha,
        )

    def others(self) -> Iterator[av.Packet]:
        """Yield the packets of all streams but the frames'; they can be had in place of iterating."""
        wanted = [stream for stream in self._wanted() if stream is not self.stream]
        with self._reading():
            for packet in self.container.demux(*wanted) if wanted else ():
                if packet.dts is not None or packet.size:  # not what only says that a stream has ended
                    yield packet

    def _wanted(self) -> list[Stream]:
        return [stream for stream in self.container.streams if stream.type in ("video", "audio", "subtitle")]

    def _first_frame(self, container: InputContainer, max_pixels: int) -> av.VideoFrame:
        stream = _stream(container, self.path)
        size = stream.codec_context
        if size.width * size.height > max_pixels:
            raise ReadError(
                f"cannot read {self.path}: its frames have {size.width}x{size.height} = "
                f"{size.width * size.height:,} pixels, above the limit of {max_pixels:,}",
                hint=f"If you trust the file, raise the limit with --max-pixels {size.width * size.height}.",
            )
        with self._reading():
            decoder = Decoder(stream)
            for packet in container.demux(stream):
                for decoded in self._decoded(packet, decoder):
                    self._damaged = self._interlaced = self._read = 0
                    return decoded.frame
        raise ReadError(f"cannot read {self.path}: no frame can be decoded")

    def _decoded(self, packet: av.Packet, decoder: Decoder) -> list[Decoded]:
        """Return the frames that a packet completes. What comes before the first frame that can be decoded, as where a
        broadcast was joined, is skipped; damage further on is an error."""
        try:
            frames = list(decoder(packet))
        except av.error.InvalidDataError:
            if not self._read:
                return []
            assert packet.time_base
            at = float((packet.pts or packet.dts or 0) * packet.time_base)
            raise ReadError(f"it is damaged or cut short at {at:.2f} seconds") from None
        self._read += len(frames)
        self._damaged += sum(decoded.frame.is_corrupt for decoded in frames)
        self._interlaced += sum(bool(decoded.frame.interlaced_frame) for decoded in frames)
        return frames

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Name the file in errors."""
        try:
            yield
        except ReadError as error:
            raise ReadError(f"cannot read {self.path}: {error.message}", hint=error.hint) from error.__cause__
        except av.error.EOFError as error:
            raise ReadError(f"cannot read {self.path}: it is damaged or cut short") from error
        except av.error.FFmpegError as error:
            raise ReadError(f"cannot read {self.path}: {error.strerror}") from error

    def _told_length(self) -> float:
        """Return the end of the clip in seconds, if the file states it: FFmpeg guesses that of other files."""
        tells = "matroska" in self.container.format.name
        return (self.container.duration or 0) / av.time_base if tells else 0.0

    def _seconds(self) -> Fraction:
        if self.stream.duration:
            return self.stream.duration * self.form.time_base
        return Fraction(self.container.duration or 0, av.time_base)


def _is_mastered(frame: av.VideoFrame) -> bool:
    """Return whether a frame comes with data for screens that adapt to it."""
    names = frame.side_data.keys()
    return any(word in str(name) for name in names for word in ("MASTERING", "LIGHT_LEVEL", "HDR", "DOVI"))


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    container = _open(path)
    try:
        yield container
    finally:
        container.close()


def _open(path: Path) -> InputContainer:
    if os.path.exists(path) and not os.path.isfile(path):
        raise ReadError(f"cannot read {path}: it is not a regular file")
    try:
        return av.open(path.absolute(), metadata_errors="replace")  # a:b would be a protocol to FFmpeg
    except (av.error.InvalidDataError, av.error.EOFError):
        raise ReadError(f"cannot read {path}: it is not a clip, or damaged") from None
    except av.error.FFmpegError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None


def _stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first stream of frames that is no cover image."""
    streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not streams:
        raise ReadError(f"cannot read {path}: there are no frames in it, only {_contents(container)}")
    if streams[0].codec_context is None:
        raise ReadError(f"cannot read {path}: this PyAV has no decoder for its frames")
    return streams[0]


def _contents(container: InputContainer) -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "metadata"
