"""Colours of a network, given to gray images of any size and precision."""

import pytest
import torch

from imgtk.nn.lab import to_lab
from imgtk_restore.colouring import SIDE, colour_lines, gray_of, on_lines, painted


@pytest.mark.parametrize("vividness", [0, 10, 60, 500])
def test_every_gray_of_16_bits_keeps_its_lightness(vividness):
    """Whatever the colours: those that sRGB does not have become paler."""
    gray = torch.arange(65536.0).view(1, 1, 256, 256) / 65535
    ab = vividness * torch.randn(1, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    result = painted(gray, ab)
    assert -1e-5 < result.min() <= result.max() < 1 + 1e-5
    written = (result * 65535).round() / 65535
    assert torch.equal((gray_of(written) * 65535).round(), gray * 65535)


def test_colours_become_gray_of_their_lightness():
    x = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    gray = gray_of(x).expand(-1, 3, -1, -1)
    lightness = to_lab(x.movedim(1, -1))[..., 0]
    torch.testing.assert_close(to_lab(gray.movedim(1, -1))[..., 0], lightness, atol=1e-3, rtol=1e-4)


def test_colours_that_srgb_has_are_met():
    x = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    ab = to_lab(x.movedim(1, -1))[..., 1:].movedim(-1, 1)
    torch.testing.assert_close(painted(gray_of(x), ab), x, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3, 2), (300, 470)])
def test_colours_follow_the_edges_of_the_image(size):
    """This network finds the left half red and the right half green, in an image that has an edge in the middle."""
    seen = []

    def network(x):
        seen.append(tuple(x.shape[1:]))
        ab = torch.zeros(1, 2, x.shape[2] // 8, x.shape[3] // 8)
        middle = ab.shape[3] // 2
        ab[:, 0, :, :middle], ab[:, 0, :, middle:] = 50, -50
        return ab

    gray = torch.full((1, 1, *size), 0.3)
    gray[..., size[1] // 2 :] = 0.8
    lines = colour_lines(network, gray)
    assert max(lines.shape[2:]) == SIDE
    assert seen[0][0] == 3
    assert not any(side % 16 for side in seen[0][1:])
    if size[1] > 100:
        ab = on_lines(torch.nn.functional.interpolate(lines, size=size, mode="bilinear"), gray)
        half = size[1] // 2
        assert ab[0, 0, :, : half - 2].min() > 30
        assert ab[0, 0, :, half + 2 :].max() < -30
