"""Sheets of images that show the state of a run to the eye: the samples of trainers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["beside", "middle", "stacked"]


def middle(image: Tensor, side: int) -> Tensor:
    """Cut the middle out of an image (..., H, W): `side` pixels wide and high, or less where the image is smaller."""
    height, width = (min(length, side) for length in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


def beside(images: Sequence[Tensor]) -> Tensor:
    """Put images (C, H, W) beside each other, with black below those that are not the highest."""
    height = max(image.shape[1] for image in images)
    return torch.cat([pad(image, (0, 0, 0, height - image.shape[1])) for image in images], 2)


def stacked(rows: Sequence[Tensor]) -> Tensor:
    """Put images (C, H, W) below each other, with black beside those that are not the widest."""
    width = max(row.shape[2] for row in rows)
    return torch.cat([pad(row, (0, width - row.shape[2])) for row in rows], 1)
