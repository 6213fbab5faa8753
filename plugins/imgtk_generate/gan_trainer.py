"""Trainers of `generate:landscape` and `generate:vaegan`: GANs whose generator decodes codes of an autoencoder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.losses import perceptual_loss
from imgtk.training.adversary import Adversary
from imgtk.training.weights import load_init
from imgtk_generate.blocks import doubled
from imgtk_generate.scene_network import SIDE
from imgtk_generate.scene_trainer import SceneRecipe
from imgtk_generate.sight import Sight, SightSettings
from imgtk_generate.vae_network import SceneVAE, SceneVAEGAN
from imgtk_generate.vae_trainer import AutoencoderTrainer

__all__ = ["LandscapeRecipe", "LandscapeTrainer", "VAEGANRecipe", "VAEGANTrainer"]

SOFT = SIDE / 2
"""Side of an image in standard deviations of the Gaussian below which it may differ from what it should show."""
LATER = re.compile(r"\.(grain|finer)\.")
"""Tensors that an autoencoder may lack from which a generator starts."""


@dataclass(frozen=True)
class GANRecipe(SightSettings, SceneRecipe):
    """Settings of a generator that starts from an autoencoder.

    Attributes:
        init: weights of the `SceneVAE`, of `width` and `code`.
        reconstructed: share of each batch that the generator makes of the codes of images; the others are drawn.
        adversarial, perceptual, soft: weights of the losses: of the discriminator, of the distance between features of
            images and of their reconstructions, and of what has another colour in the blurred image.
    """

    reconstructed: float = 0.5
    adversarial: float = 0.1
    perceptual: float = 0.1
    soft: float = 2.0


@dataclass(frozen=True)
class LandscapeRecipe(GANRecipe):
    """Settings of a decoder that goes on as the generator of a GAN.

    Without `init` and with `reconstructed=0` it is a GAN from nothing. With `crop=128` it has a finer stage.

    Attributes:
        grain: whether the code also mixes noise into the features, see `SceneGenerator`.
    """

    name: str = "landscape"
    grain: bool = True


@dataclass(frozen=True)
class VAEGANRecipe(GANRecipe):
    """Settings of a generator that refines what an autoencoder decodes.

    Attributes:
        refining: channels of the refining network.
    """

    name: str = "vaegan"
    crop: int = 2 * SIDE
    refining: int = 24


R = TypeVar("R", bound=GANRecipe)


class GANTrainer(AutoencoderTrainer[R]):
    """A generator, its adversary, and distances that keep what the codes of images show.

    Raises:
        TrainingError: the `init` does not fit; the discriminator is unknown, or as `Adversary`.
    """

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.adversary, self.sight = Adversary(recipe), Sight(self.features, recipe)
        self.frozen = (*self.frozen, self.sight)

    def autoencoder(self, network: SceneVAE) -> None:
        """Load the autoencoder of the recipe into `network`, and freeze it. It may lack grain and a finer
        stage."""
        own = {name: value for name, value in network.state_dict().items() if LATER.search(name)}
        load_init(
            network,
            self.recipe.init,
            "imgtk_generate",
            settings="width and code",
            load=lambda state: network.load_state_dict({**own, **state}),
        )
        network.requires_grad_(False)

    def halves(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images of a batch whose codes are reconstructed, and standard normal numbers for the others."""
        count = round(self.recipe.reconstructed * len(batch))
        return batch[:count], self.drawn_codes(batch)[count:]

    def rivals(
        self, made: Tensor, shown: Tensor, batch: Tensor, discriminator: nn.Module
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield the losses of both networks.

        Args:
            made: generated images (N, 3, side, side), those of the first images' codes before the others.
            shown: what the first of them, blurred, should show.
            batch: real images.
            discriminator: of what `sight` sees.
        """
        recipe, count = self.recipe, round(self.recipe.reconstructed * len(batch))
        looking = self.sight.through(discriminator.requires_grad_(False))
        losses = {"adversarial": recipe.adversarial * self.adversary.generator_loss(looking, made, batch)}
        if count:
            distance = perceptual_loss(self.features, made[:count], batch[:count])
            losses["perceptual"] = recipe.perceptual * distance
        if len(shown):
            sigma = made.shape[3] / SOFT
            change = gaussian_blur(made[: len(shown)], sigma) - gaussian_blur(shown, sigma)
            losses["soft"] = recipe.soft * change.abs().mean()
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(looking, batch, made)


class LandscapeTrainer(GANTrainer[LandscapeRecipe]):
    """The decoder of an autoencoder, trained on as the generator of a GAN, or only its finer stage, if it has one; the
    encoder stays as it is."""

    recipe_type = LandscapeRecipe
    sides = (SIDE, 2 * SIDE)

    def __init__(self, recipe: LandscapeRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.network = SceneVAE(recipe.width, recipe.code, recipe.grain, finer=recipe.crop > SIDE)
        self.autoencoder(self.network)
        self.learner = self.network.decoder.finer or self.network.decoder
        self.learner.requires_grad_(True)
        self.networks = {"generator": self.network, "discriminator": self.sight.build()}

    def trained_part(self, name: str) -> nn.Module:
        return self.learner if name == "generator" else super().trained_part(name)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        original, normal = self.halves(batch)
        made, _, _ = networks["generator"](original, original.new_zeros(len(original), self.recipe.code), normal)
        yield from self.rivals(made.float(), original, batch, networks["discriminator"])


class VAEGANTrainer(GANTrainer[VAEGANRecipe]):
    """A generator that refines what a frozen autoencoder decodes.

    Raises:
        TrainingError: there is no `init`, or as `GANTrainer`.
    """

    recipe_type = VAEGANRecipe
    sides = (2 * SIDE,)

    def __init__(self, recipe: VAEGANRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        if not recipe.init:
            raise TrainingError("there is no autoencoder to refine", hint="Name its weights: --set init=FILE")
        self.network = SceneVAEGAN(recipe.width, recipe.code, recipe.refining)
        self.autoencoder(self.network.vae)
        self.networks = {"generator": self.network, "discriminator": self.sight.build()}

    def trained_part(self, name: str) -> nn.Module:
        return self.network.refiner if name == "generator" else super().trained_part(name)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        original, normal = self.halves(batch)
        vae = self.network.vae
        with torch.no_grad():
            codes = torch.cat((vae.encode(original)[0], vae.codes(normal)))
            decoded, grain = doubled(vae.decode(codes).float()), self.network.grain(codes)
        refined = networks["generator"](decoded, grain).float()
        yield from self.rivals(refined, decoded, batch, networks["discriminator"])
