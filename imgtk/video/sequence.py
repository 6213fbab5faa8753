"""Image files as the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import MAX_PIXELS, read
from imgtk.io.depth import to_depth
from imgtk.io.read import read_headers
from imgtk.video.animation import is_animation
from imgtk.video.formats import USUAL_RATE
from imgtk.video.frames import Colours, Form, Frame, rgb_format, usual_matrix
from imgtk.video.timestamps import NAME, read_timestamps, unit_of, whole

_LARGEST_DENOMINATOR = 1001  # of an average rate, as of 30000/1001


class ImageSequence:
    """Images that are being read as the frames of a clip, as a context manager. Iterating gives them, all with the
    depth of the deepest.

    Args:
        images: their files, at least one, in order.
        rate: frames per second; None for the times in the `timestamps.txt` beside the images, or else 25.
        max_pixels: width * height above which they are not decoded.

    Attributes:
        files: what is read.
        first: the first image.
        form: how a clip would store them.
        length: how many there are.
        notes: remarks for the user.
        warnings: what of the images is not in the frames: nothing.

    Raises:
        ReadError: if a file holds no image, several, or one that is too large or has another size than the first; if
            there are fewer or more times than images.
    """

    def __init__(
        self, images: Sequence[Path], rate: Fraction | int | None = None, *, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.notes: list[str] = []
        self.warnings: tuple[str, ...] = ()
        self._images, self._max_pixels = images, max_pixels
        self.length = len(images)
        size, self._depth, alpha = self._looked_at()
        self.first = self._image(images[0])
        times = None if rate else self._times_beside()
        self.files = (*images, self._beside) if times else tuple(images)
        if times is None:
            if rate is None:
                rate = USUAL_RATE
                self.notes.append(f"{rate} frames are shown per second; --fps chooses another rate")
            times = [index / Fraction(rate) for index in range(self.length + 1)]
        unit = unit_of(times)
        self._marks = whole(times, unit)
        average = self.length / ((self._marks[-1] - self._marks[0]) * unit)
        self.form = Form(
            codec="",
            pixel_format=rgb_format(deep=self._depth == 16, alpha=alpha),
            colours=Colours(usual_matrix(size)),
            time_base=unit,
            rate=max(average.limit_denominator(_LARGEST_DENOMINATOR), Fraction(1, _LARGEST_DENOMINATOR)),
            deep=self._depth == 16,
            alpha=alpha,
        )

    def __enter__(self) -> ImageSequence:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Do nothing: nothing is open."""

    def __iter__(self) -> Iterator[Frame]:
        return self.after(0)

    def after(self, skipped: int) -> Iterator[Frame]:
        """Yield the frames, without so many at the beginning."""
        for index in range(skipped, self.length):
            start, end = self._marks[index : index + 2]
            yield Frame(self._image(self._images[index]), start, end - start)

    def _looked_at(self) -> tuple[Size, int, bool]:
        """Return what the files say of the images: their size, bits per sample (8 or 16), and whether any has alpha."""
        size, depth, alpha = None, 8, False
        for path in self._images:
            if is_animation(path):
                raise ReadError(f"cannot read {path}: it is an animation, and a frame is one image")
            header, *others = read_headers(path, max_pixels=self._max_pixels)
            if others:
                raise ReadError(f"cannot read {path}: it has {1 + len(others)} pages, and a frame is one image")
            size = size or header.size
            if header.size != size:
                raise ReadError(
                    f"cannot read {path}: it has {header.size} pixels, and {self._images[0]} has {size}",
                    hint="All frames of a clip must have the same size.",
                )
            depth = 16 if header.depth > 8 else depth
            alpha = alpha or header.has_alpha
        assert size
        return size, depth, alpha

    def _image(self, path: Path) -> Image:
        image = read(path, max_pixels=self._max_pixels)
        alpha = None if image.alpha is None else to_depth(image.alpha, self._depth)
        return replace(image, pixels=to_depth(image.pixels, self._depth), alpha=alpha)

    @property
    def _beside(self) -> Path:
        return self._images[0].with_name(NAME)

    def _times_beside(self) -> list[Fraction] | None:
        """Return the time in seconds of each image and of the end of the last, if there is a file with times."""
        if not self._beside.exists() or any(path.parent != self._beside.parent for path in self._images):
            return None
        times = read_timestamps(self._beside)
        if len(times) not in (self.length, self.length + 1):
            raise ReadError(
                f"cannot read {self._beside}: it has {len(times)} times, and there are {self.length} images",
                hint="It must have one for each image, and may have one more for the end. --fps replaces it.",
            )
        if len(times) == self.length:  # the last image is shown as long as the one before
            times.append(times[-1] + (times[-1] - times[-2] if self.length > 1 else 1 / USUAL_RATE))
        return times
