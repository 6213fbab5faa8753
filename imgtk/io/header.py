"""The headers of images: what files state before they are decoded, and which are refused for it."""

from __future__ import annotations

from dataclasses import dataclass

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Metadata
from imgtk.io.convert import SIDEWAYS

MAX_PIXELS = 250_000_000
"""Images above this size are refused unless the caller raises the limit. 250 megapixels are 750 MB of 8-bit colour:
more than cameras make, less than what files of a few hundred kilobytes can hold."""


@dataclass(frozen=True)
class Header:
    """The header of an image in a file."""

    size: Size
    channels: int
    depth: int
    metadata: Metadata
    orientation: int
    whole: str

    @property
    def has_alpha(self) -> bool:
        """Whether there is an alpha channel, which may be opaque everywhere."""
        return self.channels in (2, 4)

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded image."""
        return self.size.pixels * self.channels * self.depth // 8


def upright_size(size: Size, orientation: int) -> Size:
    """Return the size of an image after its orientation has been applied."""
    return Size(size.height, size.width) if orientation in SIDEWAYS else size


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ReadError for images without pixels, and above the limit."""
    if width < 1 or height < 1:
        raise ReadError(f"it has no pixels ({width}x{height})")
    if width * height > max_pixels:
        raise ReadError(
            f"it has {width}x{height} = {width * height:,} pixels, above the limit of {max_pixels:,}",
            hint=f"If you trust the file, raise the limit with --max-pixels {width * height} (max_pixels= in Python).",
        )


def check_frames(frames: int, what: str = "frames") -> None:
    """Raise ReadError unless there is one frame, or page."""
    if frames < 1:
        raise ReadError(f"it has no {what}")
    if frames > 1:
        hint = f"Save the {what[:-1]} that you want to a file of its own, and give that file."
        if what == "pages":
            hint += " Or have `imgtk run` do them one by one."
        raise ReadError(f"it has {frames} {what}, and imgtk works on single images", hint=hint)
