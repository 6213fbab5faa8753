"""Decoding the packets of a clip's frames: which decoder is taken, and what stands for frames that are repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from imgtk.errors import ReadError

WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that see the transparency of WebM, which lies beside the frames: FFmpeg's own ones, taken otherwise, do
not."""


class Decoded(NamedTuple):
    """A frame.

    Attributes:
        frame: what is seen.
        pts: when, in units of the stream's time base; None if the clip does not tell.
        duration: for how long, in the same unit; None or 0 if the clip does not tell.
    """

    frame: av.VideoFrame
    pts: int | None
    duration: int | None


class Decoder:
    """Makes frames of the packets of a stream, in the order in which they are shown.

    Args:
        stream: of frames.

    Raises:
        ReadError: the frames have transparency, and there is no decoder that sees it.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = _context(stream)
        self._repeats: deque[tuple[int, int | None]] = deque()
        self._last: av.VideoFrame | None = None

    def __call__(self, packet: av.Packet) -> Iterator[Decoded]:
        """Yield the frames that a packet completes. An empty packet repeats the frame before it (Theora, AVI).

        Raises:
            av.error.FFmpegError: the packet is damaged.
        """
        time = _time(packet)
        if not packet.size and time is not None:
            self._repeats.append((time, packet.duration))
            return
        for frame in self._context.decode(packet):
            time = _time(frame)
            while self._repeats and (time is None or self._repeats[0][0] < time):
                yield from self._repeated()
            self._last = frame
            yield Decoded(frame, time, frame.duration)
        if not packet.size:  # the last packet, which only says that the stream has ended
            while self._repeats:
                yield from self._repeated()

    def _repeated(self) -> Iterator[Decoded]:
        time, duration = self._repeats.popleft()
        if self._last is not None:
            yield Decoded(self._last, time, duration)


def _time(timed: av.Packet | av.VideoFrame) -> int | None:
    return timed.pts if timed.pts is not None else timed.dts


def _context(stream: VideoStream) -> VideoCodecContext:
    """Return the stream's own decoder, but one that sees transparency where there is some."""
    context = stream.codec_context
    name = WITH_ALPHA.get(context.codec.canonical_name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if name is None or tags.get("alpha_mode") != "1":
        stream.thread_type = "AUTO"
        return context
    try:
        found = CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:
        raise ReadError(
            f"its frames have transparency, which only the decoder {name} sees, and this PyAV lacks it",
            hint="Install the PyAV of PyPI: pip install --force-reinstall av",
        ) from None
    assert isinstance(found, VideoCodecContext)
    found.extradata = context.extradata
    return found
