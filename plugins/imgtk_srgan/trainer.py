"""Trainers of `upscale:srresnet` (for PSNR) and `upscale:srgan`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from imgtk.upscaling.trainer import FidelityTrainer, GANSettings, GANTrainer, UpscalingRecipe
from imgtk_srgan.network import SRResNet


@dataclass(frozen=True)
class SRResNetRecipe(UpscalingRecipe):
    """Settings of an SRResNet run.

    Attributes:
        features, blocks, norm: channels, residual blocks, and whether they have batch normalisation.
    """

    name: str = "srresnet-x4"
    batch: int = 8
    crop: int = 128
    features: int = 64
    blocks: int = 16
    norm: bool = False

    def network(self) -> nn.Module:
        return SRResNet(features=self.features, blocks=self.blocks, scale=self.scale, norm=self.norm)


@dataclass(frozen=True)
class SRGANRecipe(GANSettings, SRResNetRecipe):
    """Settings of a GAN run of SRResNet, which starts from the PSNR-trained weights `init`."""

    name: str = "srgan-x4"
    lr: float = 3e-4
    gan: str = "standard"
    discriminator: str = "vgg"


class SRResNetTrainer(FidelityTrainer):
    recipe_type = SRResNetRecipe
    package = "imgtk_srgan"


class SRGANTrainer(GANTrainer):
    recipe_type = SRGANRecipe
    package = "imgtk_srgan"
