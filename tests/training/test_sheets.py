"""Sheets of images of different sizes."""

from __future__ import annotations

import pytest
import torch

from imgtk.training.sheets import beside, middle, stacked


@pytest.mark.parametrize(
    ("size", "side", "rows", "columns"),
    [
        ((9, 7), 3, slice(3, 6), slice(2, 5)),
        ((9, 7), 8, slice(0, 8), slice(0, 7)),
        ((1, 1), 5, slice(0, 1), slice(0, 1)),
        ((4, 9), 4, slice(0, 4), slice(2, 6)),
    ],
)
def test_the_middle(size: tuple[int, int], side: int, rows: slice, columns: slice) -> None:
    image = torch.rand(1, 3, *size)
    assert torch.equal(middle(image, side), image[..., rows, columns])
    assert torch.equal(middle(image[0], side), image[0][..., rows, columns])


def test_nothing_is_cut_off_and_the_rest_is_black() -> None:
    small, large = torch.rand(3, 2, 3), torch.rand(3, 5, 4)
    row, column = beside([small, large]), stacked([small, large])
    assert row.shape == (3, 5, 7)
    assert column.shape == (3, 7, 4)
    assert torch.equal(row[:, :2, :3], small)
    assert torch.equal(row[:, :, 3:], large)
    assert row[:, 2:, :3].max() == 0
    assert torch.equal(column[:, :2, :3], small)
    assert torch.equal(column[:, 2:], large)
    assert column[:, :2, 3:].max() == 0
