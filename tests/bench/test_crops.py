"""Crops show the place where methods differ most, everywhere the same."""

from __future__ import annotations

import numpy as np
import pytest

from imgtk.bench.crops import SIDE, compare


def images(width: int, height: int, scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An input, a result like it, and another that is brighter at the right bottom."""
    source = np.random.default_rng(0).integers(0, 200, (height, width, 3), np.uint8)
    plain = source.repeat(scale, 0).repeat(scale, 1)
    other = plain.copy()
    other[-40 * scale // 4 :, -40 * scale // 4 :] += 50
    return source, plain, other


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_place_is_found(scale: int) -> None:
    source, plain, other = images(90, 120, scale)
    found = compare("a", source, {"plain": plain, "other": other}, plain, scale)
    assert found.box[2:] == (1, 1)
    side = SIDE // scale * scale
    assert found.target.shape == (side, side, 3)
    assert found.source.shape == (side // scale, side // scale, 3)
    assert np.array_equal(found.source.repeat(scale, 0).repeat(scale, 1), found.outputs["plain"])
    assert np.array_equal(found.outputs["other"], other[-side:, -side:])
    assert found.difference > 0
    assert max(found.overview.shape) <= 256


def test_one_method_is_compared_with_the_truth() -> None:
    source, plain, other = images(90, 90, 4)
    assert compare("a", source, {"plain": plain}, other, 4).difference > 0
    assert compare("a", source, {"plain": plain}, plain, 4).difference == 0


@pytest.mark.parametrize("size", [(5, 5), (5, 90), (33, 32), (32, 32)])
def test_small_images(size: tuple[int, int]) -> None:
    source, plain, other = images(*size, 4)
    found = compare("a", source, {"plain": plain, "other": other}, plain, 4)
    assert found.target.shape == (4 * min(size[1], 32), 4 * min(size[0], 32), 3)
