"""Reading style images."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from imgtk.errors import ReadError
from imgtk.image import Image
from imgtk.nn.resample import with_longest_side

__all__ = ["STYLE_SIDE", "read_style"]

STYLE_SIDE = 512
"""Longest side in pixels at which style images are looked at."""


def read_style(path: Path, longest: int) -> Tensor:
    """Return a style image as (1, 3, H, W), float32, 0..1, with its longest side at `longest` pixels.

    Raises:
        ReadError: the file does not exist, or is not an image.
    """
    try:
        image = Image.open(path).without_holes(opacity=0.5).tensor().contiguous()
    except ReadError as error:
        raise ReadError(f"the style image cannot be used: {error.message}", hint=error.hint) from None
    return with_longest_side(image, longest)
