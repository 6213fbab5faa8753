"""Unpaired images of two domains, such as photos and paintings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imgtk.errors import TrainingError
from imgtk.training.images import CropSampler, image_files

__all__ = ["Domains", "target_files"]


@dataclass(frozen=True)
class Domains:
    """Two pools of images, from which crops are drawn independently."""

    source: CropSampler
    target: CropSampler

    @property
    def weight(self) -> float:
        """A figure that is equal only if both pools are. See `CropSampler.weight`."""
        return self.source.weight + self.target.weight

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return `count` crops of each domain: (N, 6, crop, crop), float32, 0..1; those of the source in channels 0 to
        2."""
        return torch.cat([pool.draw(count, generator) for pool in (self.source, self.target)], 1)


def target_files(folder: str, what: str) -> list[Path]:
    """Return the images of the second domain.

    Args:
        folder: value of the recipe's setting `target`.
        what: description of the images, for the message.

    Raises:
        TrainingError: no folder is given, or it has no images.
    """
    if not folder:
        raise TrainingError(f"no {what} to train on", hint="Name their folder: --set target=FOLDER")
    return image_files(Path(folder))
