"""Degradations: sizes, ranges, what is random and what is not, and that nothing but quality is lost."""

from dataclasses import replace

import pytest
import torch
from skimage import data

from imgtk.nn.degradation import Fixed, classic
from imgtk.upscaling.degradation import COMPRESSED, DegradationRound, EverydayPhoto, SecondOrder

NOTHING = DegradationRound(
    blur=0.0, sinc=0.0, resize=(0.0, 0.0, 1.0), noise=(0.0, 0.0), poisson=(0.0, 0.0), gray=0.0, quality=(100, 100)
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def image(height=96, width=96):
    crop = torch.tensor(data.astronaut()[60 : 60 + height, 160 : 160 + width])
    return crop.permute(2, 0, 1)[None].float() / 255


def rms(a, b):
    return (a - b).square().mean().sqrt().item()


@pytest.mark.parametrize(
    "degradation",
    [SecondOrder(), EverydayPhoto(), COMPRESSED, Fixed()],
    ids=["second-order", "photo", "jpeg", "fixed"],
)
@pytest.mark.parametrize(
    ("size", "scale"), [((128, 128), 4), ((97, 63), 2), ((33, 34), 4), ((16, 200), 1), ((4, 4), 4), ((1, 9), 1)]
)
def test_size_range_and_8_bits(degradation, size, scale):
    for seed in range(4):
        small = degradation(torch.rand(2, 3, *size), scale, seeded(seed))
        assert small.shape == (2, 3, size[0] // scale, size[1] // scale)
        assert small.dtype == torch.float32
        assert small.isfinite().all()
        assert small.min() >= 0
        assert small.max() <= 1
        torch.testing.assert_close(small * 255, (small * 255).round(), rtol=0, atol=1e-4)


def test_the_generator_is_all_the_randomness():
    target, generator = image().expand(3, -1, -1, -1), seeded(3)
    SecondOrder()(target, 4, generator)
    state = generator.get_state()
    first = SecondOrder()(target, 4, generator)
    torch.rand(5)  # the global generator does not matter
    second = SecondOrder()(target, 4, generator)
    generator.set_state(state)
    assert torch.equal(SecondOrder()(target, 4, generator), first)
    assert torch.equal(SecondOrder()(target, 4, generator), second)
    assert not torch.equal(first, second)


def test_as_many_numbers_are_drawn_whatever_they_are():
    """So that processes that degrade other images with generators of the same seed stay in step."""
    generators = [seeded(1), seeded(1)]
    for generator, value in zip(generators, (0.0, 1.0), strict=True):
        SecondOrder()(torch.full((2, 3, 64, 64), value), 4, generator)
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_each_image_of_a_batch_has_its_own_degradation():
    small = SecondOrder()(image().expand(6, -1, -1, -1), 2, seeded(5))
    distances = [rms(small[i], small[j]) for i in range(6) for j in range(i)]
    assert min(distances) > 0.005


def test_two_in_five_inputs_are_clean_where_a_network_is_to_learn_both():
    target = image().expand(200, -1, -1, -1)
    clean, small = classic(target, 4), COMPRESSED(target, 4, seeded())
    same = (small == clean).flatten(1).all(1)
    assert 0.3 < same.float().mean() < 0.5
    assert max(rms(*pair) for pair in zip(small, clean, strict=True)) < 0.06


def test_autocast_memory_layout_and_gradients_change_nothing():
    target = image().expand(2, -1, -1, -1).contiguous().requires_grad_()
    plain = SecondOrder()(target, 4, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        other = SecondOrder()(target.contiguous(memory_format=torch.channels_last), 4, seeded())
    assert not plain.requires_grad
    assert other.dtype == torch.float32
    assert (plain - other).abs().max() <= 2 / 255  # sums in another order


def test_settings_of_no_strength_are_nearly_the_classic_degradation():
    degradation = SecondOrder(NOTHING, NOTHING, final_sinc=0.0)
    for seed in range(6):  # area, bilinear and bicubic
        assert rms(degradation(image(), 2, seeded(seed)), classic(image(), 2)) < 0.03


@pytest.mark.parametrize("setting", ["blur", "sinc", "noise", "poisson", "quality", "resize"])
def test_each_setting_alone_does_something(setting):
    strong = {
        "blur": replace(NOTHING, blur=1.0, sigma=(3.0, 3.0)),
        "sinc": replace(NOTHING, blur=1.0, sinc=1.0),
        "noise": replace(NOTHING, gaussian=1.0, noise=(30.0, 30.0)),
        "poisson": replace(NOTHING, gaussian=0.0, poisson=(3.0, 3.0)),
        "quality": replace(NOTHING, quality=(10, 10)),
        "resize": replace(NOTHING, resize=(0.0, 1.0, 0.0), factor=(0.2, 0.2)),
    }[setting]
    without = SecondOrder(NOTHING, NOTHING, final_sinc=0.0)
    difference = rms(replace(without, first=strong)(image(), 1, seeded()), without(image(), 1, seeded()))
    assert difference > 0.01


def test_colours_stay():
    target = 0.25 + image(128, 128).expand(16, -1, -1, -1) / 2  # room for the noise
    means = SecondOrder()(target, 4, seeded()).mean((0, 2, 3))
    torch.testing.assert_close(means, target.mean((0, 2, 3)), rtol=0, atol=0.01)


def test_gray_noise_is_gray():
    noisy = replace(NOTHING, gray=1.0, gaussian=0.5, noise=(20.0, 20.0), poisson=(2.0, 2.0))
    small = SecondOrder(noisy, NOTHING, final_sinc=0.0)(torch.full((4, 3, 64, 64), 0.5), 1, seeded())
    assert small.std() > 0.02
    assert (small - small.mean(1, keepdim=True)).abs().max() < 0.02


def test_poisson_noise_grows_with_the_root_of_the_light():
    counting = replace(NOTHING, gaussian=0.0, poisson=(1.0, 1.0))
    light = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 3, 96, 96)
    deviation = SecondOrder(counting, NOTHING, final_sinc=0.0)(light, 1, seeded())[:, 1].std((1, 2))
    assert 1.7 < deviation[1] / deviation[0] < 2.3
