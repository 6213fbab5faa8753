"""Trainers of upscaling networks: for PSNR, and for looks (perceptual and adversarial losses).

The recipe of a plugin has a `network()`, and its trainer names the package; see imgtk_esrgan.trainer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, l1_loss

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.device import resolve_dtype
from imgtk.errors import PluginError, TrainingError
from imgtk.metrics import feature_distance, psnr_y
from imgtk.nn.degradation import classic
from imgtk.nn.discriminators import UNetDiscriminator, VGGDiscriminator, spectrally_normalised
from imgtk.nn.features import load_features
from imgtk.nn.losses import SMALLEST_TEXTURE, grid, perceptual_loss, spectral_distance, texture_distance
from imgtk.training.adversary import Adversary, AdversarySettings
from imgtk.training.images import CropSampler, held_out_tensor, load_image
from imgtk.training.processes import on_whole_batch
from imgtk.training.recipe import Recipe
from imgtk.training.sheets import beside, middle, stacked
from imgtk.training.trainer import Trainer
from imgtk.training.weights import load_init
from imgtk.upscaling.degradation import COMPRESSED, MILD, EverydayPhoto, SecondOrder
from imgtk.upscaling.network import UpscalingNetwork, load_network
from imgtk.upscaling.teacher import TeacherPairs, make_pairs, pairs_folder, split, taught
from imgtk.weights import digest
from imgtk.weights.architecture import State

__all__ = ["FidelityTrainer", "GANSettings", "GANTrainer", "UpscalingRecipe"]

Degradation = Callable[[Tensor, int, torch.Generator], Tensor]

RANDOM_DEGRADATIONS: Mapping[str, Degradation] = {
    "second-order": SecondOrder(),
    "mild": MILD,
    "photo": EverydayPhoto(),
    "jpeg": COMPRESSED,
}

CONTEXT = 3
"""Input pixels at the borders of crops that do not count: the teacher has seen more around them."""

SMALLEST_BLOCK = 4
"""Side in pixels of the blocks whose averages the colour loss compares, at the least."""


@dataclass(frozen=True)
class UpscalingRecipe(Recipe):
    """Settings of any upscaling network's run.

    Attributes:
        scale: native scale of the network.
        degradation: how targets become inputs: "bicubic" (the papers' benchmarks), "second-order" (compressed, noisy
            and blurred images; Real-ESRGAN), "mild" (a weaker one), "photo" (`EverydayPhoto`), or "jpeg" (JPEGs of good
            quality; two in five images are clean).
        teacher: network to copy: the name of weights, or a file of any upscaling network of this scale. What it makes
            of degraded photographs then takes the place of the targets; see `imgtk.upscaling.teacher`.
        pairs: how many images the teacher makes; they are kept in the user's cache folder.
        spectrum: weight of the L1 distance between Fourier transforms, beside that between pixels: for textures.
    """

    optimizer: str = "muon"
    lr: float = 2e-3
    scale: int = 4
    degradation: str = "bicubic"
    teacher: str = ""
    pairs: int = 2000
    spectrum: float = 0.0

    @abstractmethod
    def network(self) -> UpscalingNetwork:
        """Return the network, with fresh weights."""

    def degrade(self, target: Tensor, generator: torch.Generator) -> Tensor:
        """Return inputs (N, 3, H / scale, W / scale) for targets (N, 3, H, W), both 0..1, the inputs on the
        8-bit grid."""
        if self.degradation == "bicubic":
            return classic(target, self.scale)
        if self.degradation not in RANDOM_DEGRADATIONS:
            known = ", ".join(("bicubic", *RANDOM_DEGRADATIONS))
            raise TrainingError(f"unknown degradation {self.degradation!r}", hint=f"Available: {known}.")
        return RANDOM_DEGRADATIONS[self.degradation](target, self.scale, generator)


@dataclass(frozen=True)
class GANSettings(AdversarySettings):
    """Additional settings of a GAN run: weights of the losses, and the discriminator.

    Attributes:
        pixel, colour, perceptual, adversarial: weights of the losses; colour is L1 between the averages of blocks as
            large as the scale (at least 4 pixels), which keeps the information of the input.
        grid: weight of how much more of a grid, as large as the scale, the output shows than the target; see
            `imgtk.nn.losses.grid`. It and `texture` need crops of at least 48 pixels, or 65 at x8.
        texture: weight of the distance between local spectra (`imgtk.nn.losses.texture_distance`), against hatches.
        gan: the loss; "relativistic" is ESRGAN's, "standard" SRGAN's.
        backbone: feature network of the perceptual loss: "imgtk", or a SqueezeNet or VGG file.
        discriminator: "unet", which rates each pixel, is steadier in short runs and always has spectral normalisation,
            or "vgg" (SRGAN's and ESRGAN's own), which rates crops of 128 pixels.
        discriminator_features: channels of the discriminator's first layer.
    """

    pixel: float = 0.2
    colour: float = 4.0
    perceptual: float = 1.0
    adversarial: float = 0.1
    grid: float = 0.0
    texture: float = 0.0
    gan: str = "relativistic"
    backbone: str = "imgtk"
    discriminator: str = "unet"
    discriminator_features: int = 24


R = TypeVar("R", bound=UpscalingRecipe)


class FidelityTrainer(Trainer[R]):
    """L1 between the network's output and the target: the highest PSNR, the softest images.

    Subclasses set `recipe_type`, a subclass of `UpscalingRecipe`, and `package`, whose shipped weights `init` may name.

    Raises:
        TrainingError: for a degradation that is not known.
    """

    recipe_type: ClassVar[type[Recipe]]
    package: ClassVar[str]
    metric = "psnr_y"

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.networks = {"generator": self._start()}
        self.teacher: UpscalingNetwork | None = None
        if recipe.teacher:
            file = context.locate(recipe.teacher, self.package)
            self.teacher, self.teacher_digest = load_network(file, context.architectures), digest(file)
            if self.teacher.scale != recipe.scale:
                raise TrainingError(
                    f"the teacher {recipe.teacher} enlarges x{self.teacher.scale}, and this network x{recipe.scale}",
                    hint=f"Choose another teacher, or --set scale={self.teacher.scale}.",
                )
            self.frozen = (self.teacher,)
        self.held_out: list[tuple[Tensor, Tensor]] = []

    def _start(self) -> UpscalingNetwork:
        """Return the recipe's network, with `init` loaded where its tensors fit: a x2 network starts from a x4
        trunk."""
        network = self.recipe.network()

        def load_fitting(state: State) -> None:
            own = network.state_dict()
            state = network.adapted(state)
            fitting = {k: value.float() for k, value in state.items() if k in own and value.shape == own[k].shape}
            network.load_state_dict({**own, **fitting})

        load_init(network, self.recipe.init, self.package, load=load_fitting)
        return network

    def prepare(self) -> None:
        if self.teacher is not None:
            self.teacher.to(resolve_dtype("auto", self.device))

    def load_images(  # type: ignore[override]
        self, files: list[Path], device: torch.device
    ) -> CropSampler | TeacherPairs:
        recipe = self.recipe
        if self.teacher is None:
            return CropSampler(files, recipe.crop, shrink_by=(0.5,), device=device)
        folder = pairs_folder(self.teacher_digest, files, recipe.degradation, recipe.seed)
        degrade = replace(recipe, scale=1).degrade
        return TeacherPairs(*make_pairs(self.teacher, files, degrade, recipe.pairs, recipe.seed, folder), recipe.crop)

    def load_validation(self, files: list[Path]) -> None:
        generator = torch.Generator().manual_seed(0)
        for file in files:
            target = held_out_tensor(load_image(file, 768), self.recipe.scale, file)
            small = self.recipe.degrade(target, generator)
            if self.teacher is not None:
                target = taught(self.teacher, small).float() / 255
            self.held_out.append((small, target))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        inputs, targets = self._pairs(batch)
        output = networks["generator"](inputs)
        if self.teacher is not None:
            inner = slice(CONTEXT * self.recipe.scale, -CONTEXT * self.recipe.scale)
            output, targets = output[..., inner, inner], targets[..., inner, inner]
        losses = {"l1": l1_loss(output, targets)}
        if self.recipe.spectrum:
            losses["spectrum"] = self.recipe.spectrum * spectral_distance(output, targets)
        yield "generator", losses

    def _pairs(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a batch of targets, or of what `TeacherPairs` has drawn."""
        if self.teacher is None:
            return self._degraded(batch), batch
        inputs, targets = split(batch)
        return (
            inputs.contiguous(memory_format=torch.channels_last),
            targets.contiguous(memory_format=torch.channels_last),
        )

    def _degraded(self, batch: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(batch.device.type, enabled=False):
            small = on_whole_batch(batch, lambda target: self.recipe.degrade(target, torch.default_generator))
        return small.contiguous(memory_format=torch.channels_last)

    def _held_out(self, generator: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield outputs and targets of the held-out images."""
        for small, target in self.held_out:
            yield generator(small.to(self.device)).float().clamp(0, 1), target.to(self.device)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        scores = [psnr_y(output, target, border=self.recipe.scale) for output, target in self._held_out(generator)]
        return {"psnr_y": sum(scores) / len(scores)}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of input (nearest), output and target, from the middle of the first held-out images."""
        rows = []
        for small, target in self.held_out[:3]:
            output = generator(small.to(self.device)).float().clamp(0, 1).cpu()
            small = interpolate(small, size=target.shape[2:], mode="nearest")
            rows.append(beside([middle(image[0], 256) for image in (small, output, target)]))
        return stacked(rows)

    @property
    def scale(self) -> int:
        return self.recipe.scale


class GANTrainer(FidelityTrainer[R]):
    """Perceptual + adversarial + L1 (Ledig et al. 2017, section 2.2; Wang et al. 2018, section 3.2).

    Its recipe is also a `GANSettings`.

    Raises:
        PluginError: the recipe is none.
        TrainingError: for an unknown discriminator or kind of GAN, or crops that it or the losses cannot take.
    """

    metric = "feature_distance"
    higher_is_better = False

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.settings = gan_settings(recipe)
        self.adversary = Adversary(self.settings)
        smallest = max(SMALLEST_TEXTURE, 8 * recipe.scale + 1)
        if (self.settings.grid or self.settings.texture) and recipe.crop < smallest:
            raise TrainingError(
                f"crops of {recipe.crop} pixels are too small to see a texture",
                hint=f"Take crop={smallest} or more, or set grid=0 and texture=0.",
            )
        self.networks["discriminator"] = build_discriminator(self.settings, recipe.crop)
        self.features = load_features(self.settings.backbone)
        self.frozen = (*self.frozen, self.features)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        settings, discriminator = self.settings, networks["discriminator"]
        inputs, batch = self._pairs(batch)
        output, block = networks["generator"](inputs), max(SMALLEST_BLOCK, self.recipe.scale)

        discriminator.requires_grad_(False)
        losses = {
            "pixel": settings.pixel * l1_loss(output, batch),
            "colour": settings.colour * l1_loss(avg_pool2d(output, block), avg_pool2d(batch, block)),
            "perceptual": settings.perceptual * perceptual_loss(self.features, output, batch),
            "adversarial": settings.adversarial * self.adversary.generator_loss(discriminator, output, batch),
        }
        if settings.grid:
            losses["grid"] = settings.grid * (grid(output, self.scale) - grid(batch, self.scale)).relu()
        if settings.texture:
            losses["texture"] = settings.texture * texture_distance(output, batch)
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(discriminator, batch, output)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        distances = [feature_distance(*pair, self.features) for pair in self._held_out(generator)]
        return {**super().validate(generator), "feature_distance": sum(distances) / len(distances)}


def gan_settings(recipe: Recipe) -> GANSettings:
    """Return the recipe as `GANSettings`. Raises PluginError if it is not."""
    if not isinstance(recipe, GANSettings):
        raise PluginError(f"{type(recipe).__name__} must also be an imgtk.upscaling.trainer.GANSettings")
    return recipe


def build_discriminator(settings: GANSettings, crop: int) -> nn.Module:
    """Return the discriminator that the settings name. Raises TrainingError where it does not take crops of
    that side."""
    if settings.discriminator == "unet" and crop % 8 == 0:
        return UNetDiscriminator(settings.discriminator_features)
    if settings.discriminator == "vgg" and crop == VGGDiscriminator.SIDE:
        discriminator = VGGDiscriminator(settings.discriminator_features)
        return spectrally_normalised(discriminator) if settings.spectral_norm else discriminator
    raise TrainingError(
        f"no discriminator {settings.discriminator!r} takes crops of {crop} pixels",
        hint=f'Use "unet" with a crop that 8 divides, or "vgg" with crop={VGGDiscriminator.SIDE}.',
    )
