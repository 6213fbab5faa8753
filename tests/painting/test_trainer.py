"""Photos without details in trainings: the last of a batch is blurred, and what is painted over it is looked at."""

import pytest
import torch

from imgtk.painting.trainer import last_smoothed, repetition_of_last


@pytest.mark.parametrize("count", [1, 3])
def test_only_the_last_photo_loses_its_details(count: int) -> None:
    photos = torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    changed = last_smoothed(photos, 10.0)
    assert changed.shape == photos.shape
    assert torch.equal(changed[:-1], photos[:-1])
    assert changed[-1].std() < photos[-1].std() / 5
    assert last_smoothed(photos, 0) is photos


def test_the_loss_is_weighted_and_of_the_last_image() -> None:
    stripes = torch.zeros(1, 3, 192, 192)
    stripes[..., ::8, :] = 1
    plain = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(1))
    losses = [
        repetition_of_last(torch.cat(images), 2.0)["repetition"] for images in ((plain, stripes), (stripes, plain))
    ]
    assert losses[0] > 2 * losses[1]
    assert torch.allclose(losses[0], 2 * repetition_of_last(stripes, 1.0)["repetition"])
    assert repetition_of_last(stripes, 0) == {}
