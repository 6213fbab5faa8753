"""What trainers that learn from whole scenes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Generator, Tensor

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.metrics import kid
from imgtk.nn.features import load_features
from imgtk.painting.base_trainer import PaintingRecipe, PaintingTrainer
from imgtk.training.processes import on_whole_batch
from imgtk_generate.scene_network import SIDE
from imgtk_generate.scenes import Scenes
from imgtk_generate.sight import enlarged

__all__ = ["GENERATED", "RATED", "SHOWN", "SceneRecipe", "SceneTrainer"]

GENERATED = 256
"""Images by which generators are rated."""
RATED = 2 * SIDE
"""Side in pixels of images as the figures' feature network sees them."""
SHOWN = 8


@dataclass(frozen=True)
class SceneRecipe(PaintingRecipe):
    """Settings of a training on whole scenes.

    Attributes:
        width, code: of the network, see `SceneGenerator`.
    """

    batch: int = 16
    crop: int = SIDE
    lr: float = 1e-3
    ema: float = 0.995
    held_out: int = 60
    width: int = 16
    code: int = 128


R = TypeVar("R", bound=SceneRecipe)


class SceneTrainer(PaintingTrainer[R]):
    """What trainers on whole scenes share: images, and figures of what is generated.

    Attributes:
        rating: the feature network of the figures: ours, although the losses may have another.
        sides: crops that the network can learn.

    Raises:
        TrainingError: another size of crops than the network makes.
    """

    sides: ClassVar[tuple[int, ...]] = (SIDE,)
    recipe_type = SceneRecipe
    metric = "kid"
    betas = (0.0, 0.99)  # of Adam, as in most GANs since Gulrajani et al. 2017

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        if recipe.crop not in self.sides:
            possible = " or ".join(map(str, self.sides))
            raise TrainingError(f"the network makes {possible} pixels, not crop={recipe.crop}", hint="Leave crop out.")
        self.rating = load_features()
        self.frozen = (self.features, self.rating)

    def load_images(self, files: list[Path], device: torch.device) -> Scenes:  # type: ignore[override]
        return Scenes(files, self.recipe.crop)

    def load_validation(self, files: list[Path]) -> None:
        self.held_out = list(Scenes(files, self.recipe.crop).middles()[:, None])

    def drawn_codes(self, batch: Tensor) -> Tensor:
        """Return random codes for a step, (N, code), one for each image of the batch."""
        codes = on_whole_batch(batch[:, :1, :1, :1], lambda whole: torch.randn(len(whole), self.recipe.code))
        return codes.to(batch.device)

    def fixed_codes(self, count: int, seed: int) -> Tensor:
        """Return codes that are the same at every validation, (count, code)."""
        return torch.randn(count, self.recipe.code, generator=Generator().manual_seed(seed)).to(self.device)

    def rated(self, images: Tensor) -> Tensor:
        """Return vectors of features (N, D) for the distances between sets of images."""
        parts = images.float().split(32)
        return torch.cat([self.rating.embed(enlarged(part.to(self.device), RATED)) for part in parts])

    def kernel_distance(self, images: Tensor) -> float:
        """Return the kernel distance to the held-out images, all of them also mirrored, times 1000, on our features."""
        sets = (images, torch.cat(self.held_out))
        return 1000 * kid(*(self.rated(torch.cat((part, part.flip(3)))) for part in sets))
