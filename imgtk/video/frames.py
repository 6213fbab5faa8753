"""Frames and their formats, independent of how they are read or written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from imgtk.geometry import Size
from imgtk.image import Image

BT709, SMPTE170M = 1, 6
LIMITED, FULL = 1, 2


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: the upright image.
        pts: when it is shown, in units of the clip's `time_base`.
        duration: for how long, in the same unit.
    """

    image: Image
    pts: int
    duration: int


@dataclass(frozen=True)
class Colours:
    """The meaning of the numbers in a clip's frames: its tags, in FFmpeg's numbers.

    Attributes:
        matrix: AVColorSpace, never unspecified.
        range: AVColorRange: 1 for limited (16..235 of 8 bits), 2 for full.
        primaries, transfer: AVColorPrimaries and AVColorTransferCharacteristic; 2 where the clip does not tell.
    """

    matrix: int
    range: int = LIMITED
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Form:
    """How the frames of a clip are stored.

    Attributes:
        codec: as FFmpeg calls it; empty if it is none that clips have.
        pixel_format: as FFmpeg calls it.
        colours: what the numbers mean.
        time_base: seconds in a unit of time.
        rate: frames per second, on average.
        shape: width of a pixel over its height, upright; None if the clip does not tell.
        deep: whether there are more than 8 bits.
        alpha: whether there is transparency.
    """

    codec: str
    pixel_format: str
    colours: Colours
    time_base: Fraction
    rate: Fraction
    shape: Fraction | None = None
    deep: bool = False
    alpha: bool = False


def usual_matrix(size: Size) -> int:
    """Return the matrix that players take where a clip does not tell: BT.709 for frames of more than standard
    definition, BT.601 for others."""
    return BT709 if size.width >= 1280 or size.height > 576 else SMPTE170M


def rgb_format(*, deep: bool, alpha: bool) -> str:
    """Return the format of pixels that an image's array has, as FFmpeg calls it."""
    return {
        (False, False): "rgb24",
        (False, True): "rgba",
        (True, False): "rgb48le",
        (True, True): "rgba64le",
    }[deep, alpha]
