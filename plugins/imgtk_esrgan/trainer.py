"""Trainers of `upscale:compact`, `upscale:rrdb` (for PSNR) and `upscale:esrgan`."""

from __future__ import annotations

from dataclasses import dataclass

from imgtk.upscaling.network import UpscalingNetwork
from imgtk.upscaling.trainer import FidelityTrainer, GANSettings, GANTrainer, UpscalingRecipe
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact


@dataclass(frozen=True)
class CompactRecipe(UpscalingRecipe):
    """Settings of an SRVGGNetCompact run.

    Attributes:
        features, convs: channels and number of its body convolutions.
    """

    name: str = "compact-x4"
    features: int = 64
    convs: int = 16

    def network(self) -> UpscalingNetwork:
        return SRVGGNetCompact(features=self.features, convs=self.convs, scale=self.scale)


@dataclass(frozen=True)
class RRDBRecipe(UpscalingRecipe):
    """Settings of an RRDBNet run.

    Attributes:
        features, blocks, growth: channels, number of RRDBs, and channels that a dense layer adds.
    """

    name: str = "rrdb-x4"
    batch: int = 8
    crop: int = 128
    features: int = 64
    blocks: int = 4
    growth: int = 32

    def network(self) -> UpscalingNetwork:
        return RRDBNet(features=self.features, blocks=self.blocks, growth=self.growth, scale=self.scale)


@dataclass(frozen=True)
class ESRGANRecipe(GANSettings, RRDBRecipe):
    """Settings of a GAN run of RRDBNet, which starts from the PSNR-trained weights `init`."""

    name: str = "esrgan-x4"
    lr: float = 3e-4


class CompactTrainer(FidelityTrainer[CompactRecipe]):
    recipe_type = CompactRecipe
    package = "imgtk_esrgan"


class RRDBTrainer(FidelityTrainer[RRDBRecipe]):
    recipe_type = RRDBRecipe
    package = "imgtk_esrgan"


class ESRGANTrainer(GANTrainer[ESRGANRecipe]):
    recipe_type = ESRGANRecipe
    package = "imgtk_esrgan"
