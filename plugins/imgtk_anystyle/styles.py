"""The pool of style pictures for training: crops at many scales, in many colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.errors import ImgtkError, TrainingError
from imgtk.nn.colour import luma
from imgtk.training.pictures import load_picture

__all__ = ["StylePictures", "recoloured"]

MAX_SIDE = 1000
"""Longest side in pixels at which style pictures are held."""
ZOOM = 3.0
"""A crop is cut out at up to so many times its size and shrunk: strokes of the same picture come out broad and fine."""


class StylePictures:
    """Style pictures in groups; each group is drawn equally often, however many pictures it has.

    Args:
        groups: files of each group.

    Raises:
        TrainingError: a group has no readable picture.
    """

    def __init__(self, groups: Sequence[Sequence[Path]]) -> None:
        self.groups = [[pixels for file in files if (pixels := _readable(file)) is not None] for files in groups]
        for group, files in zip(self.groups, groups, strict=True):
            if not group:
                raise TrainingError(f"none of the style pictures in {files[0].parent} is readable")

    def draw(self, count: int, side: int, generator: torch.Generator) -> Tensor:
        """`count` crops (N, 3, side, side), float32, 0..1. All randomness comes from `generator`."""
        return torch.stack([self._crop(side, generator) for _ in range(count)])

    def _crop(self, side: int, generator: torch.Generator) -> Tensor:
        group, picture, zoom, top, left = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
        pictures = self.groups[int(group * len(self.groups))]
        pixels = pictures[int(picture * len(pictures))]
        height, width = pixels.shape[:2]
        cut = min(height, width, round(side * ZOOM**zoom))
        y, x = int(top * (height - cut + 1)), int(left * (width - cut + 1))
        crop = pixels[y : y + cut, x : x + cut]
        shrink = cv2.INTER_AREA if cut > side else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (side, side), interpolation=shrink) if cut != side else crop.copy()
        return torch.from_numpy(crop).permute(2, 0, 1).float() / 255


def _readable(file: Path) -> np.ndarray | None:
    try:
        return load_picture(file, MAX_SIDE)
    except ImgtkError:
        return None


def recoloured(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (N, 3, H, W), 0..1; half of them mirrored, and half of them in other colours: channels in another order,
    paler or stronger, lighter or darker."""
    results = []
    for picture in x:
        mirror, change, saturation, gamma, gain = torch.rand(5, generator=generator).tolist()
        order = torch.randperm(3, generator=generator)
        picture = picture.flip(2) if mirror < 0.5 else picture
        if change < 0.5:
            picture = picture[order]
            gray = luma(picture[None])[0]
            picture = torch.lerp(gray.expand_as(picture), picture, 1.4 * saturation).clamp(0, 1)
            picture = picture ** (2 ** (2 * gamma - 1)) * (0.7 + 0.3 * gain)
        results.append(picture)
    return torch.stack(results)
