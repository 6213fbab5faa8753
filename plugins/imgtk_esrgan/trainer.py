"""Trainers of the super-resolution networks: for PSNR (`upscale:compact`, `upscale:rrdb`), and ESRGAN's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, interpolate, l1_loss, normalize

from imgtk.errors import TrainingError
from imgtk.metrics import feature_distance, psnr_y
from imgtk.nn.discriminators import UNetDiscriminator, VGGDiscriminator
from imgtk.nn.features import load_features
from imgtk.training.optimizers import muon
from imgtk.training.pictures import Pictures, load_picture
from imgtk.training.recipe import Recipe
from imgtk.training.trainer import Trainer
from imgtk.weights import locate, read_state
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact


@dataclass(frozen=True)
class CompactRecipe(Recipe):
    """Settings of an SRVGGNetCompact run.

    Attributes:
        scale: native scale of the network, 2 or 4.
        features, convs: channels and number of its body convolutions.
    """

    name: str = "compact-x4"
    lr: float = 2e-3
    scale: int = 4
    features: int = 64
    convs: int = 16

    def network(self) -> nn.Module:
        return SRVGGNetCompact(features=self.features, convs=self.convs, scale=self.scale)


@dataclass(frozen=True)
class RRDBRecipe(Recipe):
    """Settings of an RRDBNet run.

    Attributes:
        scale: native scale of the network, 2 or 4.
        features, blocks, growth: channels, number of RRDBs, and channels that a dense layer adds.
    """

    name: str = "rrdb-x4"
    lr: float = 2e-3
    batch: int = 8
    crop: int = 128
    scale: int = 4
    features: int = 64
    blocks: int = 4
    growth: int = 32

    def network(self) -> nn.Module:
        return RRDBNet(features=self.features, blocks=self.blocks, growth=self.growth, scale=self.scale)


@dataclass(frozen=True)
class ESRGANRecipe(RRDBRecipe):
    """Settings of a GAN run, which starts from the PSNR-trained weights `init`.

    The weights are chosen so that features count for most, and the adversarial loss for half as much.

    Attributes:
        pixel, colour, perceptual, adversarial: weights of the losses; colour is L1 between the averages of blocks as
            large as the scale, which keeps what the input said.
        backbone: feature network of the perceptual loss: "imgtk", or a SqueezeNet or VGG file.
        discriminator: "unet", whose verdict per pixel is steadier on few iterations, or "vgg" (ESRGAN's own), whose
            verdict is per crop of 128 pixels.
        discriminator_features: channels of the discriminator's first layer.
        discriminator_lr: peak learning rate of the discriminator.
    """

    name: str = "esrgan-x4"
    lr: float = 6e-4
    pixel: float = 0.5
    colour: float = 4.0
    perceptual: float = 1.0
    adversarial: float = 0.25
    backbone: str = "imgtk"
    discriminator: str = "unet"
    discriminator_features: int = 24
    discriminator_lr: float = 4e-4


def shrink(target: Tensor, scale: int) -> Tensor:
    """The classic degradation: antialiased bicubic (MATLAB's imresize to 50 dB and more), rounded to 8 bits."""
    size = (target.shape[2] // scale, target.shape[3] // scale)
    small = interpolate(target, size=size, mode="bicubic", antialias=True, align_corners=False)
    return small.mul(255).round_().clamp_(0, 255).div_(255)


def build(recipe: CompactRecipe | RRDBRecipe) -> nn.Module:
    """The generator of a recipe, with `init` (a shipped name or a file) loaded where its tensors fit: a x2 network
    starts from a x4 trunk."""
    network = recipe.network()
    if recipe.init:
        state, own = read_state(locate(recipe.init, package="imgtk_esrgan")), network.state_dict()
        fitting = {key: value.float() for key, value in state.items() if key in own and value.shape == own[key].shape}
        network.load_state_dict({**own, **fitting})
    return network


def build_discriminator(recipe: ESRGANRecipe) -> nn.Module:
    """The discriminator of a recipe."""
    if recipe.discriminator == "unet" and recipe.crop % 8 == 0:
        return UNetDiscriminator(recipe.discriminator_features)
    if recipe.discriminator == "vgg" and recipe.crop == VGGDiscriminator.SIDE:
        return VGGDiscriminator(recipe.discriminator_features)
    raise TrainingError(
        f"no discriminator {recipe.discriminator!r} judges crops of {recipe.crop} pixels",
        hint=f'Take "unet" with a crop that 8 divides, or "vgg" with crop={VGGDiscriminator.SIDE}.',
    )


class RRDB(Trainer[Any]):
    """L1 between the network's output and the target: the highest PSNR, the softest pictures."""

    recipe_type: ClassVar[type[Recipe]] = RRDBRecipe
    metric = "psnr_y"

    def __init__(self, recipe: CompactRecipe | RRDBRecipe) -> None:
        super().__init__(recipe)
        self.networks = {"generator": build(recipe)}
        self.held_out: list[Tensor] = []

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        return muon(self.networks[name], self.recipe.lr)

    def load_pictures(self, files: list[Path], device: torch.device) -> Pictures:
        return Pictures(files, self.recipe.crop, shrink_by=(0.5,), device=device)

    def load_validation(self, files: list[Path]) -> None:
        scale = self.recipe.scale
        for file in files:
            pixels = load_picture(file, 768)
            height, width = (side - side % scale for side in pixels.shape[:2])
            target = torch.tensor(pixels[:height, :width]).permute(2, 0, 1)[None].float() / 255
            self.held_out.append(target)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        output = networks["generator"](shrink(batch, self.recipe.scale))
        yield "generator", {"l1": l1_loss(output, batch)}

    def _upscaled(self, generator: nn.Module, target: Tensor) -> Tensor:
        target = target.to(self.device)
        return generator(shrink(target, self.recipe.scale)).float().clamp(0, 1)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        scores = [
            psnr_y(self._upscaled(generator, target), target.to(self.device), border=self.recipe.scale)
            for target in self.held_out
        ]
        return {"psnr_y": sum(scores) / len(scores)}

    def sample(self, generator: nn.Module) -> Tensor:
        """Rows of input (nearest), output and target, from the middle of the first held-out pictures."""
        rows = []
        for target in self.held_out[:3]:
            output = self._upscaled(generator, target).cpu()
            small = interpolate(shrink(target, self.recipe.scale), size=target.shape[2:], mode="nearest")
            top, left = ((side - min(side, 256)) // 2 for side in target.shape[2:])
            rows.append(torch.cat([p[0, :, top : top + 256, left : left + 256] for p in (small, output, target)], 2))
        width = min(row.shape[2] for row in rows)
        return torch.cat([row[:, :, :width] for row in rows], 1)

    @property
    def architecture(self) -> str:
        recipe = self.recipe
        depth = f"{recipe.convs} convolutions" if isinstance(recipe, CompactRecipe) else f"{recipe.blocks} blocks"
        return f"{super().architecture}, {depth}, {recipe.features} channels"

    @property
    def scale(self) -> int:
        return self.recipe.scale

    def history(self, trained: str) -> str:
        return f"from {Path(self.recipe.init).stem}, {trained}" if self.recipe.init else trained


class Compact(RRDB):
    """The same for SRVGGNetCompact."""

    recipe_type = CompactRecipe


class ESRGAN(RRDB):
    """Perceptual + relativistic average GAN + L1 (Wang et al. 2018, section 3.2).

    Raises:
        TrainingError: for an unknown discriminator, or crops that it cannot judge.
    """

    recipe_type = ESRGANRecipe
    metric = "feature_distance"
    higher_is_better = False

    def __init__(self, recipe: ESRGANRecipe) -> None:
        super().__init__(recipe)
        self.networks["discriminator"] = build_discriminator(recipe)
        self.features = load_features(recipe.backbone)

    def to(self, device: torch.device) -> None:
        super().to(device)
        self.features.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        if name == "generator":
            return super().optimizer(name)
        return torch.optim.Adam(self.networks[name].parameters(), lr=self.recipe.discriminator_lr, betas=(0.9, 0.99))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, judge = self.recipe, networks["discriminator"]
        output = networks["generator"](shrink(batch, recipe.scale))

        judge.requires_grad_(False)
        yield (
            "generator",
            {
                "pixel": recipe.pixel * l1_loss(output, batch),
                "colour": recipe.colour * l1_loss(avg_pool2d(output, recipe.scale), avg_pool2d(batch, recipe.scale)),
                "perceptual": recipe.perceptual * self._perceptual(output, batch),
                "adversarial": recipe.adversarial * relativistic_loss(judge(output), judge(batch)),
            },
        )
        judge.requires_grad_(True)
        yield "discriminator", {"adversarial": relativistic_loss(judge(batch), judge(output.detach()))}

    def _perceptual(self, output: Tensor, target: Tensor) -> Tensor:
        """Squared distance between features of unit length, averaged over positions and layers (LPIPS without its
        learned weights, Zhang et al. 2018, eq. 1).

        Both pictures are shifted together by up to 7 pixels, so that the strides of the feature network leave no grid.
        """
        top, left = torch.randint(0, 8, (2,)).tolist()
        output, target = output[:, :, top:, left:], target[:, :, top:, left:]
        with torch.no_grad():
            wanted = self.features(target)
        distances = [
            (normalize(features.float()) - normalize(wanted[layer].float())).square().sum(1).mean()
            for layer, features in self.features(output).items()
        ]
        return torch.stack(distances).mean()

    def validate(self, generator: nn.Module) -> dict[str, float]:
        distances = [
            feature_distance(self._upscaled(generator, target), target.to(self.device), self.features)
            for target in self.held_out
        ]
        return {**super().validate(generator), "feature_distance": sum(distances) / len(distances)}


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Relativistic average GAN loss (Jolicoeur-Martineau 2018, equation 6), to be minimised by the network that wants
    `better` to look more real than `worse`. Both are logits of any equal shape."""
    real = binary_cross_entropy_with_logits(better - worse.mean(), torch.ones_like(better))
    fake = binary_cross_entropy_with_logits(worse - better.mean(), torch.zeros_like(worse))
    return (real + fake) / 2
