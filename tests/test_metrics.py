"""Metrics: known values, and scikit-image."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imgtk.metrics import (
    diversity,
    feature_distance,
    fid,
    kid,
    limited_luma,
    precision_recall,
    psnr,
    psnr_y,
    ssim,
    ssim_y,
)


def pair(width: int = 40, height: int = 33) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, height, width, generator=generator)
    return x, (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def test_psnr_of_a_known_error() -> None:
    x = torch.zeros(1, 3, 5, 5)
    assert psnr(x, x + 0.1) == pytest.approx(20)
    assert psnr(x, x + 25.5, peak=255) == pytest.approx(20)
    assert psnr(x, x) == inf


def test_against_scikit_image() -> None:
    x, y = pair()
    a, b = (t[0].permute(1, 2, 0).numpy() for t in (x, y))
    assert psnr(x, y) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-6)
    expected = structural_similarity(
        a, b, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(x, y) == pytest.approx(expected, abs=1e-4)
    assert ssim(x, x) == pytest.approx(1)


def test_luma_is_limited_range() -> None:
    values = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).view(3, 3, 1, 1)
    torch.testing.assert_close(limited_luma(values).flatten(), torch.tensor([16, 235, 81.481], dtype=torch.float64))


def test_protocol_cuts_the_border_and_rounds() -> None:
    x, _ = pair()
    y = x.clone()
    y[..., :4] = 0
    y[..., -4:, :] = 1
    assert psnr_y(x, y, border=4) == inf
    assert ssim_y(x, y, border=4) == pytest.approx(1)
    assert psnr_y(x, y, border=3) < 40
    flat = torch.full((1, 3, 30, 30), 100 / 255)
    assert psnr_y(flat, flat + 0.4 / 255, border=2) == inf
    assert psnr_y(flat + 2, flat + 3, border=2) == inf  # both are white


def test_images_that_cannot_be_compared() -> None:
    x, y = pair()
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(x, y[..., 1:])
    with pytest.raises(ValueError, match="nothing is left"):
        psnr_y(x, y, border=17)
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim_y(x, y, border=12)


def test_feature_distance_ignores_the_length_of_features() -> None:
    x, y = pair()

    def features(t: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a": t, "b": t[..., ::2, ::2].flip(1)}

    assert feature_distance(x, x, features) == 0
    assert feature_distance(x, 0.5 * x, features) == pytest.approx(0, abs=1e-6)
    expected = 2 * (1 - torch.cosine_similarity(x, y)).mean()
    assert feature_distance(x, y, lambda t: {"a": t}) == pytest.approx(expected.item(), abs=1e-5)
    assert feature_distance(torch.zeros_like(x), torch.zeros_like(x), features) == 0


def test_distances_between_sets_of_images() -> None:
    generator = torch.Generator().manual_seed(0)
    one, two, far = (torch.randn(200, 6, generator=generator) for _ in range(3))
    far = far * 2 + 1
    for distance in (kid, fid):
        assert distance(one, far) > 20 * abs(distance(one, two))
        assert distance(one, far) == pytest.approx(distance(far, one))
    assert fid(one, one) == pytest.approx(0, abs=1e-6)
    assert fid(one, one + 3) == pytest.approx(6 * 9, rel=1e-6)
    assert abs(np.mean([kid(*torch.randn(2, 9, 4, generator=generator)) for _ in range(300)])) < 0.05  # unbiased
    for sets in ((one[:1], two), (one, two[:, :3])):
        with pytest.raises(ValueError, match="two sets"):
            kid(*sets)


def test_kid_by_hand() -> None:
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    # k(a, b) = (ab + 1)^3: k(0,1) = 1, k(2,3) = 343; across: 1, 1, 27, 64
    assert kid(x, y) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_precision_recall_and_diversity() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(300, 4, generator=generator)
    alike, narrow, far = torch.randn(300, 4, generator=generator), 0.05 * real, real + 100
    assert min(precision_recall(alike, real)) > 0.8
    precision, recall = precision_recall(narrow, real)
    assert precision > 0.95
    assert recall < 0.1
    assert precision_recall(far, real) == (0, 0)
    assert diversity(narrow) == pytest.approx(0.05 * diversity(real))
    assert diversity(torch.ones(5, 2)) == 0
    assert diversity(torch.tensor([[0.0], [1.0], [3.0]])) == pytest.approx(2)
    with pytest.raises(ValueError, match="more than 3 vectors"):
        precision_recall(real[:3], real)
