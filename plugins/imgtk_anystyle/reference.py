"""Reading style images."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from imgtk.errors import ReadError
from imgtk.image import Image

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
    scale = longest / max(image.shape[2:])
    size = [max(1, round(side * scale)) for side in image.shape[2:]]
    return F.interpolate(image, size=size, mode="bilinear", antialias=True)
