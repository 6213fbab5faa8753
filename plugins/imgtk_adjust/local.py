"""Adjustments by the neighbourhood of a pixel: local contrast, haze."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.geometry import Extent, Geometry
from imgtk.nn.arrays import on_arrays
from imgtk.nn.colour import LUMA, luma
from imgtk.nn.guided import guided_filter, guided_reach
from imgtk_adjust.base import MeasuredAdjustment, WholeAdjustment

__all__ = ["Clahe", "Dehaze"]

# He, Sun and Tang, "Single image haze removal using dark channel prior" (2009).
HAZIEST = 0.001
"""Share of the pixels from which the colour of the haze is taken (section 4.4)."""
THINNEST = 0.1
"""Least share of light that is taken to come through (section 4.3)."""
GUIDE_EPSILON = 1e-3
GUIDE_FACTOR = 4
"""Radius of the guided filter, which replaces the paper's matting, in radii of the dark channel."""


@dataclass(eq=False)
class Clahe(WholeAdjustment):
    """Contrast limited adaptive histogram equalisation (Zuiderveld 1994) of luma, by OpenCV, in 16 bits.

    Args:
        clip: how much steeper than a histogram of equal tones the local one may make the tones.
        grid: fields across and down.
    """

    clip: float
    grid: int

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return on_arrays(self.equalised, x)

    def equalised(self, pixels: np.ndarray) -> np.ndarray:
        brightness = cv2.transform(pixels, np.array([LUMA], np.float32))
        codes = (brightness * 65535 + 0.5).clip(0, 65535).astype(np.uint16)
        flat = cv2.createCLAHE(self.clip, (self.grid, self.grid)).apply(codes)
        return pixels + (flat.astype(np.float32) / np.float32(65535) - brightness)[..., None]


@dataclass(eq=False)
class Dehaze(MeasuredAdjustment):
    """Remove haze, which the darkest channel around a pixel reveals: without haze it is nearly black.

    Args:
        strength: the share of the haze to remove.
        radius: of the neighbourhood, in pixels.
    """

    strength: float
    radius: int

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.STATISTICS, halo=self.radius + guided_reach(GUIDE_FACTOR * self.radius))

    def measure(self, x: Tensor) -> Tensor:
        """Return the colours (N, 3, 1, 1) of the haze: the mean of the haziest pixels."""
        hazes = []
        for image in x.float():
            dark = torch.from_numpy(self.dark(image.movedim(0, -1).cpu().contiguous().numpy())).flatten()
            haziest = dark.topk(max(1, round(HAZIEST * dark.numel()))).indices.to(x.device)
            hazes.append(image.flatten(1)[:, haziest].mean(1))
        return torch.stack(hazes)[..., None, None].clamp(min=THINNEST)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        haze = statistics.to(x)
        dark = on_arrays(self.dark, x / haze)[:, :1]
        guide = torch.cat([luma(x), dark], 1)
        through = on_arrays(self.refined, guide)[:, :1].mul(-self.strength).add_(1).clamp_(min=THINNEST)
        return ((x - haze) / through + haze).clamp_(0, 1)

    def dark(self, pixels: np.ndarray) -> np.ndarray:
        """Return the dark channel (H, W): the least value of any channel around each pixel."""
        side = 2 * self.radius + 1
        return np.asarray(cv2.erode(pixels.min(2), np.ones((side, side), np.uint8)))

    def refined(self, pair: np.ndarray) -> np.ndarray:
        """Return a dark channel with the edges of the image: (H, W) from (H, W, 2) of luma and dark channel."""
        guide, dark = (np.ascontiguousarray(pair[..., i]) for i in range(2))
        return guided_filter(guide, dark, GUIDE_FACTOR * self.radius, GUIDE_EPSILON)
