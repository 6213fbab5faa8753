"""Filling from small to large, and the network that improves it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from imgtk.registry import default
from imgtk_restore.detect import inpainting
from imgtk_restore.fill import NEAR, enlarged_into, fill, halved, improver, smooth
from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.holes import random_holes


def hole(height, width, top, left, bottom, right):
    holes = torch.zeros(1, 1, height, width, dtype=torch.bool)
    holes[..., top:bottom, left:right] = True
    return holes


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_smooth_filling_ends_and_invents_no_values(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 3, height, width, generator=generator)
    holes = torch.rand(1, 1, height, width, generator=generator) < 0.7
    holes[0, 0, seed % height, seed % width] = False
    result = smooth(x, holes)
    known = x.masked_select(~holes)
    assert torch.equal(result.masked_select(~holes), known)
    assert known.min() - 1e-5 <= result.min() <= result.max() <= known.max() + 1e-5


def test_what_is_missing_counts_for_nothing():
    x = torch.rand(1, 3, 32, 32)
    holes = hole(32, 32, 4, 4, 20, 20)
    other = torch.where(holes, 1e3, x)
    torch.testing.assert_close(smooth(x, holes), smooth(other, holes))


def test_half_the_size_is_the_mean_of_what_is_known():
    x = torch.tensor([[1.0, 3.0, 5.0], [7.0, 9.0, 2.0]]).expand(1, 3, 2, 3)
    holes = torch.tensor([[False, True, True], [False, True, True]])[None, None]
    mean, left = halved(x, holes)
    assert mean.shape == (1, 3, 1, 2)
    assert mean[0, 0, 0, 0] == 4
    assert left.flatten().tolist() == [False, True]


def test_deep_holes_are_filled_from_small_to_large():
    """Each size is told whether the filling is a network's, and shallow ones are filled at once."""
    called = []

    def improve(filled, holes, refined, level):
        called.append((filled.shape[2], refined, level))
        return filled

    x = torch.rand(1, 3, 300, 300)
    fill(x, hole(300, 300, 60, 60, 240, 240), improve)
    assert called == [(75, False, 2), (150, True, 1), (300, True, 0)]
    called.clear()
    fill(x, hole(300, 300, 60, 0, 60 + 2 * NEAR, 300), improve)
    assert called == [(300, False, 0)]
    assert torch.equal(fill(x, torch.zeros(1, 1, 300, 300, dtype=torch.bool), improve), x)


def test_what_is_known_stays():
    x = torch.rand(1, 3, 64, 64)
    holes = hole(64, 64, 10, 10, 60, 30)
    result = fill(x, holes, lambda filled, *_: torch.zeros_like(filled))
    assert torch.equal(result, torch.where(holes, 0.0, x))
    assert torch.equal(enlarged_into(x, holes, torch.ones(1, 3, 32, 32)), torch.where(holes, 1.0, x))


def test_flat_surroundings_give_a_flat_filling():
    torch.manual_seed(0)
    network = InpaintNet((4, 6), (1, 1))
    for value in (0.0, 0.7, 1.0):
        x = torch.full((1, 3, 120, 130), value)
        result = fill(x, hole(120, 130, 20, 20, 100, 90), improver(network, network.multiple, network.halo))
        torch.testing.assert_close(result, x, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("widths", "blocks"), [((4, 6), (1, 2)), ((4, 5, 6), (1, 1, 6))])
def test_the_network_is_told_from_its_tensors(widths, blocks):
    network = InpaintNet(widths, blocks)
    found, state = inpainting(network.state_dict())
    found.load_state_dict(state, assign=True)
    x = torch.rand(2, 6, 16, 24)
    assert torch.equal(found(x), network(x))
    assert inpainting({"head.weight": torch.zeros(1)}) is None


def test_noise_makes_places_differ(tmp_path):
    torch.manual_seed(0)
    network = InpaintNet((4, 6), (1, 1))
    x = torch.full((1, 6, 16, 16), 0.5)
    assert not torch.equal(network(x), network(torch.cat((x[:, :5], x[:, 5:] + 1), 1)))
    save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    op = default().build("inpaint:network", model=str(tmp_path / "tiny.safetensors"))
    assert op.summary()["network"].startswith("InpaintNet, 3 gated blocks")


def test_random_holes_have_the_size_that_is_wanted():
    holes = random_holes(12, 96, 160, torch.Generator().manual_seed(0))
    assert holes.shape == (12, 1, 96, 160)
    shares = holes.float().mean((1, 2, 3))
    assert 0.08 < shares.min() < 0.25 < shares.max() < 0.5
    assert torch.equal(holes, random_holes(12, 96, 160, torch.Generator().manual_seed(0)))
    assert not torch.equal(holes, random_holes(12, 96, 160, torch.Generator().manual_seed(1)))
