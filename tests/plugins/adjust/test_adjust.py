"""Adjustments: known colours, other libraries, and tiles against the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Box, Size, Window
from imgtk.nn.blend import BLENDS
from imgtk.op import ImageOp
from imgtk_adjust import LIGHT, MODES

SPECS = {spec.name: spec for spec in LIGHT}


def build(name: str, **params: Any) -> ImageOp:
    return SPECS[name].build(BuildContext(), **params)


def image(width: int = 23, height: int = 17, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def colour(*channels: float) -> torch.Tensor:
    return torch.tensor(channels).view(1, 3, 1, 1)


def test_every_mode_is_implemented() -> None:
    assert tuple(BLENDS) == MODES


@pytest.mark.parametrize("mode", MODES)
def test_blend_with_no_opacity_is_the_image(mode: str) -> None:
    x, y = image(), image(seed=1)
    torch.testing.assert_close(build("blend", alpha=0, mode=mode)(x, y), x)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", (0.2, 0.4, 1.0)),
        ("multiply", (0.1, 0.4, 0.0)),
        ("screen", (0.6, 1.0, 1.0)),
        ("overlay", (0.2, 1.0, 0.0)),
        ("darken", (0.2, 0.4, 0.0)),
        ("lighten", (0.5, 1.0, 1.0)),
        ("difference", (0.3, 0.6, 1.0)),
    ],
)
def test_blend_modes(mode: str, expected: tuple[float, float, float]) -> None:
    below, above = colour(0.5, 1.0, 0.0), colour(0.2, 0.4, 1.0)
    torch.testing.assert_close(build("blend", alpha=1, mode=mode)(below, above), colour(*expected))
    half = build("blend", mode=mode)(below, above)
    torch.testing.assert_close(half, (below + colour(*expected)) / 2)


def test_brightness_and_contrast() -> None:
    x = colour(0.0, 0.5, 1.0)
    torch.testing.assert_close(build("adjust:brightness-contrast", contrast=2)(x), colour(-0.5, 0.5, 1.5))
    torch.testing.assert_close(build("adjust:brightness-contrast", brightness=0.1)(x), colour(0.1, 0.6, 1.1))


def test_saturation_and_grayscale() -> None:
    x = image()
    gray = build("adjust:grayscale")(x)
    torch.testing.assert_close(build("adjust:saturation", amount=0)(x), gray)
    torch.testing.assert_close(build("adjust:saturation", amount=1)(x), x)
    torch.testing.assert_close(build("adjust:grayscale")(gray), gray)
    torch.testing.assert_close(build("adjust:saturation", amount=4)(gray), gray)
    torch.testing.assert_close(build("adjust:grayscale")(colour(1, 0, 0)), colour(*[0.2126] * 3))


def test_gamma_keeps_black_and_white_and_survives_overshoot() -> None:
    x = colour(0.0, 1.0, 0.25)
    torch.testing.assert_close(build("adjust:gamma", gamma=2)(x), colour(0, 1, 0.5))
    assert build("adjust:gamma", gamma=2)(colour(-0.1, -1e-9, 1.2)).isfinite().all()


@pytest.mark.parametrize("size", [(23, 17), (1, 1), (1, 40), (5, 2)])
@pytest.mark.parametrize("radius", [0.6, 3])
def test_blur_is_a_gaussian(size: tuple[int, int], radius: float) -> None:
    x = image(*size)
    expected = gaussian_filter(x.double().numpy(), (0, 0, radius, radius), mode="nearest", truncate=6)
    np.testing.assert_allclose(build("adjust:blur", radius=radius)(x).numpy(), expected, atol=1e-3)


def test_blur_and_sharpen_by_nothing() -> None:
    x = image()
    torch.testing.assert_close(build("adjust:blur", radius=0)(x), x)
    torch.testing.assert_close(build("adjust:sharpen", amount=0)(x), x)
    torch.testing.assert_close(build("adjust:sharpen", radius=0, amount=9)(x), x)


def test_sharpen_adds_what_blur_takes() -> None:
    x = image()
    detail = x - build("adjust:blur", radius=1)(x)
    torch.testing.assert_close(build("adjust:sharpen", amount=0.7)(x), x + 0.7 * detail)


@pytest.mark.parametrize("name", ["adjust:blur", "adjust:sharpen"])
def test_halo_covers_the_blur(name: str) -> None:
    op, x = build(name, radius=1.3), image(60, 8)
    halo, whole = op.geometry.halo, op(x)
    tile = op(x[..., 20 - halo : 30 + halo])[..., halo:-halo]
    torch.testing.assert_close(tile, whole[..., 20:30], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [Size(40, 30), Size(1, 1), Size(1, 9)])
def test_vignette_darkens_the_corners_by_its_strength(size: Size) -> None:
    x = torch.ones(1, 3, size.height, size.width)
    result = build("adjust:vignette", strength=0.6)(x)
    if size.pixels == 1:
        torch.testing.assert_close(result, x)
    else:
        assert result[0, 0, 0, 0] == result.min()
        torch.testing.assert_close(result, result.flip(2, 3))
    if size.pixels > 1000:
        assert result.min().item() == pytest.approx(0.4, abs=0.03)
        assert result.max().item() == pytest.approx(1, abs=0.01)


def test_vignette_tiles_are_the_whole() -> None:
    op, x, size = build("adjust:vignette"), image(41, 29), Size(41, 29)
    box, needed = Box(17, 9, 30, 29), Box(15, 5, 32, 29)
    tile = x[..., needed.top : needed.bottom, needed.left : needed.right]
    part = op.render(tile, window=Window(box, size, needed, size))
    torch.testing.assert_close(part, op(x)[..., box.top : box.bottom, box.left : box.right])


@pytest.mark.parametrize("name", SPECS)
def test_input_is_left_alone_and_gray_stays_gray(name: str) -> None:
    op = build(name)
    gray = image()[:, :1].repeat(1, 3, 1, 1)
    before = gray.clone()
    result = op(gray, gray.flip(3)) if SPECS[name].inputs == 2 else op(gray)
    assert torch.equal(gray, before)
    assert result.shape == gray.shape
    torch.testing.assert_close(result[:, :1].expand_as(result), result, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("blend", {"alpha": 1.1}),
        ("blend", {"mode": "dissolve"}),
        ("adjust:gamma", {"gamma": 0}),
        ("adjust:blur", {"radius": -1}),
        ("adjust:vignette", {"strength": 1}),
        ("adjust:grayscale", {"amount": 1}),
    ],
)
def test_wrong_parameters(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(params))):
        build(name, **params)
