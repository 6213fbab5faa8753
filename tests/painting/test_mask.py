"""Masks: what of an image is painted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imgtk.errors import ParameterError, ReadError
from imgtk.geometry import Box, Size, Window
from imgtk.painting.mask import Mask


def written(path: Path, pixels: np.ndarray) -> Path:
    cv2.imwrite(str(path), pixels)
    return path


def window(box: Box, size: Size) -> Window:
    return Window(box, size, box, size)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_is_one_and_gray_in_between(tmp_path: Path, kind: type) -> None:
    top = np.iinfo(kind).max
    mask = Mask(written(tmp_path / "m.png", np.array([[0, top // 2, top]], kind)))
    share = mask.within(window(Box(0, 0, 3, 1), Size(3, 1)), torch.zeros(1, 3, 1, 3, dtype=torch.float64))
    assert share.dtype == torch.float64
    torch.testing.assert_close(share.flatten(), torch.tensor([0, 0.5, 1], dtype=torch.float64), atol=0.003, rtol=0)


def test_what_is_transparent_is_not_painted(tmp_path: Path) -> None:
    pixels = np.full((1, 3, 4), 255, np.uint8)
    pixels[0, :, 3] = 0, 128, 255
    share = Mask(written(tmp_path / "m.png", pixels)).share
    torch.testing.assert_close(share.flatten(), torch.tensor([0, 128 / 255, 1]))


def test_a_tile_is_the_crop_of_the_whole(tmp_path: Path) -> None:
    mask = Mask(written(tmp_path / "m.png", np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)))
    for size in (Size(30, 40), Size(13, 17)):
        whole = mask.within(window(Box.of(size), size), torch.zeros(1))
        assert whole.shape[2:] == (size.height, size.width)
        assert torch.equal(mask.within(window(Box(2, 3, 11, 16), size), torch.zeros(1)), whole[..., 3:16, 2:11])


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    mask = Mask(written(tmp_path / "m.png", np.zeros((40, 30), np.uint8)))
    mask.check(Size(30, 40))
    with pytest.raises(ParameterError, match=r"m\.png has 30x40 pixels, but the image has 40x30") as error:
        mask.check(Size(40, 30))
    assert "Resize the mask to 40x30" in str(error.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"the mask cannot be used: .*nowhere\.png"):
        Mask(tmp_path / "nowhere.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ReadError, match="the mask cannot be used"):
        Mask(tmp_path / "text.png")
