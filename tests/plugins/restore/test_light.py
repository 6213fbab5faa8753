"""The curve that brightens."""

import pytest
import torch

from imgtk_restore.light import brightened, darkened

GAINS = torch.tensor([1.0, 1.5, 8.0, 32.0])


def test_one_is_the_inverse_of_the_other():
    x = torch.rand(4, 3, 9, 7)
    torch.testing.assert_close(brightened(darkened(x, GAINS), GAINS), x, atol=1e-5, rtol=0)


def test_black_white_and_hues_stay():
    ends = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(4, 3, 1, 2)
    for curve in (brightened, darkened):
        torch.testing.assert_close(curve(ends, GAINS), ends, atol=1e-5, rtol=0)
    gray = torch.linspace(0, 1, 11).view(1, 1, 1, 11).expand(4, 3, 1, 11)
    found = brightened(gray, GAINS)
    torch.testing.assert_close(found, found[:, :1].expand(-1, 3, -1, -1))
    assert (found.diff(dim=3) > 0).all()
    assert (found >= gray - 1e-6).all()


def test_the_darkest_pixels_are_multiplied_by_the_gain():
    faint = torch.full((4, 3, 1, 1), 1e-4)
    torch.testing.assert_close(brightened(faint, GAINS).flatten(1)[:, 0], 1e-4 * GAINS, rtol=0.01, atol=0)


def test_nothing_is_done_without_a_gain():
    x = torch.rand(2, 3, 5, 5)
    torch.testing.assert_close(brightened(x, torch.ones(2)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("curve", [brightened, darkened])
def test_values_outside_are_cut_off(curve):
    x = torch.tensor([-0.5, 0.0, 1.0, 1.5]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    found = curve(x, torch.tensor([4.0]))[0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 1.0, 1.0]), atol=1e-5, rtol=0)
