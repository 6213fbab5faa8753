"""Images continued beyond their borders."""

import pytest
import torch

from imgtk.nn.border import at_least, continued, to_multiple


def test_they_are_mirrored_on_each_side_by_itself():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    y = continued(x, 2, 1, 0, 2)
    assert y.shape == (1, 1, 6, 6)
    assert torch.equal(y[..., 1:4, 2:], x)
    assert torch.equal(y[..., 0, 2:], x[..., 1, :])
    assert torch.equal(y[..., 1:4, 0], x[..., 2])


def test_too_small_to_be_mirrored():
    assert torch.equal(continued(torch.full((2, 3, 1, 2), 0.5), 4, 4, 4, 4), torch.full((2, 3, 9, 10), 0.5))
    assert continued(torch.rand(1, 3, 1, 1), 0, 0, 0, 0).shape == (1, 3, 1, 1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 3), (64, 64), (70, 20)])
def test_small_images_are_extended_to_a_side(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    y = at_least(x, 64)
    assert y.shape == (2, 3, max(height, 64), max(width, 64))
    assert torch.equal(y[..., :height, :width], x)
    assert torch.equal(y[..., -1, -1], x[..., -1, -1])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 3), (64, 64), (70, 20)])
def test_sides_are_extended_to_multiples(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    y = to_multiple(x, 16)
    assert y.shape == (2, 3, height + -height % 16, width + -width % 16)
    assert torch.equal(y[..., :height, :width], x)
    assert torch.equal(y[..., -1, -1], x[..., -1, -1])
