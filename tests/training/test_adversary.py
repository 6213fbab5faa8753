"""What trainers of GANs share: losses, penalties, the pool of earlier fakes, unpaired images."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils.parametrize import is_parametrized

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import (
    FeatureDiscriminator,
    FeatureProjection,
    MultiScaleDiscriminator,
    PatchDiscriminator,
    spectrally_normalised,
)
from imgtk.nn.features import load_features
from imgtk.registry import default
from imgtk.training.adversary import GAN_LOSSES, Adversary, AdversarySettings
from imgtk.training.domains import Domains, target_files
from imgtk.training.images import CropSampler
from imgtk.training.pool import ImagePool
from imgtk.training.run import train

HIGH, LOW = torch.full((2, 1, 4, 4), 3.0), torch.full((2, 1, 4, 4), -3.0)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_discriminators_want_real_above_fake_and_generators_the_opposite(name: str) -> None:
    loss = GAN_LOSSES[name]
    assert loss.discriminator(HIGH / 3, LOW / 3 + (name == "lsgan")) < loss.discriminator(LOW, HIGH)
    real = torch.zeros_like(LOW) if loss.relative else None
    assert loss.generator(LOW / 3, real) > loss.generator(HIGH / 3, real)


@pytest.mark.parametrize(
    ("name", "real", "fake", "discriminator", "generator"),
    [
        ("standard", 0.0, 0.0, np.log(2), np.log(2) / 2),
        ("relativistic", -3.0, -3.0, np.log(2), np.log(2)),
        ("lsgan", 3.0, -3.0, (4 + 9) / 2, 16.0),
        ("hinge", 0.25, -2.0, 0.75, 2.0),
        ("wasserstein", 3.0, -3.0, -6.0, 3.0),
    ],
)
def test_losses_as_in_their_papers(name: str, real: float, fake: float, discriminator: float, generator: float) -> None:
    loss = GAN_LOSSES[name]
    reals, fakes = torch.full((2, 1), real), torch.full((2, 1), fake)
    assert loss.discriminator(reals, fakes).item() == pytest.approx(discriminator)
    assert loss.generator(fakes, reals if loss.relative else None).item() == pytest.approx(generator)


def test_a_discriminator_of_features_soon_tells_textures_apart() -> None:
    """From forty small images it has learnt which of two kinds of noise is which, in others as well."""
    torch.manual_seed(0)
    features = load_features()

    def look(smooth: bool, count: int) -> list[torch.Tensor]:
        noise = torch.rand(count, 3, 48, 48)
        images = (avg_pool2d(noise, 3, 1, 1) - 0.5) * 3 + 0.5 if smooth else noise
        return list(features(images).values())

    channels = [layer.shape[1] for layer in look(False, 1)]
    discriminator = FeatureDiscriminator(channels, 16)
    optimiser = torch.optim.Adam(discriminator.parameters(), 5e-3)
    real, fake = look(True, 20), look(False, 20)
    for _ in range(30):
        losses = [
            GAN_LOSSES["hinge"].discriminator(*pair)
            for pair in zip(discriminator(real), discriminator(fake), strict=True)
        ]
        optimiser.zero_grad()
        sum(losses).backward()
        optimiser.step()
    with torch.no_grad():
        verdicts = [
            torch.stack([logits.mean() for logits in discriminator(look(smooth, 4))]) for smooth in (True, False)
        ]
    assert len(verdicts[0]) == len(channels)
    assert (verdicts[0] - verdicts[1]).mean() > 1


def test_halvings_let_a_discriminator_of_features_see_more_of_the_image() -> None:
    features = [torch.rand(2, 5, 16, 24), torch.rand(2, 7, 8, 12)]
    shapes = [logits.shape[1:] for logits in FeatureDiscriminator([5, 7], 4, [2, 1])(features)]
    assert shapes == [(1, 4, 6), (1, 4, 6)]
    with pytest.raises(ValueError, match="zip"):
        FeatureDiscriminator([5, 7], 4, [1])


def test_projections_are_always_the_same_and_bring_deep_features_into_shallow_ones() -> None:
    features = [torch.rand(2, 5, 9, 13), torch.rand(2, 7, 5, 7), torch.rand(2, 3, 3, 4)]
    project, again = FeatureProjection([5, 7, 3], 8), FeatureProjection([5, 7, 3], 8)
    assert not any(weight.requires_grad for weight in project.parameters())
    mixed = project(features)
    assert [part.shape for part in mixed] == [(2, 8, 9, 13), (2, 8, 5, 7), (2, 8, 3, 4)]
    assert all(torch.equal(*parts) for parts in zip(mixed, again(features), strict=True))
    others = project([*features[:2], features[2] + 1])
    assert not any(torch.allclose(*parts) for parts in zip(mixed, others, strict=True))
    others = project([features[0] + 1, *features[1:]])
    assert [torch.equal(*parts) for parts in zip(mixed, others, strict=True)] == [False, True, True]


def test_penalties_measure_the_slope_of_the_discriminator() -> None:
    """A discriminator whose mean verdict is 2 times the sum of the pixels has a gradient of length 2 * sqrt(pixels)."""

    def discriminator(x: torch.Tensor) -> list[torch.Tensor]:
        return [2 * x.sum((1, 2, 3))[:, None], 2 * x.sum((1, 2, 3))[:, None].expand(-1, 5)]

    real, fake = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4, requires_grad=True)
    losses = Adversary(AdversarySettings(gan="wasserstein", r1=3.0, gradient_penalty=10.0)).discriminator_losses(
        discriminator, real, fake
    )
    assert losses["r1"].item() == pytest.approx(3 / 2 * 4 * 48, rel=1e-4)
    assert losses["gradient_penalty"].item() == pytest.approx(10 * (2 * 48**0.5 - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize("settings", [{"r1": 1.0}, {"gan": "wasserstein", "gradient_penalty": 10.0}])
def test_penalties_flatten_a_discriminator(settings: dict) -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(features=8, layers=1, norm="none")
    with torch.no_grad():
        for p in discriminator.parameters():
            p.mul_(8)
    adversary, optimizer = Adversary(AdversarySettings(**settings)), torch.optim.Adam(discriminator.parameters(), 1e-2)
    real, fake = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    (name,) = settings.keys() - {"gan"}
    values = []
    for _ in range(20):
        losses = adversary.discriminator_losses(discriminator, real, fake)
        values.append(losses[name].item())
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert values[-1] < values[0] / 2


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TrainingError, match="unknown GAN loss 'vegan'"):
        Adversary(AdversarySettings(gan="vegan"))
    with pytest.raises(TrainingError, match="steep slopes"):
        Adversary(AdversarySettings(gan="wasserstein"))


def test_the_patch_discriminator_is_the_published_one() -> None:
    discriminator = PatchDiscriminator()
    assert sum(p.numel() for p in discriminator.parameters()) == 2_764_737
    assert [name for name in discriminator.state_dict() if name.endswith("weight")] == [
        f"model.{n}.weight" for n in (0, 2, 5, 8, 11)
    ]
    assert discriminator(torch.rand(1, 3, 256, 256)).shape == (1, 1, 30, 30)
    assert PatchDiscriminator(6, 8, norm="batch")(torch.rand(2, 6, 64, 64)).shape == (2, 1, 6, 6)


def test_a_patch_is_70_pixels_wide() -> None:
    discriminator = PatchDiscriminator(features=4, norm="none").double()
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    discriminator(x)[0, 0, 15, 15].backward()
    seen = x.grad.abs().sum((0, 1, 2)).nonzero()
    assert seen.max() - seen.min() + 1 == 70


def test_several_scales_are_averaged() -> None:
    discriminator = MultiScaleDiscriminator(3, features=4, layers=2)
    verdicts = discriminator(torch.rand(2, 3, 64, 64))
    assert [v.shape[2] for v in verdicts] == sorted((v.shape[2] for v in verdicts), reverse=True)
    assert (
        Adversary(AdversarySettings()).generator_loss(discriminator, torch.rand(2, 3, 64, 64), torch.rand(1)).ndim == 0
    )


def test_spectral_normalisation_bounds_every_layer() -> None:
    network = spectrally_normalised(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8, 2)))
    spectrally_normalised(network)  # a second time changes nothing
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(50)
    network.train()
    for _ in range(20):
        network(torch.rand(1, 3, 1, 1))
    for layer in (network[0], network[2]):
        assert is_parametrized(layer)
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_the_pool_hands_out_earlier_images() -> None:
    torch.manual_seed(0)
    pool = ImagePool(4)
    first = torch.arange(4.0).view(4, 1, 1, 1)
    assert torch.equal(pool.swap(first), first)  # until it is full
    numbers = torch.cat([pool.swap(torch.full((2, 1, 1, 1), float(n))) for n in range(10, 60)]).flatten()
    new = (numbers.view(50, 2) == torch.arange(10.0, 60.0)[:, None]).float().mean().item()
    assert 0.3 < new < 0.7
    assert {0.0, 1.0, 2.0, 3.0} & set(numbers.tolist())
    assert len(pool.held) == 4
    assert not pool.swap(torch.rand(1, 1, 1, 1, requires_grad=True)).requires_grad


def test_a_restored_pool_goes_on_as_the_old_one() -> None:
    pool, other = ImagePool(3), ImagePool(3)
    pool.swap(torch.rand(5, 3, 2, 2))
    other.restore(pool.state())
    images, state = torch.rand(6, 3, 2, 2), torch.get_rng_state()
    expected = pool.swap(images)
    torch.set_rng_state(state)
    assert torch.equal(other.swap(images), expected)
    empty = ImagePool(3)
    empty.restore(ImagePool(3).state())
    assert empty.held == []
    assert torch.equal(ImagePool(0).swap(images), images)


def test_domains_draw_from_both_pools_and_keep_what_is_above_above(tmp_path) -> None:
    for name, red in (("a", 0), ("b", 255)):
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = red, np.linspace(0, 255, 40)[:, None]
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    pools = [CropSampler([tmp_path / f"{name}.png"], 16, turns=False) for name in "ab"]
    batch = Domains(*pools).draw(8, torch.Generator().manual_seed(0))
    assert batch.shape == (8, 6, 16, 16)
    assert (batch[:, 0] == 0).all()
    assert (batch[:, 3] == 1).all()
    assert (batch[:, (1, 4), 0] < batch[:, (1, 4), -1]).all()
    assert Domains(*pools).weight == pools[0].weight + pools[1].weight


def test_the_second_domain_must_be_there(tmp_path) -> None:
    with pytest.raises(TrainingError, match="no paintings to train on"):
        target_files("", "paintings")
    with pytest.raises(TrainingError, match="no images in"):
        target_files(str(tmp_path), "paintings")


@pytest.mark.parametrize("settings", [{"r1": "1"}, {"gan": "wasserstein", "gradient_penalty": "10"}])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_penalties_are_trained_with_in_every_precision(settings: dict, dtype: str, tmp_path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        PIL.Image.fromarray(random.integers(0, 256, (48, 48, 3), np.uint8)).save(tmp_path / "photos" / f"{name}.png")
    overrides = {"steps": "2", "batch": "2", "crop": "32", "width": "4", "depth": "2", "patch_layers": "1"}
    overrides |= {"patch_features": "4", "held_out": "1", "side": "48", "perceptual": "0", **settings}
    spec = default().spec("translate:sketch2photo")
    assert train(spec, tmp_path / "photos", tmp_path / "out", overrides=overrides, dtype=dtype, device="cpu").exists()
