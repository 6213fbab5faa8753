"""The trainer of `generate:vae`, and what all trainers of autoencoders share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.metrics import feature_distance, psnr
from imgtk.nn.losses import perceptual_loss
from imgtk.training.adversary import shifted
from imgtk.training.sheets import beside, stacked
from imgtk.training.weights import load_init
from imgtk_generate.scene_trainer import GENERATED, RATED, SHOWN, SceneRecipe, SceneTrainer
from imgtk_generate.scenes import Scenes
from imgtk_generate.sight import enlarged
from imgtk_generate.vae_network import SceneVAE

__all__ = ["AutoencoderTrainer", "VAERecipe", "VAETrainer"]


@dataclass(frozen=True)
class VAERecipe(SceneRecipe):
    """Settings of a variational autoencoder of scenes.

    Attributes:
        beta: weight of the divergence of the codes from a normal distribution; 1 for a VAE, more for codes whose
            numbers have separate meanings (beta-VAE, Higgins et al. 2017).
        deviation: mean absolute deviation that the decoder may have, as part of 1: where `beta` is 1 the losses are the
            evidence lower bound with this for the scale of a Laplace distribution.
        perceptual: weight of the distance between features of images and of what is decoded.
    """

    name: str = "vae"
    lr: float = 2e-3
    beta: float = 1.0
    deviation: float = 0.1
    perceptual: float = 0.2


R = TypeVar("R", bound=SceneRecipe)


class AutoencoderTrainer(SceneTrainer[R]):
    """What trainers of autoencoders share: figures of reconstructions, and of what is drawn."""

    def load_images(self, files: list[Path], device: torch.device) -> Scenes:  # type: ignore[override]
        self.images = super().load_images(files, device)
        return self.images

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return figures of held-out images and of generated ones.

        `kid`: kernel distance on our features (not Inception's) between generated and held-out images, times 1000.
        `kid_reconstructed`: the same of the reconstructions. `psnr` and `feature_distance`: of the reconstructions.
        `kl`: divergence of the codes of held-out images from a normal distribution, in nats.
        """
        real = torch.cat(self.held_out).to(self.device)
        mean, variance = generator.encode(real)  # type: ignore[operator]
        found = generator.decode(mean).float()  # type: ignore[operator]
        normal = self.fixed_codes(GENERATED, 0)
        made = torch.cat([generator.truncated(part, 1.0).float() for part in normal.split(32)])  # type: ignore[operator]
        return {
            "kid": self.kernel_distance(made),
            "kid_reconstructed": self.kernel_distance(found),
            "psnr": psnr(found, real),
            "feature_distance": feature_distance(enlarged(found, RATED), enlarged(real, RATED), self.rating),
            "kl": divergence(mean, variance).item(),
        }

    def sample(self, generator: nn.Module) -> Tensor:
        """Return rows of held-out images and their reconstructions, and rows of generated images."""
        real = torch.cat(self.held_out)[: 2 * SHOWN].to(self.device)
        found = generator.decode(generator.encode(real)[0]).float()  # type: ignore[operator]
        made = generator.truncated(self.fixed_codes(3 * SHOWN, 1), 1.0).float()  # type: ignore[operator]
        parts = [*zip(real.split(SHOWN), found.split(SHOWN), strict=True), made.split(SHOWN)]
        return stacked([beside(list(row.cpu())) for part in parts for row in part])


class VAETrainer(AutoencoderTrainer[VAERecipe]):
    """L1 and a distance of features between images and what is decoded, and the divergence of the codes."""

    recipe_type = VAERecipe
    metric = "feature_distance"

    def __init__(self, recipe: VAERecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        network = SceneVAE(recipe.width, recipe.code)
        load_init(network, recipe.init, "imgtk_generate", settings="width and code")
        self.networks = {"generator": network}

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, network = self.recipe, networks["generator"]
        found, mean, variance = network(batch, self.drawn_codes(batch))
        found = found.float()
        # equally shifted, so that the grid on which the feature network makes its layers smaller leaves no pattern
        ours, theirs = shifted(torch.cat((found, batch), 1)).chunk(2, 1)
        yield (
            "generator",
            {
                "l1": l1_loss(found, batch),
                "perceptual": recipe.perceptual * perceptual_loss(self.features, ours, theirs),
                "kl": recipe.beta * recipe.deviation / batch[0].numel() * divergence(mean, variance),
            },
        )

    def validate(self, generator: nn.Module) -> dict[str, float]:
        everything = self.images.middles().split(32)
        encoded = [generator.encode(part.to(self.device))[0] for part in everything]  # type: ignore[operator]
        generator.fit(torch.cat(encoded))  # type: ignore[operator]
        return super().validate(generator)


def divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Return the mean divergence in nats from a normal distribution of codes with a mean and a logarithm of the
    variance, both (N, code)."""
    return 0.5 * (mean.square() + variance.exp() - 1 - variance).sum(1).mean()
