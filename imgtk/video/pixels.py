"""Conversion between the frames of a clip, mostly Y'CbCr, and RGB images.

Frames keep their number of bits and, as far as possible, their values: the conversion back reverses the first one.
"""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io.convert import SIDEWAYS, assembled, oriented
from imgtk.io.depth import to_depth
from imgtk.video.frames import FULL, LIMITED, SMPTE170M, Colours, rgb_format, usual_matrix

_CAREFUL = 0x4 | 0x2000 | 0x4000 | 0x40000
"""SWS_BICUBIC, FULL_CHR_H_INT, FULL_CHR_H_INP and ACCURATE_RND of FFmpeg's libswscale/swscale.h: how chroma that has
fewer samples is enlarged. Without these flags each of its samples would just be repeated."""

# AVColorSpace of FFmpeg's libavutil/pixfmt.h (ISO/IEC 23091-2), and the swscale matrix for each.
RGB, UNSPECIFIED = 0, 2
_MATRICES = {RGB: 5, 1: 1, 4: 4, 5: 5, SMPTE170M: 5, 7: 7, 9: 9}

# The signs of a display matrix (a b / c d, ISO/IEC 14496-12, 8.5.2.2) and the EXIF orientation that means the same.
_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def colours_of(frame: av.VideoFrame) -> Colours:
    """Return what a frame says of its colours. Where it does not tell the matrix, it is the usual one.

    Raises:
        ReadError: for a matrix that is not one of Y'CbCr.
    """
    matrix = frame.colorspace
    if frame.format.is_rgb or matrix in (RGB, UNSPECIFIED):
        matrix = usual_matrix(Size(frame.width, frame.height))
    if matrix not in _MATRICES:
        raise ReadError(f"its colours are stored in a way that is not known (matrix {matrix})")
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return Colours(matrix, FULL if full else LIMITED, frame.color_primaries, frame.color_trc)


def orientation_of(frame: av.VideoFrame) -> int:
    """Return the EXIF orientation, 1 to 8, that a frame's display matrix stands for; the nearest one of other
    angles."""
    side_data: Any = frame.side_data  # whose stubs know other names
    if "DISPLAYMATRIX" not in side_data:
        return 1
    a, b, _, c, d = struct.unpack_from("=5i", side_data["DISPLAYMATRIX"])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    return _ORIENTATIONS.get((_sign(a), _sign(b), _sign(c), _sign(d)), 1)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


class FrameImages:
    """Makes upright images of the frames of a clip, all in the format and size of its first one.

    Args:
        first: the first frame.

    Attributes:
        size: of the images.
        colours: of the frames.
        deep: whether images have 16 bits.
        alpha: whether frames have transparency.
        sideways: whether width and height are exchanged.
    """

    def __init__(self, first: av.VideoFrame) -> None:
        self.colours = colours_of(first)
        self._coded = Size(first.width, first.height)
        self._orientation = orientation_of(first)
        self.sideways = self._orientation in SIDEWAYS
        self.size = Size(first.height, first.width) if self.sideways else self._coded
        self.deep = is_deep(first.format)
        self.alpha = first.format.has_palette or has_alpha(first.format)
        self._format = rgb_format(deep=self.deep, alpha=self.alpha)
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Image:
        """Return the image of a frame: uint8, or uint16 if the clip has more than 8 bits."""
        rgb = self._reformatter.reformat(
            frame,
            self._coded.width,
            self._coded.height,
            self._format,
            src_colorspace=_MATRICES[self.colours.matrix],
            src_color_range=ColorRange.JPEG if frame.format.is_rgb else self.colours.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=_CAREFUL,
        )
        samples = oriented(rgb.to_ndarray(), self._orientation)
        return assembled(np.ascontiguousarray(samples), has_alpha=self.alpha, metadata=Metadata())


class Frames:
    """Makes frames of images.

    Args:
        pixel_format: of the frames, as FFmpeg calls it.
        colours: what their numbers shall mean.
    """

    def __init__(self, pixel_format: str, colours: Colours) -> None:
        self._format = av.VideoFormat(pixel_format)
        self._colours = colours
        self._alpha = has_alpha(self._format)
        self._reformatter = VideoReformatter()

    def __call__(self, image: Image) -> av.VideoFrame:
        """Return the frame of an image of 8 or 16 bits."""
        deep = image.pixels.dtype == np.uint16
        samples = np.broadcast_to(image.pixels, (*image.pixels.shape[:2], 3))
        if self._alpha:
            opaque = np.full(image.pixels.shape[:2], np.iinfo(image.pixels.dtype).max, image.pixels.dtype)
            alpha = opaque if image.alpha is None else to_depth(image.alpha, 16 if deep else 8)
            samples = np.dstack([samples, alpha])
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(samples), rgb_format(deep=deep, alpha=self._alpha))
        frame = self._reformatter.reformat(
            rgb,
            format=self._format.name,
            dst_colorspace=_MATRICES[self._colours.matrix],
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._format.is_rgb else self._colours.range,
            interpolation=_CAREFUL,
        )
        frame.colorspace = RGB if self._format.is_rgb else self._colours.matrix
        frame.color_primaries, frame.color_trc = self._colours.primaries, self._colours.transfer
        return frame


def is_deep(pixel_format: av.VideoFormat) -> bool:
    """Return whether it has more than 8 bits."""
    return any(component.bits > 8 for component in pixel_format.components)


def has_alpha(pixel_format: av.VideoFormat) -> bool:
    return any(component.is_alpha for component in pixel_format.components)
