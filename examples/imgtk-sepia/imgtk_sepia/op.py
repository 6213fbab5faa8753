"""What `tone:sepia` does."""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.op import Facts, ImageOp

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance, from ITU-R BT.601."""

PAPER = (1.0, 0.91, 0.74)
"""Colour of what was white. Black stays black."""


class Sepia(ImageOp):
    """Mixes the image with its luminance in the tone of old paper."""

    facts = Facts(may_add_colour=True)

    def __init__(self, strength: float) -> None:
        tone = torch.outer(torch.tensor(PAPER), torch.tensor(LUMINANCE))
        self.matrix = torch.lerp(torch.eye(3), tone, strength)[:, :, None, None]

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.matrix = self.matrix.to(device, dtype)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, self.matrix)
