"""Whole scenes as training images: shrunk, not cut into parts."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from imgtk.errors import ImgtkError, TrainingError
from imgtk.training.images import load_image, shrink

__all__ = ["Scenes"]

MARGIN = 1.125
"""Shorter side of the images in crops."""


class Scenes:
    """Draws crops that show nearly all of an image along its shorter side.

    Args:
        files: the images; those that are unreadable or too small are left out and listed in `failures`.
        crop: side of a crop in pixels.

    Raises:
        TrainingError: no image is left.
    """

    def __init__(self, files: list[Path], crop: int) -> None:
        self.crop = crop
        self.failures: list[str] = []
        self.images: list[Tensor] = []
        for file in files:
            try:
                pixels = load_image(file)
            except ImgtkError as error:
                self.failures.append(f"{file.name}: {error.message}")
                continue
            shorter = min(pixels.shape[:2])
            if shorter < crop:
                self.failures.append(f"{file.name}: {pixels.shape[1]}x{pixels.shape[0]} pixels are too few")
                continue
            pixels = shrink(pixels, min(1.0, round(crop * MARGIN) / shorter))
            self.images.append(torch.tensor(pixels).permute(2, 0, 1).contiguous())
        if not self.images:
            raise TrainingError(
                f"none of the {len(files)} images is readable and at least {crop}x{crop} pixels large",
                hint="Give larger images.",
            )

    @property
    def weight(self) -> float:
        """A figure that is equal only if the images are."""
        return float(sum(image.double().sum() for image in self.images))

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Return random crops, half of them mirrored, (count, 3, crop, crop), 0..1."""
        crops = []
        for choice in torch.randint(len(self.images), (count,), generator=generator).tolist():
            image = self.images[choice]
            shares = torch.rand(3, generator=generator)
            top, left = (
                int(share * (side - self.crop + 1)) for share, side in zip(shares, image.shape[1:], strict=False)
            )
            crop = image[:, top : top + self.crop, left : left + self.crop]
            crops.append(crop.flip(2) if shares[2] < 0.5 else crop)
        return torch.stack(crops).float() / 255

    def middles(self) -> Tensor:
        """Return the middle of each image, (N, 3, crop, crop), 0..1."""
        crops = []
        for image in self.images:
            top, left = ((side - self.crop) // 2 for side in image.shape[1:])
            crops.append(image[:, top : top + self.crop, left : left + self.crop])
        return torch.stack(crops).float() / 255
