"""Images continued beyond their border."""

import pytest
import torch

from imgtk.geometry import Box
from imgtk.steps import steps_reported
from imgtk_restore.fill import smooth
from imgtk_restore.margins import NARROW, continued


def stripes(height, width):
    """Return slanting stripes with a period of 8 pixels."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.5 + 0.4 * torch.sin((rows + columns) * (2 * torch.pi / 8))).expand(1, 3, height, width)


@pytest.mark.parametrize("width", [NARROW, 3 * NARROW])
def test_a_pattern_goes_on_where_a_smooth_filling_is_gray(width):
    """As sharp as it was."""
    x = stripes(96, 128 + width)
    known = Box(0, 0, 128, 96)
    holes = torch.ones_like(x[:, :1], dtype=torch.bool)
    holes[..., :128] = False
    result = continued(x * ~holes, known, 0)
    assert torch.equal(result[..., :128], x[..., :128])
    ours, plain = (image[..., 128:].std().item() for image in (result, smooth(x, holes)))
    truth = x[..., 128:].std().item()
    assert ours > 0.7 * truth > 2 * plain


def test_flat_images_stay_flat():
    for value in (0.0, 0.3, 1.0):
        x = torch.full((1, 3, 60, 80), value)
        result = continued(x, Box(20, 0, 60, 60), 0)
        torch.testing.assert_close(result, x, atol=1e-5, rtol=0)


def test_progress_is_told_and_only_rises():
    told = []
    with steps_reported(lambda done, total: told.append(done / total)):
        continued(torch.rand(1, 3, 90, 120), Box(40, 0, 120, 90), 0)
    assert told == sorted(told)
    assert told[-1] == 1
