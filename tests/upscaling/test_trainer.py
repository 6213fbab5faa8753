"""The parts that the trainers of all upscalers share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import UNetDiscriminator, VGGDiscriminator
from imgtk.upscaling.trainer import UpscalingRecipe, build_discriminator
from imgtk_esrgan.trainer import ESRGANRecipe, ESRGANTrainer


def test_discriminators_and_the_crops_they_take() -> None:
    unet, vgg = UNetDiscriminator(), VGGDiscriminator()
    assert sum(p.numel() for p in unet.parameters()) == 4_376_897  # as published
    assert sum(p.numel() for p in vgg.parameters()) == 14_499_401
    assert unet(torch.rand(1, 3, 16, 24)).shape == (1, 1, 16, 24)
    small = build_discriminator(ESRGANRecipe(discriminator="vgg", discriminator_features=2), 128)
    assert small(torch.rand(2, 3, 128, 128)).shape == (2, 1)
    assert not is_parametrized(small.conv0_1)
    steady = build_discriminator(ESRGANRecipe(discriminator="vgg", discriminator_features=2, spectral_norm=True), 128)
    assert is_parametrized(steady.conv0_1)
    for settings in ({"discriminator": "vgg", "crop": 64}, {"crop": 33}, {"discriminator": "critic"}):
        recipe = ESRGANRecipe(**settings)
        with pytest.raises(TrainingError, match="no discriminator"):
            build_discriminator(recipe, recipe.crop)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(TrainingError, match="unknown degradation 'fog'"):
        UpscalingRecipe(degradation="fog").degrade(torch.rand(1, 3, 8, 8), torch.Generator())
    with pytest.raises(TrainingError, match="unknown GAN loss 'vegan'"):
        ESRGANTrainer(ESRGANRecipe(gan="vegan", features=8, blocks=1, growth=4))
    with pytest.raises(TrainingError, match="crops of 40 pixels are too small to see a texture"):
        ESRGANTrainer(ESRGANRecipe(texture=0.1, crop=40, features=8, blocks=1, growth=4))


def test_grids_and_textures_count_where_a_recipe_asks_for_them() -> None:
    recipe = ESRGANRecipe(crop=48, features=8, blocks=1, growth=4, discriminator_features=2)
    batch = torch.rand(1, 3, 48, 48)
    losses = {}
    for weight in (0.0, 0.5):
        trainer = ESRGANTrainer(replace(recipe, grid=weight, texture=weight))
        name, losses[weight] = next(trainer.updates(batch, trainer.networks))
        assert name == "generator"
    assert losses[0.5].keys() - losses[0.0].keys() == {"grid", "texture"}
    assert losses[0.5]["texture"] > 0.1  # an enlarged image lacks the strong noise of its target
    assert losses[0.5]["grid"].isfinite()


@pytest.mark.parametrize("degradation", ["bicubic", "second-order", "photo", "jpeg"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_degraded_images_are_smaller_by_the_scale_and_on_the_8_bit_grid(degradation: str, scale: int) -> None:
    recipe = UpscalingRecipe(degradation=degradation, scale=scale)
    small = recipe.degrade(torch.rand(2, 3, 32, 64), torch.Generator().manual_seed(0))
    assert small.shape == (2, 3, 32 // scale, 64 // scale)
    assert torch.allclose(small * 255, (small * 255).round(), atol=1e-4)
