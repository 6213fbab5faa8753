"""Degradations of known strength: their kernels, their resizing and their noise."""

from math import pi

import pytest
import torch
from skimage import data
from torch.nn.functional import conv2d, interpolate, pad

from imgtk.nn.colour import luma
from imgtk.nn.degradation import Fixed, blur, classic, kernels, sinc_kernels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rms(a, b):
    return (a - b).square().mean().sqrt().item()


def test_classic_is_antialiased_bicubic_with_8_bits():
    target = torch.rand(2, 3, 41, 30)
    small = classic(target, 4)
    assert small.shape == (2, 3, 10, 7)
    smooth = interpolate(target, (10, 7), mode="bicubic", antialias=True)
    assert (small - smooth.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    torch.testing.assert_close(small * 255, (small * 255).round(), rtol=0, atol=1e-4)


def test_fixed_has_the_noise_it_says():
    flat = torch.full((4, 3, 128, 128), 0.5)
    small = Fixed(noise=5.0, quality=100)(flat, 2, seeded())
    expected = 5 * (0.299**2 + 0.587**2 + 0.114**2) ** 0.5  # of luma: the colours' noise is independent
    assert 255 * luma(small).std().item() == pytest.approx(expected, abs=0.3)
    assert rms(Fixed(noise=0.0)(flat, 2, seeded()), 0.5 * torch.ones(4, 3, 64, 64)) < 2 / 255


def test_fixed_of_no_strength_is_nearly_classic():
    photo = torch.tensor(data.astronaut()[60:156, 160:256]).permute(2, 0, 1)[None].float() / 255
    fixed = Fixed(sigma=0.0, noise=0.0, quality=100)(photo, 2, seeded())
    assert rms(fixed, classic(photo, 2)) < 0.01


def some_kernels(count=200):
    generator = seeded()
    sigma, other, angle, shape, plateau = torch.rand(5, count, generator=generator)
    radius = torch.randint(3, 11, (count,), generator=generator)
    blurs = kernels(radius, 0.2 + 3 * sigma, 0.2 + 3 * other, pi * angle, 0.5 + 3.5 * shape, plateau < 0.5)
    return radius, {"blur": blurs, "sinc": sinc_kernels(radius, pi / 5 + 0.8 * pi * angle)}


@pytest.mark.parametrize("kind", ["blur", "sinc"])
def test_kernels_sum_to_1_are_point_symmetric_and_end_at_their_radius(kind):
    radii, drawn = some_kernels()
    stack = drawn[kind]
    torch.testing.assert_close(stack.sum((1, 2)), torch.ones(len(stack)))
    torch.testing.assert_close(stack, stack.flip(1, 2))
    for kernel, radius in zip(stack, radii.tolist(), strict=True):
        used = kernel.abs().sum(0).nonzero().flatten() - 10
        assert used.abs().max() <= radius
    assert (stack[radii == 3][:, 7:14, 7:14].abs() > 0).any()


def test_gaussian_has_its_deviations_and_its_angle():
    line = torch.arange(-10, 11.0)
    kernel = kernels(torch.tensor([10]), torch.tensor([2.5]), torch.tensor([1.0]), angle=pi / 2)[0]
    assert (kernel.sum(1) * line.square()).sum().sqrt() == pytest.approx(2.5, abs=0.01)  # turned by 90 degrees
    assert (kernel.sum(0) * line.square()).sum().sqrt() == pytest.approx(1.0, abs=0.01)


def test_sinc_passes_what_is_slow_and_stops_what_is_fast():
    kernel = sinc_kernels(torch.tensor([10]), torch.tensor([pi / 2]))
    column = torch.arange(128.0).expand(1, 1, 128, 128)
    slow, fast = (blur(torch.cos(w * column), kernel)[..., 20:-20].std() for w in (pi / 4, 3 * pi / 4))
    assert slow > 0.6
    assert fast < 0.1


def test_blur_is_a_convolution_with_repeated_border():
    x = torch.rand(2, 3, 17, 30)
    _, drawn = some_kernels(2)
    padded = pad(x, [10] * 4, mode="replicate")
    for kind in drawn.values():
        expected = [conv2d(p[:, None], k[None, None])[:, 0] for p, k in zip(padded, kind, strict=True)]
        torch.testing.assert_close(blur(x, kind), torch.stack(expected), rtol=0, atol=1e-5)
