"""Masks, which say where an image is painted."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from imgtk.errors import ParameterError, ReadError
from imgtk.geometry import Box, Size, Window, cut
from imgtk.image import Image
from imgtk.nn.colour import luma
from imgtk.nn.resample import resample

__all__ = ["Mask"]


class Mask:
    """A gray image that is white where to paint and black where not. Transparent parts count as black.

    Raises:
        ReadError: the file does not exist, or is not an image.
    """

    def __init__(self, file: Path) -> None:
        try:
            image = Image.open(file)
        except ReadError as error:
            raise ReadError(f"the mask cannot be used: {error.message}", hint=error.hint) from None
        self.file, self.size = file, image.size
        self.share = luma(image.tensor())
        if image.alpha is not None:
            self.share = self.share * Image(image.alpha[..., None]).tensor()[:, :1]

    def check(self, size: Size) -> None:
        """Raise ParameterError unless the mask is of `size`."""
        if size != self.size:
            raise ParameterError(
                f"the mask {self.file} has {self.size} pixels, but the image has {size} where it is used",
                hint=f"Resize the mask to {size}, or use it where the image has the mask's size.",
            )

    def within(self, window: Window, pixels: Tensor) -> Tensor:
        """Return how much of each pixel of `window.output` is painted: (1, 1, H, W), 0..1, on the device and in the
        dtype of `pixels`. For a reduced version of the image the mask is reduced as well."""
        share = self.share
        if window.output_size != self.size:
            share = resample(share, window.output_size, kernel="area", window=_all(self.size, window))
        else:
            share = cut(share, window.output)
        return share.to(pixels.device, pixels.dtype)


def _all(size: Size, window: Window) -> Window:
    """Return the same output, from all of an image of `size`."""
    return Window(window.output, window.output_size, Box.of(size), size)
