"""Unpaired pictures of two domains: photos and paintings, say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imgtk.errors import TrainingError
from imgtk.training.pictures import Pictures, picture_files

__all__ = ["Domains", "target_files"]


@dataclass(frozen=True)
class Domains:
    """Two pools of pictures from which is drawn independently."""

    source: Pictures
    target: Pictures

    @property
    def weight(self) -> float:
        """As `Pictures.weight`, of both."""
        return self.source.weight + self.target.weight

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` crops of each domain: (N, 6, crop, crop), float32, 0..1; those of the source in channels 0 to 2."""
        return torch.cat([pool.draw(count, generator) for pool in (self.source, self.target)], 1)


def target_files(folder: str, what: str) -> list[Path]:
    """The pictures of the second domain.

    Args:
        folder: value of the recipe's setting `target`.
        what: they are, for the message.

    Raises:
        TrainingError: no folder is given, or it has no pictures.
    """
    if not folder:
        raise TrainingError(f"no {what} to learn from", hint="Name their folder: --set target=FOLDER")
    return picture_files(Path(folder))
