"""Writing clips: images as frames, and the packets of other streams unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

import av
from av.codec.codec import Codec, UnknownCodecError, find_best_pix_fmt_of_list
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from imgtk.errors import WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io.stripped import COPYRIGHT, KEEP, STRIP
from imgtk.video.formats import (
    ALPHA_IN,
    ALPHA_OPTIONS,
    ANY,
    ENCODERS,
    SMALLEST,
    Container,
    Encoding,
    container_of,
    quality_options,
)
from imgtk.video.frames import Form
from imgtk.video.pixels import Frames, has_alpha, is_deep
from imgtk.video.read import Clip

_OWN_TAGS = (
    "encoder",
    "duration",
    "rotate",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "vendor_id",
    "alpha_mode",
)
"""Metadata that tell of the file that they are in, not of the clip."""

_NEEDED = ("language", "filename", "mimetype")
"""Metadata without which a stream cannot be used."""

_RIGHTS = ("copyright", "artist", "author")

_LEFT_OUT = ("data", "unknown")
"""Kinds of streams that no container takes from another one: time codes, what sensors of a phone saw."""

_USUAL = {"rgb24": "yuv420p", "rgba": "yuva420p", "rgb48le": "yuv420p10le", "rgba64le": "yuva420p10le"}
"""The formats of pixels that players take, for images. Encoders that lose nothing get them as they are."""

_ODD = "Most encoders take even sides only: choose another scale, or --codec libvpx-vp9, which takes any."

_speaking = Lock()  # what FFmpeg tells of belongs to the whole process


class ClipWriter:
    """A clip that is being written, as a context manager. If the block succeeds, the file is complete.

    Args:
        path: the file to write.
        target: what it will be called; chooses the container, unless `kind` does, and is named in messages.
        size: of the images.
        form: how the frames that they are from were stored, which is kept as far as possible.
        encoding: how they are written.
        clip: whose other streams, chapters and titles are copied; None if there are none.
        transparent: whether there is transparency to be lost.
        template: a stream whose packets are `splice`d in, in place of frames to encode.
        trial: only find out whether it can be written.

    Attributes:
        encoder: what writes the frames.
        pixel_format: of the frames, as FFmpeg calls it.
        done: frames that need not be written: none.
        warnings: what could not be kept, in words.

    Raises:
        WriteError: if the container cannot hold the clip's sound, the encoder is missing, cannot be used in this
            container or cannot write such frames, or the file cannot be written.
    """

    done = 0

    def __init__(
        self,
        path: str | Path,
        target: Path,
        size: Size,
        form: Form,
        encoding: Encoding,
        clip: Clip | None = None,
        *,
        transparent: bool = False,
        template: VideoStream | None = None,
        kind: Container | None = None,
        trial: bool = False,
    ) -> None:
        self.warnings: list[str] = []
        self._count, self._policy = 0, encoding.metadata
        self._target, self._form, self._template, self._trial = target, form, template, trial
        kind = kind or container_of(target)
        with self._writing():
            self._container = av.open(
                Path(path).absolute(), "w", format=kind.muxer, container_options=dict(kind.options)
            )
        try:
            self.encoder = self._encoder(kind, encoding.codec)
            self.pixel_format = self._pixel_format(kind, transparent)
            self._frames = Frames(self.pixel_format, form.colours)
            self._streams: dict[int, Stream] = {}
            options = quality_options(self.encoder, encoding.crf)
            if has_alpha(av.VideoFormat(self.pixel_format)):
                options |= ALPHA_OPTIONS.get(self.encoder, {})
            if clip is None:
                self._stream = self._add_frames(size, options)
            else:
                for stream in clip.container.streams:
                    if stream is clip.stream:
                        self._stream = self._add_frames(size, options)
                    elif stream.type in _LEFT_OUT:
                        self.warnings.append(f"a stream of {_name(stream)} is left out")
                    else:
                        self._add_copy(stream)
                self._copy_metadata(clip)
            if template is None:
                self._open_encoder(size)
        except BaseException:
            _abandon(self._container)
            raise

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None or self._trial:
            _abandon(self._container)
            return
        with self._writing():
            if self._template is None:
                self._mux(self._stream.encode(None))
            self._container.close()

    def write(self, image: Image, pts: int, duration: int) -> None:
        """Write an image as the frame that is shown at `pts` for `duration`, in units of `form.time_base`."""
        if image.alpha is not None and not has_alpha(av.VideoFormat(self.pixel_format)):
            raise self._transparency()
        frame = self._frames(image)
        frame.pts, frame.duration, frame.time_base = pts, duration, self._form.time_base
        self._count += 1
        with self._writing():
            self._mux(self._stream.encode(frame))

    def _mux(self, packets: Iterable[av.Packet]) -> None:
        for packet in packets:
            if self.encoder == "libx265" and self._count < 3:
                packet.dts = packet.pts  # x265 4.1 leaves it undefined if there are no more frames
            self._container.mux(packet)

    def copy(self, packet: av.Packet) -> None:
        """Write a packet of one of the clip's other streams, unless that was left out."""
        stream = self._streams.get(packet.stream.index)
        if stream is None:
            return
        kind, time = packet.stream.type, packet.pts if packet.pts is not None else packet.dts
        at = f" at {float(time * packet.time_base):.2f} seconds" if time is not None and packet.time_base else ""
        packet.stream = stream
        try:
            with self._writing():
                self._container.mux(packet)
        except WriteError as error:
            if isinstance(error.__cause__, OSError):
                raise
            error.message += f": the {kind}{at} cannot be copied, and may be damaged"
            raise

    def splice(self, packet: av.Packet) -> None:
        """Write a frame that was encoded before."""
        packet.stream = self._stream
        with self._writing():
            self._container.mux(packet)

    def _encoder(self, kind: Container, asked: str | None) -> str:
        """Return the name of the encoder that was asked for, or else of the clip's own codec, or else of the
        container."""
        if asked is None:
            able = self._container.supported_codecs
            own = ENCODERS.get(self._form.codec, kind.encoder)
            asked = own if own in able and own in av.codecs_available else kind.encoder
        try:
            codec = Codec(asked, "w")
        except UnknownCodecError:
            raise WriteError(
                f"cannot write {self._target}: there is no encoder {asked} in this PyAV",
                hint=f"Try one of these: --codec {', '.join(sorted(ENCODERS.values()))}.",
            ) from None
        if codec.type != "video":
            raise WriteError(f"cannot write {self._target}: {asked} is a codec for {codec.type}")
        return codec.name

    def _pixel_format(self, kind: Container, transparent: bool) -> str:
        """Return the one of the encoder's formats of pixels that is nearest to the clip's."""
        own, codec = self._form.pixel_format, Codec(self.encoder, "w")
        if not self._form.codec and codec.lossy:
            own = _USUAL.get(own, own)
        own = "yuv420p10le" if own.startswith("gray") and self._form.deep else own
        own = "rgba" if own == "pal8" else "yuv420p" if own.startswith("gray") else own.replace("yuvj", "yuv")
        names = [one.name for one in codec.video_formats or []] or [own]
        if kind.muxer not in ALPHA_IN.get(self.encoder, (kind.muxer,)):
            names = [name for name in names if not has_alpha(av.VideoFormat(name))]
        if own in names:
            return own
        best, _ = find_best_pix_fmt_of_list(names, own, has_alpha=self._form.alpha)
        assert best is not None
        if transparent and not has_alpha(best):
            raise self._transparency()
        if self._form.deep and not is_deep(best):
            self.warnings.append(f"{self.encoder} keeps fewer bits than the clip has ({own}): {best.name}")
        return best.name

    def _transparency(self) -> WriteError:
        return WriteError(
            f"cannot write {self._target}: the clip has transparency, which {self.encoder} "
            f"cannot hold in {self._target.suffix}",
            hint="Write .webm with --codec libvpx-vp9, .mov with --codec prores_ks, or .mkv with --codec ffv1.",
        )

    def _add_frames(self, size: Size, options: dict[str, str]) -> VideoStream:
        if self._template is not None:
            copy = self._container.add_stream_from_template(self._template, opaque=True)
            if alpha := self._template.metadata.get("alpha_mode"):
                copy.metadata["alpha_mode"] = alpha
            return copy
        smallest = SMALLEST.get(self.encoder, 1)
        if min(size) < smallest:
            raise WriteError(
                f"cannot write {self._target}: {self.encoder} takes frames from {smallest}x{smallest}, not {size}",
                hint="Name another encoder with --codec, such as libx264.",
            )
        form = self._form
        try:
            stream = self._container.add_stream(self.encoder, rate=form.rate, options=options)
        except ValueError:
            raise WriteError(
                f"cannot write {self._target}: {self._target.suffix} files hold no {self.encoder}",
                hint="Choose another --codec"
                + ("." if self._target.suffix.lower() == ANY else f", or write {ANY}, which holds nearly every codec."),
            ) from None
        assert isinstance(stream, VideoStream)
        context, colours = stream.codec_context, form.colours
        context.width, context.height = size
        context.pix_fmt = self.pixel_format
        context.time_base = stream.time_base = form.time_base
        context.framerate = form.rate
        rgb = context.format is not None and context.format.is_rgb
        context.color_range, context.colorspace = (2, 0) if rgb else (colours.range, colours.matrix)
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        if form.shape:
            context.sample_aspect_ratio = form.shape
        context.flags |= av.codec.context.Flags.frame_duration
        if self.encoder == "libx265":
            stream.options["x265-params"] = "log-level=none"  # it writes to standard error by itself
        return stream

    def _add_copy(self, stream: Stream) -> None:
        try:
            if stream.type != "attachment" and stream.codec_context is None:
                raise ValueError("a codec that this PyAV does not know")
            if stream.type == "attachment" and "matroska" not in self._container.format.name:
                raise ValueError("only Matroska has attachments")
            copy = self._container.add_stream_from_template(stream, opaque=True)
        except ValueError:
            what = stream.codec_context.codec.canonical_name if stream.codec_context else stream.type
            if stream.type == "audio":
                raise WriteError(
                    f"cannot write {self._target}: its sound is {what}, which {self._target.suffix} files do not hold",
                    hint=f"Write {ANY}, which holds nearly every codec.",
                ) from None
            self.warnings.append(f"{stream.type} ({what}) is left out: {self._target.suffix} files do not hold it")
            return
        copy.metadata.update(self._told(stream.metadata))
        copy.disposition = stream.disposition
        if stream.type != "attachment":
            self._streams[stream.index] = copy

    def _copy_metadata(self, clip: Clip) -> None:
        source = clip.container
        self._container.metadata.update(self._told(source.metadata))
        self._stream.metadata.update(self._told(clip.stream.metadata))
        self._stream.disposition = clip.stream.disposition
        if chapters := source.chapters():
            self._container.set_chapters(chapters)

    def _told(self, metadata: dict[str, str]) -> dict[str, str]:
        """Return what of the tags goes along."""
        kept = {key: value for key, value in metadata.items() if key.lower() not in _OWN_TAGS}
        public = {KEEP: kept, STRIP: _NEEDED, COPYRIGHT: (*_NEEDED, *_RIGHTS)}[self._policy]
        return {key: value for key, value in kept.items() if public is kept or key.lower() in public}

    def _open_encoder(self, size: Size) -> None:
        """Find out now what it would not write."""
        os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 writes to standard error by itself, and this means: errors
        with _messages() as said:
            try:
                self._stream.codec_context.open()
            except (av.error.FFmpegError, ValueError) as error:
                reason = said[-1][2].strip() if said else str(error)
                odd = any(side % 2 for side in size)
                raise WriteError(
                    f"cannot write {self._target}: {self.encoder} cannot write frames of {size} pixels: {reason}",
                    hint=_ODD if odd else "Choose another --codec.",
                ) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the file in errors."""
        try:
            yield
        except av.error.FFmpegError as error:
            raise WriteError(f"cannot write {self._target}: {error.strerror}") from error


def _abandon(container: OutputContainer) -> None:
    """Close a file that is no longer needed."""
    with suppress(av.error.FFmpegError, ValueError):
        container.close()


def _name(stream: Stream) -> str:
    """Return what a stream of data is, as far as the clip tells."""
    name = stream.metadata.get("handler_name", "").strip()
    return f"data ({name})" if name else "data"


@contextmanager
def _messages() -> Iterator[list[tuple[int, str, str]]]:
    """Collect FFmpeg's error messages (level, who, what) within the block, since its codes alone explain little."""
    with _speaking:
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture() as said:
                yield said
        finally:
            av.logging.set_level(None)
