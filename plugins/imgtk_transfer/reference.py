"""The image that colours or textures are taken from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from imgtk.engine.pixels import without_holes
from imgtk.image import Image

__all__ = ["read_reference"]


def read_reference(path: Path) -> Tensor:
    """The image in a file as (1, 3, H, W), float32, 0..1; what is transparent has the colours beside it.

    Raises:
        ReadError: there is no such file, or no image in it.
    """
    return without_holes(Image.open(path), opacity=0.5).tensor()
