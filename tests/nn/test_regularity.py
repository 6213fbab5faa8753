"""A weave is regular, noise is not."""

import pytest
import torch
from torch.nn.functional import interpolate

from imgtk.nn.regularity import regularity, smooth_image


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
