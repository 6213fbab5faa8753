"""Trainer of `translate:unit`: two variational autoencoders with a shared latent space, and a GAN for each domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import MultiScaleDiscriminator
from imgtk.nn.normalise import OWN, Source
from imgtk.nn.regularity import repetition_loss
from imgtk.painting.objective import kept_content
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer, fresh_noise
from imgtk.training.processes import on_whole_batch
from imgtk.training.sheets import beside, stacked
from imgtk.training.weights import load_init
from imgtk_unit.network import DOMAINS, UNIT, Translation


@dataclass(frozen=True)
class UNITRecipe(DomainsRecipe):
    """Settings of a training. The authors (second release) have reconstruction=10, cycle=10, gan="lsgan",
    discriminator="pixels".

    Attributes:
        reconstruction: weight of L1 between images and what their own decoder makes of their codes.
        cycle: the same for images that went to the other domain and back.
        kl: weight of the mean square of the codes: the divergence from a normal distribution, with fixed variance 1.
        adversarial: weight of the GANs.
        width, blocks, shared, noise: of the network, see `UNIT`. With `init` they must be those of the network to start
            from, which may lack noise.
        scales: at how many sizes, each half of the one before, discriminators of pixels look.
    """

    name: str = "unit"
    reconstruction: float = 5.0
    cycle: float = 2.0
    kl: float = 0.01
    adversarial: float = 1.0
    width: int = 24
    blocks: int = 2
    shared: int = 1
    noise: bool = True
    scales: int = 2


class UNITTrainer(DomainsTrainer[UNITRecipe]):
    """Reconstruction, translation and cycle in both directions at once.

    Raises:
        TrainingError: as `DomainsTrainer`; or the crops, or the network of `init`, have a wrong size.
    """

    recipe_type = UNITRecipe

    def __init__(self, recipe: UNITRecipe) -> None:
        super().__init__(recipe)
        smallest = 32 << (recipe.scales - 1) if recipe.discriminator == "pixels" else 32
        if recipe.crop < smallest or recipe.crop % 4:
            raise TrainingError(
                f"crops of {recipe.crop} pixels do not fit",
                hint=f"Use a crop that is a multiple of 4 and, for these settings, at least {smallest}.",
            )
        unit = UNIT(recipe.width, blocks=recipe.blocks, shared=recipe.shared, noise=recipe.noise)
        load = partial(_load_start, unit)
        load_init(unit, recipe.init, "imgtk_unit", settings="width, blocks, shared and noise", load=load)
        self.networks = {"generator": unit, **{f"{domain}_discriminator": self.discriminator() for domain in DOMAINS}}

    def pixel_discriminator(self) -> nn.Module:
        # with normalisation it would not see which colours there are
        return MultiScaleDiscriminator(self.recipe.scales, features=self.recipe.discriminator_features, norm="none")

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe = self.recipe
        photos, paintings = (part.contiguous(memory_format=torch.channels_last) for part in batch.chunk(2, 1))
        photos, smooth = self.some_smoothed(photos)
        passes = networks["generator"](photos, paintings, noisy, self._drawn)
        made = dict(zip(DOMAINS[::-1], passes.translated, strict=True))
        real = dict(zip(DOMAINS, (photos, paintings), strict=True))
        origin = dict(zip(DOMAINS[::-1], (photos, paintings), strict=True))
        discriminators = {domain: networks[f"{domain}_discriminator"] for domain in DOMAINS}

        verdicts = []
        for domain, discriminator in discriminators.items():
            discriminator.requires_grad_(False)
            verdicts.append(self.adversary.generator_loss(self.looking(discriminator), made[domain], real[domain]))
        losses = {
            "reconstruction": recipe.reconstruction * _l1(passes.reconstructed, (photos, paintings)),
            "cycle": recipe.cycle * _l1(passes.returned, (photos, paintings)),
            "kl": recipe.kl * torch.stack([code.float().square().mean() for code in passes.codes]).sum(),
            "adversarial": recipe.adversarial * torch.stack(verdicts).sum(),
        }
        if recipe.content:
            kept = [kept_content(self.features, made[domain], origin[domain]) for domain in DOMAINS]
            losses["content"] = recipe.content * torch.stack(kept).sum()
        if smooth:
            losses["repetition"] = recipe.repetition * repetition_loss(made["painting"])
        yield "generator", losses

        for domain, discriminator in discriminators.items():
            discriminator.requires_grad_(True)
            losses = self.adversary.discriminator_losses(self.looking(discriminator), real[domain], made[domain])
            yield f"{domain}_discriminator", losses

    def _drawn(self, batch: Tensor) -> Source:
        return Source(noise=fresh_noise(batch)) if self.recipe.noise else OWN

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        return _translated(generator, photo, "photo", "painting")

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of a photo, its reconstruction and the painting of it; then of paintings and photos of
        them."""
        rows = []
        for held_out, origin, target in ((self.held_out, *DOMAINS), (self.held_out_paintings, *DOMAINS[::-1])):
            for image in held_out[:3]:
                x = image.to(self.device)
                outputs = [_translated(generator, x, origin, domain) for domain in (origin, target)]
                rows.append(beside([image[0], *(output[0].cpu() for output in outputs)]))
        return stacked(rows)


def _load_start(unit: UNIT, state: dict[str, Tensor]) -> None:
    """Load the network that a run starts from; noise is added to one without."""
    noise = {name: tensor for name, tensor in unit.state_dict().items() if ".noise." in name}
    unit.load_state_dict(state if noise.keys() & state.keys() else {**noise, **state})


def noisy(code: Tensor) -> Tensor:
    """Return codes as a variational autoencoder decodes them: with normal noise of variance 1."""
    return code + on_whole_batch(code.detach(), torch.randn_like)


def _translated(generator: nn.Module, image: Tensor, origin: str, target: str) -> Tensor:
    assert isinstance(generator, UNIT)
    translated: Tensor = Translation(generator, origin, target)(image)
    return translated


def _l1(ours: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> Tensor:
    """Return L1 of both domains together, in the authors' units, in which images are within -1..1."""
    return 2 * torch.stack([l1_loss(*pair) for pair in zip(ours, wanted, strict=True)]).sum()
