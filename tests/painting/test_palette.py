"""Giving an image the colours of another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imgtk.painting.palette import PALETTES, Covariance, Histogram
from imgtk.testing import sample_image


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    colours = x[0].flatten(1)
    return colours.mean(1), colours.cov()


def test_mean_and_covariance_become_those_of_the_other() -> None:
    source, target = 0.3 + 0.2 * sample_image(60, 50, seed=1), 0.3 + 0.3 * sample_image(40, 70, seed=2).roll(1, 1) ** 2
    mean, covariance = moments(Covariance.between(source, target)(source))
    wanted_mean, wanted_covariance = moments(target)
    torch.testing.assert_close(mean, wanted_mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(covariance, wanted_covariance, atol=2e-4, rtol=0.03)


def test_each_channel_gets_the_distribution_of_the_other() -> None:
    source, target = sample_image(60, 50, seed=1), sample_image(40, 70, seed=2) ** 2
    mapped = Histogram.between(source, target)(source)
    quantiles = torch.linspace(0.05, 0.95, 19)
    for channel in range(3):
        ours, theirs = (x[0, channel].flatten().quantile(quantiles) for x in (mapped, target))
        torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)


@pytest.mark.parametrize("kind", PALETTES)
def test_ones_own_palette_changes_little(kind: str) -> None:
    x = sample_image(60, 50)
    torch.testing.assert_close(PALETTES[kind].between(x, x)(x), x, atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", PALETTES)
@pytest.mark.parametrize(
    "source", [torch.zeros(1, 3, 1, 1), torch.full((1, 3, 5, 4), 0.7), sample_image(8, 8, gray=True)]
)
def test_flat_and_gray_images(kind: str, source: Tensor) -> None:
    for target in (torch.ones(1, 3, 1, 1), sample_image(9, 7)):
        y = PALETTES[kind].between(source, target)(source.bfloat16())
        assert y.dtype == torch.bfloat16
        assert y.isfinite().all()
        assert y.min() >= 0
        assert y.max() <= 1


@pytest.mark.parametrize("kind", PALETTES)
def test_a_mapping_looks_at_one_pixel_at_a_time(kind: str) -> None:
    source = sample_image(30, 20, seed=1)
    palette = PALETTES[kind].between(source, sample_image(30, 20, seed=2))
    torch.testing.assert_close(palette(source[..., 3:9, 5:20]), palette(source)[..., 3:9, 5:20])
