"""Trainer of paired translation (pix2pix, Isola et al. 2017): a conditional GAN with losses to the wanted image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from imgtk.errors import TrainingError
from imgtk.metrics import feature_distance, kid
from imgtk.nn.discriminators import PatchDiscriminator, spectrally_normalised
from imgtk.nn.losses import perceptual_loss
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.painting.base_trainer import PaintingRecipe, PaintingTrainer
from imgtk.painting.trainer import corners
from imgtk.training.adversary import Adversary, AdversarySettings
from imgtk.training.images import CropSampler, held_out_tensor, load_image
from imgtk.training.processes import on_whole_batch
from imgtk.training.sheets import beside, middle, stacked
from imgtk.training.weights import load_init
from imgtk.weights.architecture import State, network_of
from imgtk_pix2pix import imgtk_architectures
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet, published_widths, smooth_widths
from imgtk_pix2pix.pairs import Pairs, load_pair, partners
from imgtk_pix2pix.sketch import PAIRS

BLOCK = 16
"""Side in pixels of the blocks whose averages the colour loss compares."""


REAL = 64
"""Crops of targets that outputs are compared with as a set."""

SHOWN = 320
"""Side in pixels of the parts of images that samples show."""


@dataclass(frozen=True)
class PairedRecipe(AdversarySettings, PaintingRecipe):
    """Settings of a paired translation's training.

    Attributes:
        pairs: how inputs are made of the images of --data, which are then the targets: "sketch",
            or "coloured-sketch", of which half are coloured in places.
        target: folder of targets; the images of --data are then the inputs, and each has the name of its target, also
            those for validation. Instead of `pairs`.
        side: longest side to which images are shrunk, so that crops show things and not textures; 0 leaves them.
        variant: "smooth" (`SmoothUNet`) or "transposed" (`TransposedUNet`, the published one).
        width, depth: channels at the first level, and number of levels. The paper's are 64 and 8, with crops of 256.
        dropout: share of the deepest features that is dropped in training; the paper's is 0.5.
        pixel, colour, perceptual, adversarial: weights of the losses: L1, L1 of the averages of blocks of 16 pixels,
            perceptual distance, and that of the GAN. The paper's are 100, 0, 0 and 1, with gan = "standard".
        patch_layers, patch_features: strided convolutions of the discriminator, 3 in the paper (patches of 70 pixels),
            and channels of the first, 64 there.
        optimizer: of the generator; the paper's is "adam" (with betas 0.5 and 0.999), and "muon" learns faster.
    """

    name: str = "pix2pix"
    steps: int = 4000
    batch: int = 4
    crop: int = 192
    lr: float = 2e-3
    pairs: str = "sketch"
    target: str = ""
    side: int = 512
    variant: str = "smooth"
    width: int = 32
    depth: int = 5
    dropout: float = 0.0
    pixel: float = 1.0
    colour: float = 1.0
    perceptual: float = 1.0
    adversarial: float = 0.02
    patch_layers: int = 3
    patch_features: int = 32

    def network(self) -> NormalisingNetwork:
        """Return the network, with fresh weights. Raises TrainingError where the settings make none."""
        if self.variant not in ("smooth", "transposed"):
            raise TrainingError(f"unknown variant {self.variant!r}", hint="Available: smooth, transposed.")
        if self.depth < 2 or self.width < 1 or self.crop % 2**self.depth:
            raise TrainingError(
                f"a U-Net of {self.depth} levels of {self.width} channels does not fit crops of {self.crop} pixels",
                hint=f"Use at least 2 levels, and a crop that {2 ** max(2, self.depth)} divides.",
            )
        if self.variant == "smooth":
            return SmoothUNet(smooth_widths(self.width, self.depth), self.width // 2 or 1, self.dropout)
        return TransposedUNet(published_widths(self.width, self.depth), dropout=self.dropout)


class PairedTrainer(PaintingTrainer[PairedRecipe]):
    """Inputs are made of photos step by step (`pairs`), or are images of their own (`target`).

    A crop of a batch has 6 channels: input and target; or 3 where the input is yet to be made.

    Raises:
        TrainingError: for settings that are not known, or an `init` of another network.
    """

    recipe_type = PairedRecipe
    metric = "feature_distance"
    pooling = "max"
    betas = (0.5, 0.999)  # the paper's

    def __init__(self, recipe: PairedRecipe) -> None:
        super().__init__(recipe)
        if not recipe.target and recipe.pairs not in PAIRS:
            raise TrainingError(
                f"unknown pairs {recipe.pairs!r}",
                hint=f"Available: {', '.join(PAIRS)}; or name a folder with --set target=FOLDER.",
            )
        self.adversary = Adversary(recipe)
        norm = _discriminator_norm(recipe)
        discriminator = PatchDiscriminator(6, recipe.patch_features, recipe.patch_layers, norm=norm)
        self.networks = {
            "generator": self._start(),
            "discriminator": spectrally_normalised(discriminator) if recipe.spectral_norm else discriminator,
        }
        self.held_out_pairs: list[tuple[Tensor, Tensor]] = []

    def _start(self) -> NormalisingNetwork:
        network = self.recipe.network()

        def load(state: State) -> None:
            network.load_state_dict(network_of(state, imgtk_architectures(), self.recipe.init).state_dict())

        load_init(network, self.recipe.init, "imgtk_pix2pix", settings="variant, width and depth", load=load)
        return network

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        """Return the pool of photos, or of pairs; some of its targets are set aside for `kid`."""
        recipe = self.recipe
        options: dict[str, Any] = {"shrink_by": (0.6,), "max_side": recipe.side, "turns": False, "device": device}
        if recipe.target:
            pool: CropSampler = Pairs(partners(files, Path(recipe.target)), recipe.crop, **options)
        else:
            pool = CropSampler(files, recipe.crop, **options)
        self.real = pool.draw(REAL, torch.Generator().manual_seed(0))[:, -3:]
        return pool

    def load_validation(self, files: list[Path]) -> None:
        """Keep inputs and targets (1, 3, H, W), cut to sides that the network can take."""
        pairs = partners(files, Path(self.recipe.target)) if self.recipe.target else {}
        multiple = 2**self.recipe.depth
        for file in files:
            pixels = load_pair(file, pairs[file], self.recipe.side) if pairs else load_image(file, self.recipe.side)
            x = held_out_tensor(pixels, multiple, file)
            self.held_out_pairs.append((x[:, :3], x[:, 3:]) if pairs else (PAIRS[self.recipe.pairs][0](x), x))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, discriminator = self.recipe, networks["discriminator"]
        given, target = self._pair(batch)
        output = networks["generator"](given)

        def conditioned(image: Tensor) -> Tensor:
            """Return the discriminator's logits for an image together with the input that it was made from."""
            logits: Tensor = discriminator(torch.cat([given, image], 1))
            return logits

        losses = {
            "pixel": recipe.pixel * l1_loss(output, target),
            "colour": recipe.colour * l1_loss(avg_pool2d(output, BLOCK), avg_pool2d(target, BLOCK)),
        }
        if recipe.perceptual:
            losses["perceptual"] = recipe.perceptual * perceptual_loss(self.features, output, target)
        if not recipe.adversarial:
            yield "generator", losses
            return
        discriminator.requires_grad_(False)
        losses["adversarial"] = recipe.adversarial * self.adversary.generator_loss(conditioned, output, target)
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(conditioned, target, output)

    def _pair(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets (N, 3, crop, crop)."""
        if self.recipe.target:
            given, target = batch[:, :3], batch[:, 3:]
        else:
            with torch.no_grad(), torch.autocast(batch.device.type, enabled=False):
                given, target = on_whole_batch(batch, PAIRS[self.recipe.pairs][1]), batch
        return (
            given.contiguous(memory_format=torch.channels_last),
            target.contiguous(memory_format=torch.channels_last),
        )

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return `feature_distance` and `l1` between outputs and targets, means over the held-out pairs. `kid`: kernel
        distance on our features (not Inception's) between outputs and targets of the training, times 1000;
        `kid_targets`, the same for the held-out targets, is what it can fall to."""
        distances, errors = [], []
        sets: tuple[list[Tensor], list[Tensor]] = ([], [])
        for given, target in self.held_out_pairs:
            output = generator(given.to(self.device)).float().clamp(0, 1)
            target = target.to(self.device)
            distances.append(feature_distance(output, target, self.features))
            errors.append(l1_loss(output, target).item())
            for images, found in zip((output, target), sets, strict=True):
                found += [self.features.embed(part) for part in corners(images, self.recipe.crop)]
        real = torch.cat([self.features.embed(part) for part in self.real.to(self.device).split(8)])
        kids = [1000 * kid(torch.cat(found), real) for found in sets]
        return {
            "feature_distance": sum(distances) / len(distances),
            "l1": sum(errors) / len(errors),
            "kid": kids[0],
            "kid_targets": kids[1],
        }

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of input, output and target, of the middle of the first held-out images."""
        rows = []
        for given, target in self.held_out_pairs[:4]:
            output = generator(given.to(self.device)).float().clamp(0, 1).cpu()
            rows.append(beside([middle(image[0], SHOWN) for image in (given, output, target)]))
        return stacked(rows)


def _discriminator_norm(recipe: PairedRecipe) -> str:
    """Return the normalisation of the discriminator: batch normalisation mixes images, which a penalty on each image's
    gradient must not see."""
    return "none" if recipe.gradient_penalty or recipe.r1 or recipe.spectral_norm else "instance"
