"""Reading the image that colours or textures are taken from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from imgtk.image import Image

__all__ = ["read_reference"]


def read_reference(path: Path) -> Tensor:
    """Return the image in a file as (1, 3, H, W), float32, 0..1; transparent pixels get the colours beside them.

    Raises:
        ReadError: the file does not exist, or is not an image.
    """
    return Image.open(path).without_holes(opacity=0.5).tensor()
