"""What `print:halftone` does."""

from math import pi
from typing import Any

import torch
from torch import Tensor

from imgtk.geometry import Window, cut
from imgtk.op import Facts, ImageOp


class Halftone(ImageOp):
    """Dots on a grid, larger where the image is darker."""

    facts = Facts(batched=True, needs_float32=True, position_dependent=True, gray=True)

    def __init__(self, cell: float) -> None:
        self.step = 2 * pi / cell

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        light, box = cut(inputs[0], window.inner).mean(1, keepdim=True), window.output
        across = (torch.arange(box.left, box.right, device=light.device) * self.step).cos()
        down = (torch.arange(box.top, box.bottom, device=light.device) * self.step).cos()
        screen = 0.5 + (across + down[:, None]) / 4
        return (8 * (light - screen) + 0.5).clamp(0, 1).expand(-1, 3, -1, -1)
