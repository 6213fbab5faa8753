"""What is tied to the input."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from imgtk.testing import sample_image
from imgtk.upscaling.consistency import REACH, consistent, context


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_colour_shifts_are_taken_back(scale: int) -> None:
    x = sample_image(40, 32)
    shifted = (
        interpolate(x, scale_factor=float(scale), mode="bilinear") + torch.tensor([0.1, -0.05, 0.2])[:, None, None]
    )
    result = consistent(shifted, x, scale, 1.0)
    assert (result.mean((2, 3)) - x.mean((2, 3))).abs().max() < 1e-3
    assert (avg_pool2d(result, scale) - x).abs().mean() < 0.2 * (avg_pool2d(shifted, scale) - x).abs().mean()


def test_details_are_left_to_the_network() -> None:
    x = sample_image(40, 32)
    detail = 0.1 * torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))
    detail = detail - interpolate(avg_pool2d(detail, 4), scale_factor=4.0, mode="nearest")
    plain = interpolate(x, scale_factor=4.0, mode="bilinear")
    added = consistent(plain + detail, x, 4, 1.0) - consistent(plain, x, 4, 1.0)
    varied = added[..., 16:-16, 16:-16]
    assert torch.corrcoef(torch.stack([varied.flatten(), detail[..., 16:-16, 16:-16].flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 1), (20, 30)])
def test_what_is_flat_stays_exactly_flat(level: float, size: tuple[int, int]) -> None:
    """Whatever the network made of it."""
    x = torch.full((1, 3, *size), level)
    woven = x.repeat_interleave(4, 2).repeat_interleave(4, 3) + 0.1 * torch.rand(1, 3, 4 * size[0], 4 * size[1])
    assert torch.equal(consistent(woven, x, 4, 1.0), torch.full_like(woven, level))


def test_a_flat_part_and_its_surroundings() -> None:
    x = sample_image(40, 40)
    x[..., 10:30, 10:30] = 0.5
    woven = interpolate(x, scale_factor=4.0, mode="nearest") + 0.05 * torch.rand(1, 3, 160, 160)
    result = consistent(woven, x, 4, 0.5)
    inside = slice(4 * (10 + REACH + 1), 4 * (30 - REACH - 1))
    assert (result[..., inside, inside] - 0.5).abs().max() < 1e-6
    assert result[..., :32, :32].std() > 0.01


def test_a_part_is_that_part_of_the_whole() -> None:
    x = sample_image(60, 50)
    x[..., 20:34, 20:40] = 1
    enlarged = interpolate(x, scale_factor=2.0, mode="bicubic")
    whole, reach = consistent(enlarged, x, 2, 1.0), context(1.0)
    part = consistent(enlarged[..., 2 * 8 : 2 * 44, 2 * 6 : 2 * 50], x[..., 8:44, 6:50], 2, 1.0)
    inner = part[..., 2 * reach : -2 * reach, 2 * reach : -2 * reach]
    expected = whole[..., 2 * (8 + reach) : 2 * (44 - reach), 2 * (6 + reach) : 2 * (50 - reach)]
    torch.testing.assert_close(inner, expected)
