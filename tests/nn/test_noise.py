"""Noise is a function of seed and absolute position."""

import pytest
import torch

from imgtk.geometry import Box
from imgtk.nn.noise import COARSE_CHANNELS, COARSE_STEP, PERIOD, draw_coarse, draw_white, noise_in


@pytest.mark.parametrize("box", [Box(0, 0, 40, 24), Box(-32, -8, 44, 12), Box(1000, 2044, 1100, 2060)])
def test_a_part_is_that_part_of_the_whole(box):
    whole_box = Box(-64, -64, 1200, 2100)
    whole, part = noise_in(whole_box), noise_in(box)
    for ours, theirs, step in ((part.white, whole.white, 1), (part.coarse, whole.coarse, COARSE_STEP)):
        rows = slice((box.top + 64) // step, (box.bottom + 64) // step)
        columns = slice((box.left + 64) // step, (box.right + 64) // step)
        assert torch.equal(ours, theirs[..., rows, columns])


def test_seeds_give_other_noise_and_the_same_seed_the_same():
    box = Box(0, 0, 1024, 1024)
    first, again, other = noise_in(box, 1), noise_in(box, 1), noise_in(box, 2)
    assert torch.equal(first.white, again.white)
    assert torch.equal(first.coarse, again.coarse)
    for a, b in zip(first, other, strict=True):
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.1


def test_it_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    noise_in(Box(0, 0, 8, 8), 12345)
    assert torch.equal(torch.get_rng_state(), state)


def test_it_is_noise():
    side = COARSE_STEP * PERIOD
    noise = noise_in(Box(0, 0, side, side))
    assert abs(noise.white.mean()) < 0.01
    assert abs(noise.white.std() - 1) < 0.01
    assert noise.coarse.shape == (1, COARSE_CHANNELS, PERIOD, PERIOD)
    assert noise.coarse.std((0, 2, 3)).sub(0.9).abs().max() < 0.2
    flat = noise.coarse.flatten(2)[0]
    assert (torch.corrcoef(flat) - torch.eye(COARSE_CHANNELS)).abs().max() < 0.25
    grains = noise.coarse.diff(dim=3).abs().mean((0, 2, 3))  # the larger the grains, the smoother
    assert grains[0] > 8 * grains[-1]


def test_the_period_has_no_seam():
    """Neighbours across the end of the period differ no more than others."""
    coarse = noise_in(Box(0, 0, COARSE_STEP * (PERIOD + 8), 64)).coarse
    steps = coarse.diff(dim=3).abs().mean((0, 1, 2))
    assert steps[PERIOD - 4 : PERIOD + 4].max() < 3 * steps.mean()


@pytest.mark.parametrize("period", [(96, None), (None, 40), (44, 8), (8192, 4)])
def test_noise_repeats_after_a_given_period(period):
    whole = noise_in(Box(-100, -100, 300, 300), 1, period)
    for x, step in ((whole.white, 1), (whole.coarse, COARSE_STEP)):
        for axis, length in ((3, period[0]), (2, period[1])):
            if length and length < 300:
                count = x.shape[axis] - length // step
                assert torch.equal(x.narrow(axis, 0, count), x.narrow(axis, length // step, count))
    assert torch.equal(noise_in(Box(-40, 4, 8, 52), 1, period).coarse, whole.coarse[..., 26:38, 15:27])


def test_noise_with_a_period_is_noise_without_a_seam():
    noise = noise_in(Box(0, 0, 512, 512), 1, (512, 512))
    assert abs(noise.white[..., :32].std() - 1) < 0.05
    rows = (noise.coarse - noise.coarse.roll(1, 2)).abs().mean((0, 1, 3))
    assert rows[0] < 1.5 * rows[1:].mean()


def test_layers_of_one_scale_have_independent_noise():
    noise = noise_in(Box(0, 0, 256, 256))
    layers = torch.stack([noise.white_at(4, layer).flatten() for layer in range(16)])
    assert (torch.corrcoef(layers) - torch.eye(16)).abs().max() < 0.1
    assert torch.equal(noise.white_at(1, 5), noise.white)


@pytest.mark.parametrize("size", [(32, 48), (8, 8), (100, 36)])
def test_noise_for_training_has_the_shapes_of_noise_in_use(size):
    height, width = size
    drawn, placed = (draw_white(3, height, width), draw_coarse(3, height, width)), noise_in(Box(0, 0, width, height))
    for ours, theirs in zip(drawn, placed, strict=True):
        assert ours.shape == (3, *theirs.shape[1:])
        assert not torch.equal(ours[0], ours[1])


def test_noise_for_training_is_periodic():
    """At the border it changes no more than between any two rows."""
    torch.manual_seed(0)
    coarse = draw_coarse(2, 128, 256)
    rows = (coarse - coarse.roll(1, 2)).abs().mean((0, 1, 3))
    assert coarse.shape == (2, COARSE_CHANNELS, 32, 64)
    assert rows[0] < 1.5 * rows[1:].mean()
