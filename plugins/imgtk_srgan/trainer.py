"""Trainers of `upscale:srresnet` (for PSNR) and `upscale:srgan`."""

from __future__ import annotations

from dataclasses import dataclass

from imgtk.errors import TrainingError
from imgtk.upscaling.network import UpscalingNetwork
from imgtk.upscaling.trainer import FidelityTrainer, GANSettings, GANTrainer, UpscalingRecipe
from imgtk_srgan.network import MSRResNet, SRResNet

VARIANTS = {"basicsr": MSRResNet, "paper": SRResNet}


@dataclass(frozen=True)
class SRResNetRecipe(UpscalingRecipe):
    """Settings of an SRResNet run.

    Attributes:
        variant: "basicsr" (MSRResNet, which learns what is to be added to the enlarged input, and so is good early) or
            "paper" (SRResNet, with batch normalisation).
        features, blocks: channels and residual blocks.
    """

    name: str = "srresnet-x4"
    batch: int = 8
    crop: int = 128
    features: int = 64
    blocks: int = 16
    variant: str = "basicsr"

    def network(self) -> UpscalingNetwork:
        if self.variant not in VARIANTS:
            raise TrainingError(f"unknown variant {self.variant!r}", hint=f"Available: {', '.join(VARIANTS)}.")
        return VARIANTS[self.variant](features=self.features, blocks=self.blocks, scale=self.scale)


@dataclass(frozen=True)
class SRGANRecipe(GANSettings, SRResNetRecipe):
    """Settings of a GAN run of SRResNet, which starts from the PSNR-trained weights `init`."""

    name: str = "srgan-x4"
    lr: float = 3e-4
    gan: str = "standard"
    discriminator: str = "vgg"


class SRResNetTrainer(FidelityTrainer[SRResNetRecipe]):
    recipe_type = SRResNetRecipe
    package = "imgtk_srgan"


class SRGANTrainer(GANTrainer[SRGANRecipe]):
    recipe_type = SRGANRecipe
    package = "imgtk_srgan"
