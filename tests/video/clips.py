"""Clips for tests: a few small frames, made with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = Fraction(1, 90_000)
UNEVEN = (0, 3600, 7200, 12_000, 13_000, 20_000, 24_000, 30_001)
"""Times of frames, in `TICKS`, as a phone takes them."""


def image(index: int, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    """(H, W, 3): flat colours, in quarters, so that a codec loses little. The frames differ."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (200, 40, 20)
    pixels[: height // 2, width // 2 :] = (20, 180, 60)
    pixels[height // 2 :, : width // 2] = (30, 60, 210)
    pixels[height // 2 :, width // 2 :] = (20 + 25 * index) % 256
    return pixels


def make(
    path: Path,
    *,
    times: Sequence[int] = UNEVEN,
    size: tuple[int, int] = (48, 32),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    colours: tuple[int, int, int, int] = (1, 1, 1, 1),
    rotation: int = 0,
    audio: str | None = None,
    time_base: Fraction = TICKS,
    subtitles: bool = False,
    options: dict[str, str] | None = None,
    muxer: str | None = None,
) -> Path:
    """A clip of `image`s. `colours` are matrix, range, primaries and transfer in FFmpeg's numbers."""
    matrix, numbers, primaries, transfer = colours
    with av.open(path, "w", format=muxer) as out:
        stream = out.add_stream(codec, rate=25, options={"crf": "4"} if codec == "libx264" else {})
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt = pixel_format
        context.time_base = time_base
        context.colorspace, context.color_range = matrix, numbers
        context.color_primaries, context.color_trc = primaries, transfer
        stream.options.update(options or {})
        if rotation:
            stream.set_display_rotation(rotation)
        sound = out.add_stream(audio, rate=48_000) if audio else None
        words = out.add_mux_stream("subrip") if subtitles else None
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(image(index, size), "rgb24")
            frame = frame.reformat(
                format=pixel_format,
                dst_colorspace={2: 5, 6: 5}.get(matrix, matrix),
                src_color_range=2,
                dst_color_range=numbers or 1,
            )
            frame.pts, frame.time_base = time, time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound:
            wave = (8000 * np.sin(np.arange(48_000 * len(times) // 25) / 17)).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], "s16", "stereo")
            samples.sample_rate, samples.pts = 48_000, 0
            out.mux(sound.encode(samples))
            out.mux(sound.encode(None))
        if words:
            packet = av.Packet(b"Hello")
            packet.stream, packet.pts, packet.dts, packet.duration = words, 0, 0, 100
            packet.time_base = Fraction(1, 1000)
            out.mux(packet)
        out.metadata["title"] = "A test"
    return path


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(path) as clip:
        return [frame.pts * frame.time_base for frame in clip.decode(video=0)]


def frames_of(path: Path) -> list[np.ndarray]:
    """The frames, (H, W, 3), in the colours that the file's tags ask for."""
    with av.open(path) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def packets_of(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Time in seconds and content of the packets of the first stream of that kind."""
    with av.open(path) as clip:
        stream = next(stream for stream in clip.streams if stream.type == kind)
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in clip.demux(stream) if packet.size]


def tags_of(path: Path) -> tuple[int, int, int, int]:
    """Matrix, range, primaries and transfer."""
    with av.open(path) as clip:
        frame = next(clip.decode(video=0))
        return frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc


def codec_of(path: Path) -> str:
    with av.open(path) as clip:
        return clip.streams.video[0].codec_context.codec.canonical_name
