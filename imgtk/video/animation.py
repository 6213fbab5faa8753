"""Reading and writing animations (GIF, WebP, APNG) with Pillow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from PIL.PngImagePlugin import PngInfo

from imgtk.device import available_memory, resolve_device
from imgtk.errors import MemoryLimitError, ReadError, WriteError
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import MAX_PIXELS, png
from imgtk.io import metadata as meta
from imgtk.io.by_pillow import metadata_of
from imgtk.io.carried import fitting, wanted
from imgtk.io.convert import assembled, oriented
from imgtk.io.depth import to_depth
from imgtk.io.formats import WEBP
from imgtk.io.options import WriteOptions
from imgtk.io.quiet import without_warnings
from imgtk.io.write import QUALITY, Stream, is_lossless
from imgtk.video.formats import ANIMATED, ANIMATIONS
from imgtk.video.frames import Colours, Form, Frame, usual_matrix

MILLISECOND = Fraction(1, 1000)

_UNTOLD = 100.0
"""Milliseconds that a frame without a duration is shown, as browsers do."""

_SHARE = 0.5
"""Share of the free memory that an animation may take: Pillow writes it when it has all of it."""

_LONGEST = {"GIF": 65_535, "WEBP": 16_383, "PNG": 2**31 - 1}
_STEPS = {"GIF": 10, "WEBP": 1, "PNG": 1}  # milliseconds that durations are multiples of
_HIDDEN = 255  # index of the colour of a GIF that is not shown
_SHOWN = 128  # opacity from which on a pixel of a GIF is shown


def is_animation(path: Path) -> bool:
    """Return whether the file is an animation: a GIF, WebP or PNG of several frames. Only its head is read."""
    if path.suffix.lower() not in ANIMATIONS or not os.path.isfile(path):
        return False
    try:
        with without_warnings(), PIL.Image.open(path, formats=tuple(_STEPS)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # whoever reads it as an image finds out what is wrong
        return False


class Animation:
    """An animation that is being read, as a context manager. Iterating gives its frames, each as it is seen, with what
    earlier ones left in it.

    Args:
        path: the file.
        max_pixels: width * height of frames above which they are not decoded.

    Attributes:
        files: what is read.
        first: image of the first frame.
        form: how a clip would store it.
        length: how many frames there are.
        loops: how often it is shown; 0 for ever.
        notes: remarks for the user.
        warnings: what of the animation is not in the frames, in words.

    Raises:
        ReadError: if it cannot be read, is damaged, or its frames are too large.
    """

    def __init__(self, path: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        self.notes: list[str] = []
        try:
            with without_warnings():
                self._file = PIL.Image.open(self.path, formats=tuple(_STEPS))
        except Exception as error:
            raise self._problem(error) from error
        size = Size(*self._file.size)
        if size.pixels > max_pixels:
            self._file.close()
            raise ReadError(
                f"cannot read {path}: its frames have {size} = {size.pixels:,} pixels, "
                f"above the limit of {max_pixels:,}",
                hint=f"If you trust the file, raise the limit with --max-pixels {size.pixels}.",
            )
        # An APNG may have an image for programs that do not know animations; it is not one of the frames.
        self._skipped = int(bool(getattr(self._file, "default_image", False)))
        self.length = getattr(self._file, "n_frames", 1) - self._skipped
        with self.path.open("rb") as file:
            deep = self._file.format == "PNG" and png.bit_depth(file.read(32)) > 8
            metadata = metadata_of(file, self._file)
        self._orientation, self._metadata = meta.orientation(metadata), meta.upright(metadata)
        self.warnings = ["16 bits per sample have become 8"] if deep else []
        self.first, duration = self._frame(0)
        loops = self._file.info.get("loop")
        if self._file.format == "GIF":  # whose number is that of repetitions
            self.loops = 1 if loops is None else loops + 1 if loops else 0
        else:
            self.loops = loops or 0
        if self._is_cut():
            self.notes.append(f"its end is missing, and {self.length} frames were found")
        self.form = Form(
            codec="",
            pixel_format="yuva420p" if self._file.has_transparency_data else "yuv420p",
            colours=Colours(usual_matrix(size)),
            time_base=MILLISECOND,
            rate=Fraction(1000, max(round(duration), 1)),
            alpha=True,
        )

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Frame]:
        return self.after(0)

    def after(self, skipped: int) -> Iterator[Frame]:
        """Yield the frames, without so many at the beginning."""
        start = 0.0
        for index in range(self.length):
            image, duration = self._frame(index)
            if index >= skipped:
                yield Frame(image, round(start), round(start + duration) - round(start))
            start += duration

    def _frame(self, index: int) -> tuple[Image, float]:
        """Return a frame, and how many milliseconds it is shown."""
        try:
            self._file.seek(index + self._skipped)
            self._file.load()
            samples = np.asarray(self._file.convert("RGBA"))
        except Exception as error:  # decoders fail in many ways
            raise self._problem(error) from error
        samples = oriented(samples, self._orientation)
        image = assembled(samples, has_alpha=True, metadata=self._metadata, path=self.path)
        return image, float(self._file.info.get("duration") or _UNTOLD)

    def _is_cut(self) -> bool:
        """Return whether the end of a GIF is missing: Pillow takes the frames that are there for all."""
        with self.path.open("rb") as file:
            file.seek(-min(self.path.stat().st_size, 512), os.SEEK_END)
            return self._file.format == "GIF" and not file.read().rstrip(b"\0").endswith(b";")

    def _problem(self, error: Exception) -> ReadError:
        return ReadError(f"cannot read {self.path}: the animation in it is damaged or cut short ({error})")


class AnimationWriter:
    """An animation that is being written, as a context manager. If the block succeeds, the file is complete.

    Args:
        file: what to write to.
        target: what the file will be called; its suffix chooses the format.
        size: of the frames.
        length: how many there will be, by estimate.
        time_base: seconds in a unit of time.
        loops: how often it is to be shown; 0 for ever.
        options: how the file is written; of it, WebP takes `quality` and `lossless`.

    Attributes:
        done: frames that need not be written: none.
        warnings: what could not be kept, in words.

    Raises:
        WriteError: if the format cannot hold such frames.
        MemoryLimitError: if they do not fit into memory all at once.
    """

    done = 0

    def __init__(
        self,
        file: BinaryIO,
        target: Path,
        size: Size,
        length: int,
        time_base: Fraction,
        *,
        loops: int = 0,
        options: WriteOptions = WriteOptions(),
    ) -> None:
        self.warnings: list[str] = []
        self._format = ANIMATIONS[target.suffix.lower()]
        self._target, self._file, self._time_base, self._loops = target, file, time_base, loops
        self._options = options
        self._frames: list[PIL.Image.Image] = []
        self._starts: list[Fraction] = []  # in seconds
        self._end = Fraction(0)
        self._first: Image | None = None
        if max(size) > _LONGEST[self._format]:
            raise WriteError(f"cannot write {target}: {size} is too large for {self._format}")
        needed, free = length * size.pixels * 4, _SHARE * available_memory(resolve_device("cpu"))
        if needed > free:
            raise MemoryLimitError(
                f"cannot write {target}: {length} frames of {size} need {needed / 1e9:.1f} GB at once, and "
                f"{free / 1e9:.1f} GB may be used",
                hint="Write a clip: .mp4, .webm or .mkv.",
            )

    def __enter__(self) -> AnimationWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None and self._frames:
            if self._format == "GIF" and any("transparency" in frame.info for frame in self._frames):
                for frame in self._frames:  # what follows a frame that does not name it would be opaque
                    frame.info["transparency"] = _HIDDEN
            first, *others = self._frames
            file: Any = Stream(self._file)
            first.save(file, self._format, save_all=True, append_images=others, **self._saving())
        self._frames.clear()

    def write(self, image: Image, pts: int, duration: int) -> None:
        """Add an image as the frame that is shown at `pts` for `duration`, in units of `time_base`."""
        self._first = self._first or image
        samples = to_depth(image.numpy(), 8)
        pil_image = PIL.Image.fromarray(samples)
        self._frames.append(_indexed(pil_image) if self._format == "GIF" else pil_image.convert("RGBA"))
        self._starts.append(pts * self._time_base)
        self._end = (pts + duration) * self._time_base

    def copy(self, packet: Any) -> None:
        """Ignore a packet: animations have no sound and no subtitles."""
        if not self.warnings:
            self.warnings.append(f"sound and subtitles are left out: {self._format} holds none")

    def _saving(self) -> dict[str, Any]:
        step = _STEPS[self._format]
        marks = [round(time / MILLISECOND / step) * step for time in (*self._starts, self._end)]
        options: dict[str, Any] = {"duration": [end - start for start, end in pairwise(marks)]}
        if self._format == "GIF":
            repetitions = {} if self._loops == 1 else {"loop": max(self._loops - 1, 0)}
            return options | repetitions | {"disposal": 2, "optimize": False}
        assert self._first
        form, size = ANIMATED[self._format], self._first.size
        metadata = fitting(wanted(self._first.metadata, self._options), size, self._first.gray, form)
        carried: dict[str, Any] = {"icc_profile": metadata.icc, "exif": metadata.exif and b"Exif\0\0" + metadata.exif}
        carried |= {"xmp": metadata.xmp} if form is WEBP else {"dpi": metadata.dpi, "pnginfo": _png_info(metadata)}
        options |= {"loop": self._loops} | {name: value for name, value in carried.items() if value}
        if form is not WEBP:
            return options
        if is_lossless(metadata, self._options):
            return options | {"lossless": True, "exact": True}
        transparent = any(np.asarray(frame.getchannel("A")).min() < 255 for frame in self._frames)
        # Where frames refer to earlier ones, libwebp 1.6 loses what is transparent in some of them.
        return options | {"quality": self._options.quality or QUALITY} | ({"kmax": 1} if transparent else {})


def _png_info(metadata: Metadata) -> PngInfo:
    """Return the chunks that Pillow does not write by itself."""
    info = PngInfo()
    for kind, data in png.metadata_chunks(metadata):
        if kind not in (b"iCCP", b"eXIf", b"pHYs"):
            info.add(kind, data)
    return info


def _indexed(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return an image with its own palette of 255 colours, and one more for transparent pixels."""
    opaque = image.convert("RGB")
    palette = opaque.quantize(255, PIL.Image.Quantize.MEDIANCUT)
    indexed = opaque.quantize(palette=palette, dither=PIL.Image.Dither.FLOYDSTEINBERG)
    if image.mode in ("LA", "RGBA"):
        hidden = image.getchannel("A").point(lambda alpha: 255 * (alpha < _SHOWN))
        indexed.paste(_HIDDEN, mask=hidden)
        indexed.info["transparency"] = _HIDDEN
    return indexed
