"""The image that colours or textures are taken from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from imgtk.image import Image

__all__ = ["read_reference"]


def read_reference(path: Path) -> Tensor:
    """The image in a file as (1, 3, H, W), float32, 0..1; what is transparent has the colours beside it.

    Raises:
        ReadError: there is no such file, or no image in it.
    """
    return Image.open(path).without_holes(opacity=0.5).tensor()
