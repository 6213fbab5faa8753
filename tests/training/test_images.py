"""Images to validate on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.training.images import held_out_tensor, load_held_out


@pytest.mark.parametrize("channels", [3, 6])
def test_sides_are_cut_to_multiples(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, channels), np.uint8)
    x = held_out_tensor(pixels, 4, Path("a.png"))
    assert x.shape == (1, channels, 8, 12)
    assert torch.equal((x[0] * 255).round().permute(1, 2, 0), torch.tensor(pixels[:8, :12]).float())
    assert held_out_tensor(pixels, 1, Path("a.png")).shape == (1, channels, 9, 13)


@pytest.mark.parametrize("size", [(1, 1), (3, 100), (100, 3)])
def test_what_is_too_small_is_named(size: tuple[int, int]) -> None:
    with pytest.raises(TrainingError, match=r"photos/a\.png is too small to validate on") as error:
        held_out_tensor(np.zeros((*size, 3), np.uint8), 4, Path("photos/a.png"))
    assert error.value.hint == "Both sides must have at least 4 pixels."


def test_held_out_files_are_shrunk_and_cut(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), np.zeros((31, 100, 3), np.uint8))
    assert [x.shape for x in load_held_out([file, file], 0, 31)] == [(1, 3, 31, 93)] * 2
    assert load_held_out([file], 50, 2)[0].shape == (1, 3, 16, 50)
    with pytest.raises(TrainingError, match=r"photo\.png is too small to validate on"):
        load_held_out([file], 50, 32)
