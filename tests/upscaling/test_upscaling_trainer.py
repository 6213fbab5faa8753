"""The parts that the trainers of all upscalers share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import UNetDiscriminator, VGGDiscriminator
from imgtk.upscaling.trainer import UpscalingRecipe, build_discriminator, relativistic_loss, standard_loss
from imgtk_esrgan.trainer import ESRGAN, ESRGANRecipe


def test_the_relativistic_loss_wants_the_first_above_the_second() -> None:
    high, low = torch.full((2, 1, 4, 4), 3.0), torch.full((2, 1, 4, 4), -3.0)
    assert relativistic_loss(high, low) < 0.01
    assert relativistic_loss(low, high) > 5
    assert relativistic_loss(low, low).item() == pytest.approx(np.log(2))


def test_discriminators_and_the_crops_they_judge() -> None:
    unet, vgg = UNetDiscriminator(), VGGDiscriminator()
    assert sum(p.numel() for p in unet.parameters()) == 4_376_897  # as published
    assert sum(p.numel() for p in vgg.parameters()) == 14_499_401
    assert unet(torch.rand(1, 3, 16, 24)).shape == (1, 1, 16, 24)
    small = build_discriminator(ESRGANRecipe(discriminator="vgg", discriminator_features=2))
    assert small(torch.rand(2, 3, 128, 128)).shape == (2, 1)
    for settings in ({"discriminator": "vgg", "crop": 64}, {"crop": 33}, {"discriminator": "judge"}):
        with pytest.raises(TrainingError, match="no discriminator"):
            build_discriminator(ESRGANRecipe(**settings))


def test_the_standard_loss_wants_the_first_real_and_the_second_fake() -> None:
    high, low = torch.full((2, 1), 9.0), torch.full((2, 1), -9.0)
    assert standard_loss(high, low) < 0.01
    assert standard_loss(low, high) > 8
    assert standard_loss(high, high) == pytest.approx(4.5, abs=0.01)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(TrainingError, match="no degradation 'fog'"):
        UpscalingRecipe(degradation="fog").degrade(torch.rand(1, 3, 8, 8), torch.Generator())
    with pytest.raises(TrainingError, match="no GAN 'wasserstein'"):
        ESRGAN(ESRGANRecipe(gan="wasserstein", features=8, blocks=1, growth=4))


@pytest.mark.parametrize("degradation", ["bicubic", "second-order"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_degraded_pictures_are_smaller_by_the_scale_and_on_the_8_bit_grid(degradation: str, scale: int) -> None:
    recipe = UpscalingRecipe(degradation=degradation, scale=scale)
    small = recipe.degrade(torch.rand(2, 3, 32, 64), torch.Generator().manual_seed(0))
    assert small.shape == (2, 3, 32 // scale, 64 // scale)
    assert torch.allclose(small * 255, (small * 255).round(), atol=1e-4)
