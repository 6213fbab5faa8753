"""The pool of style images for training: crops at many scales, in many colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.errors import ImgtkError, TrainingError
from imgtk.nn.colour import luma
from imgtk.training.images import load_image

__all__ = ["StyleImages", "recoloured"]

MAX_SIDE = 1000
"""Longest side in pixels at which style images are held."""
ZOOM = 3.0
"""A crop is cut out at up to so many times its size and shrunk: strokes of the same image come out broad and fine."""


class StyleImages:
    """Style images in groups; each group is drawn equally often, however many images it has.

    Args:
        groups: files of each group.

    Raises:
        TrainingError: a group has no readable image.
    """

    def __init__(self, groups: Sequence[Sequence[Path]]) -> None:
        self.groups = [[pixels for file in files if (pixels := _readable(file)) is not None] for files in groups]
        for group, files in zip(self.groups, groups, strict=True):
            if not group:
                raise TrainingError(f"none of the style images in {files[0].parent} is readable")

    def draw(self, count: int, side: int, generator: torch.Generator) -> Tensor:
        """Return `count` crops (N, 3, side, side), float32, 0..1. All randomness comes from `generator`."""
        return torch.stack([self._crop(side, generator) for _ in range(count)])

    def _crop(self, side: int, generator: torch.Generator) -> Tensor:
        group, image, zoom, top, left = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
        images = self.groups[int(group * len(self.groups))]
        pixels = images[int(image * len(images))]
        height, width = pixels.shape[:2]
        cut = min(height, width, round(side * ZOOM**zoom))
        y, x = int(top * (height - cut + 1)), int(left * (width - cut + 1))
        crop = pixels[y : y + cut, x : x + cut]
        shrink = cv2.INTER_AREA if cut > side else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (side, side), interpolation=shrink) if cut != side else crop.copy()
        return torch.from_numpy(crop).permute(2, 0, 1).float() / 255


def _readable(file: Path) -> np.ndarray | None:
    try:
        return load_image(file, MAX_SIDE)
    except ImgtkError:
        return None


def recoloured(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (N, 3, H, W), 0..1; half of them mirrored, and half of them in other colours: channels in another
    order, paler or stronger, lighter or darker."""
    results = []
    for image in x:
        mirror, change, saturation, gamma, gain = torch.rand(5, generator=generator).tolist()
        order = torch.randperm(3, generator=generator)
        image = image.flip(2) if mirror < 0.5 else image
        if change < 0.5:
            image = image[order]
            gray = luma(image[None])[0]
            image = torch.lerp(gray.expand_as(image), image, 1.4 * saturation).clamp(0, 1)
            image = image ** (2 ** (2 * gamma - 1)) * (0.7 + 0.3 * gain)
        results.append(image)
    return torch.stack(results)
