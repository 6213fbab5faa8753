"""Trainer of `inpaint:network`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from imgtk.metrics import feature_distance, psnr, ssim_y
from imgtk.nn.discriminators import FeatureDiscriminator, spectrally_normalised
from imgtk.nn.features import load_features
from imgtk.nn.losses import perceptual_loss
from imgtk.training.adversary import Adversary, AdversarySettings, shifted
from imgtk.training.images import CropSampler, load_held_out
from imgtk.training.processes import on_whole_batch
from imgtk.training.recipe import Recipe
from imgtk.training.sheets import beside, middle, stacked
from imgtk.training.trainer import Trainer
from imgtk.training.weights import load_init
from imgtk_restore.fill import enlarged_into, fill, halved, improver, smooth, with_holes
from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.holes import random_holes
from imgtk_restore.trainer import check_crop, sizes

__all__ = ["InpaintRecipe", "InpaintTrainer"]

VALIDATED, SHOWN = 12, 4
"""How many of the held-out images are validated, and shown in sample sheets."""


@dataclass(frozen=True)
class InpaintRecipe(AdversarySettings, Recipe):
    """Settings of a training.

    Attributes:
        widths, blocks: channels and gated blocks at each level of the network, separated by commas.
        pixel, perceptual, adversarial: weights of the losses; pixel is L1. The other two ask for texture, and cost PSNR
            and SSIM.
        backbone: feature network of losses and discriminator: "imgtk", or a SqueezeNet or VGG file.
        discriminator_features: channels of the discriminator.
    """

    name: str = "inpaint"
    optimizer: str = "muon"
    lr: float = 2e-3
    batch: int = 4
    crop: int = 256
    ema: float = 0.995
    discriminator_lr: float = 5e-4
    widths: str = "32,64,96"
    blocks: str = "1,2,5"
    pixel: float = 3.0
    perceptual: float = 0.0
    adversarial: float = 0.0
    backbone: str = "imgtk"
    discriminator_features: int = 64


class InpaintTrainer(Trainer[InpaintRecipe]):
    """Trains by L1, and also by features and a discriminator of features where their weights say so, on crops at half
    the size, whose holes are smoothly filled, and on parts of the same crops at full size, whose holes are filled by
    what came of it.

    Raises:
        TrainingError: for sizes that are no numbers, or crops that do not suit.
    """

    recipe_type = InpaintRecipe
    metric = "feature_distance"
    higher_is_better = False

    def __init__(self, recipe: InpaintRecipe) -> None:
        super().__init__(recipe)
        network = InpaintNet(*sizes(recipe.widths, recipe.blocks))
        self.multiple = network.multiple
        check_crop(recipe.crop, 2 * self.multiple)
        load_init(network, recipe.init, "imgtk_restore", settings="widths and blocks")
        self.features = load_features(recipe.backbone)
        self.frozen = (self.features,)
        self.networks = {"generator": network}
        self.adversary = Adversary(recipe)
        if recipe.adversarial:
            seen = self.features(torch.zeros(1, 3, 32, 32)).values()
            discriminator: nn.Module = FeatureDiscriminator([x.shape[1] for x in seen], recipe.discriminator_features)
            self.networks["discriminator"] = (
                spectrally_normalised(discriminator) if recipe.spectral_norm else discriminator
            )
        self.held_out: list[tuple[Tensor, Tensor]] = []

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        return CropSampler(files, self.recipe.crop, shrink_by=(0.6,), turns=False, device=device)

    def load_validation(self, files: list[Path]) -> None:
        generator = torch.Generator().manual_seed(0)
        for target in load_held_out(files[:VALIDATED], 512, 16):
            self.held_out.append((target, random_holes(1, target.shape[2], target.shape[3], generator)))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        generator, recipe = networks["generator"], self.recipe
        side = recipe.crop
        holes = on_whole_batch(batch, lambda x: random_holes(len(x), side, side, torch.default_generator).to(x.device))
        target = avg_pool2d(batch, 2)
        known, small_holes = halved(batch, holes)
        coarse = self._improved(generator, smooth(known, small_holes), small_holes, 0.0)
        coarse = torch.where(small_holes, coarse, target)
        top, left = (2 * torch.randint(0, side // 4 + 1, (2,))).tolist()
        part, small_part = _part(top, left, side // 2), _part(top // 2, left // 2, side // 4)
        fine_holes, truth = holes[part], batch[part]
        fine = self._improved(generator, enlarged_into(truth, fine_holes, coarse.detach()[small_part]), fine_holes, 1.0)
        output = torch.cat((coarse, torch.where(fine_holes, fine, truth)))
        target = torch.cat((target, truth))

        losses = {"pixel": recipe.pixel * l1_loss(output, target)}
        if recipe.perceptual:
            losses["perceptual"] = recipe.perceptual * perceptual_loss(self.features, output, target)
        if not recipe.adversarial:
            yield "generator", losses
            return
        discriminator = networks["discriminator"]

        def rate(images: Tensor) -> list[Tensor]:
            rated: list[Tensor] = discriminator(list(self.features(shifted(images)).values()))
            return rated

        discriminator.requires_grad_(False)
        losses["adversarial"] = recipe.adversarial * self.adversary.generator_loss(rate, output, target)
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(rate, target, output)

    def _improved(self, network: nn.Module, filled: Tensor, holes: Tensor, refined: float) -> Tensor:
        noise = on_whole_batch(holes, lambda x: torch.randn(x.shape).to(x.device))
        x = with_holes(filled, holes, refined, noise)
        improved: Tensor = network(x.contiguous(memory_format=torch.channels_last))
        return improved.float()

    def _filled(self, network: nn.Module, target: Tensor, holes: Tensor) -> Tensor:
        improve = improver(lambda x: network(x).float(), self.multiple, InpaintNet.halo)
        return fill(target.to(self.device), holes.to(self.device), improve).clamp(0, 1)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return PSNR, SSIM and feature distance of the filled images, for holes that were drawn at random once."""
        found: dict[str, list[float]] = {"psnr": [], "ssim": [], "feature_distance": []}
        for target, holes in self.held_out:
            filled, target = self._filled(generator, target, holes), target.to(self.device)
            found["psnr"].append(psnr(filled, target))
            found["ssim"].append(ssim_y(filled, target, border=0))
            found["feature_distance"].append(feature_distance(filled, target, self.features))
        return {name: sum(values) / len(values) for name, values in found.items()}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of holes, filled and true, from the middle of the first held-out images."""
        rows = []
        for target, holes in self.held_out[:SHOWN]:
            filled = self._filled(generator, target, holes).cpu()
            shown = (torch.where(holes, 0.5, target), filled, target)
            rows.append(beside([middle(image[0], 384) for image in shown]))
        return stacked(rows)


def _part(top: int, left: int, side: int) -> tuple[slice, ...]:
    """Return the index of a square part of images (N, C, H, W)."""
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)
