"""What the discriminators of scenes see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_unshuffle

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import FeatureDiscriminator, FeatureProjection, PatchDiscriminator, spectrally_normalised
from imgtk.nn.features import Features
from imgtk.training.adversary import AdversarySettings, Discriminator, shifted
from imgtk_generate.augment import augmented
from imgtk_generate.scene_network import SIDE

__all__ = ["Sight", "SightSettings", "enlarged"]

LAYERS = {"squeezenet1_1": ("fire3", "fire5", "fire9"), "imgtk": ("fire3", "fire5", "fire7")}
"""What discriminators look at, by feature network; of others their `style_layers`."""
ENLARGED = 1.5
"""How much larger discriminators see images: feature networks know larger ones, and hardly see a checkerboard, as their
first layer skips pixels; but they take longer for them."""
FOLD = 2
"""Side of the squares of pixels that become channels of what discriminators see beside features."""
DISCRIMINATORS = ("features", "pixels")


@dataclass(frozen=True)
class SightSettings(AdversarySettings):
    """Settings of discriminators of scenes.

    Attributes:
        discriminator: "features" of the backbone (`FeatureDiscriminator`), beside which it sees the pixels, since
            features say little of colours; or "pixels" alone (`PatchDiscriminator`).
        discriminator_features: channels of the layers that rate features, or of the first layer that rates pixels.
        projected: whether discriminators see the features mixed at random (`FeatureProjection`).
        augment: whether discriminators see images `augmented`.
    """

    gan: str = "hinge"
    discriminator_lr: float = 1e-3
    spectral_norm: bool = True
    discriminator: str = "features"
    discriminator_features: int = 64
    projected: bool = True
    augment: bool = True


class Sight(nn.Module):
    """Images as discriminators see them. Nothing in it is trained.

    Args:
        features: the feature network.
        settings: of the discriminators.

    Raises:
        TrainingError: the settings name an unknown discriminator.
    """

    def __init__(self, features: Features, settings: SightSettings) -> None:
        super().__init__()
        if settings.discriminator not in DISCRIMINATORS:
            raise TrainingError(
                f"unknown discriminator {settings.discriminator!r}", hint=f"Available: {', '.join(DISCRIMINATORS)}."
            )
        self.features, self.settings = features, settings
        self.layers = LAYERS.get(features.name, features.style_layers)
        found = features(torch.zeros(1, 3, SIDE, SIDE), self.layers).values()
        self.channels = [layer.shape[1] for layer in found]
        self.projection = FeatureProjection(self.channels) if settings.projected else None

    def forward(self, images: Tensor) -> Tensor | Sequence[Tensor]:
        """Return what the discriminator takes, of images (N, 3, H, W), 0..1."""
        images = augmented(images) if self.settings.augment else images
        if self.settings.discriminator == "pixels":
            return images
        found = list(self.features(shifted(enlarged(images, round(ENLARGED * images.shape[2]))), self.layers).values())
        return [pixel_unshuffle(images, FOLD), *(self.projection(found) if self.projection else found)]

    def build(self) -> nn.Module:
        """Return a new discriminator of what `forward` returns."""
        settings, width = self.settings, self.settings.discriminator_features
        discriminator: nn.Module
        if settings.discriminator == "pixels":
            plain = settings.spectral_norm or settings.gradient_penalty or settings.r1
            discriminator = PatchDiscriminator(3, width, norm="none" if plain else "instance")
        else:
            channels = [self.projection.width] * len(self.channels) if self.projection else self.channels
            halvings = range(len(channels))[::-1]
            discriminator = FeatureDiscriminator([3 * FOLD**2, *channels], width, [halvings[0], *halvings])
        return spectrally_normalised(discriminator) if settings.spectral_norm else discriminator

    def through(self, discriminator: nn.Module) -> Discriminator:
        """Return the discriminator's logits for images (N, 3, H, W)."""

        def looking(images: Tensor) -> Tensor | Sequence[Tensor]:
            verdicts: Tensor | Sequence[Tensor] = discriminator(self(images))
            return verdicts

        return looking


def enlarged(images: Tensor, side: int) -> Tensor:
    """Return images (N, 3, H, H) of at least `side` pixels."""
    if images.shape[2] >= side:
        return images
    return interpolate(images, size=(side, side), mode="bilinear", align_corners=False)
