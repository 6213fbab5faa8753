"""What all trainers of painting networks share: the feature network of their losses, held-out images, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from torch import Tensor

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.nn.features import Features, Pooling, load_features
from imgtk.nn.losses import FeatureMaps, content_distance, gram_distance, grams
from imgtk.training.recipe import Recipe
from imgtk.training.trainer import Trainer

__all__ = ["PaintingRecipe", "PaintingTrainer", "means", "style_figures"]


@dataclass(frozen=True)
class PaintingRecipe(Recipe):
    """Settings of a painting network's training.

    Attributes:
        backbone: feature network of the losses and figures: "imgtk", or a SqueezeNet or VGG file.
    """

    optimizer: str = "muon"
    backbone: str = "imgtk"


R = TypeVar("R", bound=PaintingRecipe)


class PaintingTrainer(Trainer[R]):
    """A trainer that looks at images through the frozen network `features`, and learns to bring a distance down.

    Attributes:
        features: the network that the recipe's `backbone` names.
        pooling: how `features` makes its layers smaller.
        held_out: images to validate on, (1, 3, H, W), 0..1.

    Raises:
        WeightsError: the `backbone` cannot be read.
    """

    recipe_type: ClassVar[type[Recipe]] = PaintingRecipe
    higher_is_better = False
    pooling: ClassVar[Pooling] = "average"
    features: Features

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.features = load_features(recipe.backbone, pooling=self.pooling)
        self.frozen = (self.features,)
        self.held_out: list[Tensor] = []

    def history(self, trained: str) -> str:
        return f"{super().history(trained)}, features: {Path(self.recipe.backbone).stem}"


def style_figures(features: Features, photo: Tensor, painted: Tensor, style: FeatureMaps) -> dict[str, float]:
    """Compare what was painted of a photo with the style and with the photo, both (1, 3, H, W).

    Args:
        features: the network that looks.
        photo: what was painted.
        painted: the painting.
        style: Gram matrices of the style, by layer.

    Returns:
        `gram_ratio`, the normalised Gram distance of the painting to the style relative to that of the photo itself;
        `content`, the normalised content distance between painting and photo.
    """
    before, after = features(photo), features(painted)
    ours, theirs = (
        gram_distance(grams({layer: found[layer] for layer in style}), style).item() for found in (after, before)
    )
    kept = {layer: before[layer] for layer in features.content_layers if layer in before}
    return {"gram_ratio": ours / theirs, "content": content_distance(after, kept).item()}


def means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return average figures of several images, name by name."""
    return {name: sum(one[name] for one in figures) / len(figures) for name in figures[0]}
