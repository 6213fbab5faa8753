"""Differentiable augmentation, with which discriminators do not learn few images by heart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from imgtk.training.processes import on_whole_batch

__all__ = ["augmented"]

COLOURS = 0.2
"""How much colours change, relative to the paper's; what is changed much, generators do not learn well."""
SHIFT = 0.125
"""Largest shift, in parts of the side."""
HOLE = 0.4
"""Side of the gray square, in parts of the side."""


def augmented(images: Tensor) -> Tensor:
    """Change colours, shift, and cover a part of images (N, 3, H, W), 0..1, each in another way.

    Apply it to what a discriminator sees, real or not: gradients pass through it ("Differentiable augmentation for
    data-efficient GAN training", Zhao et al. 2020).
    """
    drawn = on_whole_batch(images, lambda whole: torch.rand(len(whole), 7)).to(images.device)
    brightness, saturation, contrast = drawn[:, :3, None, None, None].unbind(1)
    images = images + COLOURS * (brightness - 0.5)
    gray = images.mean(1, keepdim=True)
    images = gray + (images - gray) * (1 + 2 * COLOURS * (saturation - 0.5))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (1 + COLOURS * (contrast - 0.5))
    height, width = images.shape[2:]
    down, across = round(height * SHIFT), round(width * SHIFT)
    room = pad(images, (across, across, down, down), mode="reflect")
    tops, lefts = (drawn[:, 3] * (2 * down + 1)).long().tolist(), (drawn[:, 4] * (2 * across + 1)).long().tolist()
    moved = torch.stack(
        [image[:, top : top + height, left : left + width] for image, top, left in zip(room, tops, lefts, strict=True)]
    )
    rows, columns = (
        (torch.arange(side, device=images.device) - (centre * side)[:, None]).abs() < side * HOLE / 2
        for side, centre in ((height, drawn[:, 5]), (width, drawn[:, 6]))
    )
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return moved.masked_fill(hole, 0.5)
