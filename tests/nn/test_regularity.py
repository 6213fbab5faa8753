"""A weave is regular, noise is not."""

import pytest
import torch
from torch.nn.functional import interpolate

from imgtk.nn.regularity import regularity, repetition_loss, smooth_image


def noise(grain: int) -> torch.Tensor:
    grains = torch.randn(1, 3, 448 // grain, 640 // grain, generator=torch.Generator().manual_seed(1))
    return interpolate(grains, size=(448, 640), mode="bicubic").mul(0.1).add(0.5).clamp(0, 1)


@pytest.mark.parametrize("grain", [1, 4])
def test_noise_is_not_regular(grain):
    assert regularity(noise(grain)) < 0.3


@pytest.mark.parametrize("period", [14, 20, 31])
def test_a_weave_is(period):
    rows, columns = torch.arange(448.0)[:, None], torch.arange(640.0)
    weave = ((rows + columns) * 6.283 / period).sin() * ((rows - columns) * 6.283 / period).sin()
    woven = (smooth_image() + 0.05 * weave).clamp(0, 1)
    assert regularity(woven) > 0.8


def test_nothing_to_see():
    assert regularity(torch.full((1, 3, 300, 300), 0.4)) == 0


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="192 pixels"):
        regularity(torch.zeros(1, 3, 191, 400))


def woven(period: float, strength: float = 0.03) -> torch.Tensor:
    rows, columns = torch.arange(192.0)[:, None], torch.arange(224.0)
    weave = ((rows + columns) * 6.283 / period).sin() * ((rows - columns) * 6.283 / period).sin()
    return (smooth_image(224, 192) + strength * weave).clamp(0, 1)


def test_the_loss_falls_with_the_weave_and_spares_noise():
    losses = [repetition_loss(woven(10, strength)).item() for strength in (0.03, 0.002)]
    assert losses[0] > 0.7
    assert losses[0] > losses[1]
    assert repetition_loss(noise(1)[..., :192, :224]) < 0.02


@pytest.mark.parametrize("shape", [(2, 3, 128, 130), (1, 3, 40, 64)])
def test_the_loss_has_a_gradient_everywhere(shape):
    x = woven(9)[..., : shape[2], : shape[3]].repeat(shape[0], 1, 1, 1).requires_grad_()
    repetition_loss(x).backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


def test_flat_images_have_no_loss_but_a_gradient():
    x = torch.full((1, 3, 130, 130), 0.5, requires_grad=True)
    repetition_loss(x).backward()
    assert x.grad.abs().sum() == 0
