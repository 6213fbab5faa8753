"""`denoise:` without networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from imgtk_filter.base import Filter

__all__ = ["Bilateral", "Median", "NonLocalMeans", "Wavelet"]

FULL = 65535
"""Codes of 16 bits, in which OpenCV compares patches."""
SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""The cubic B-spline, which makes the "à trous" wavelets (Starck and Murtagh, "Astronomical image and data analysis",
2006, appendix A)."""
DEVIATIONS = 1.5
"""Standard deviations of the noise by which a coefficient is shrunk: between what keeps texture and what leaves flat
areas smooth."""


@dataclass(eq=False)
class Median(Filter):
    """The median of each channel."""

    radius: int

    @property
    def reach(self) -> int:
        return self.radius

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.medianBlur(pixels, 2 * self.radius + 1))


@dataclass(eq=False)
class Bilateral(Filter):
    """A Gaussian that also goes by how alike colours are (Tomasi and Manduchi 1998).

    Args:
        strength: standard deviation of colours, summed over the channels of 0..1.
        radius: in pixels; one and a half standard deviations.
    """

    strength: float
    radius: int

    @property
    def reach(self) -> int:
        return self.radius

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.bilateralFilter(pixels, 2 * self.radius + 1, self.strength, self.radius / 1.5))


@dataclass(eq=False)
class NonLocalMeans(Filter):
    """The mean of the pixels around, weighted by how alike their surroundings are (Buades et al. 2005).

    Computed in 16 bits: values outside 0..1 are cut off.

    Args:
        strength: difference of patches at which the weight is 1/e.
        search: radius of the region in which patches are compared, in pixels.
        patch: radius of the patches, in pixels.
    """

    strength: float
    search: int
    patch: int

    @property
    def reach(self) -> int:
        return self.search + self.patch

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        codes = (pixels * FULL + 0.5).clip(0, FULL).astype(np.uint16)
        mean = cv2.fastNlMeansDenoising(
            codes,
            [self.strength * FULL],
            templateWindowSize=2 * self.patch + 1,
            searchWindowSize=2 * self.search + 1,
            normType=cv2.NORM_L1,
        )
        return np.asarray(mean).astype(np.float32) / np.float32(FULL)


@dataclass(eq=False)
class Wavelet(Filter):
    """Shrink the coefficients of an undecimated wavelet transform towards zero, by what noise makes of them.

    Args:
        strength: standard deviation of the noise.
        levels: of the transform; the coarsest sees details of about 2 ** levels pixels.
    """

    strength: float
    levels: int

    @property
    def reach(self) -> int:
        return 2 * (2**self.levels - 1)

    def filtered(self, pixels: np.ndarray) -> np.ndarray:
        result = np.zeros_like(pixels)
        for level, norm in enumerate(_norms(self.levels)):
            smooth = _smoothed(pixels, level)
            detail = pixels - smooth
            least = np.float32(DEVIATIONS * self.strength * norm)
            result += detail - np.clip(detail, -least, least)
            pixels = smooth
        return result + pixels


def _smoothed(pixels: np.ndarray, level: int) -> np.ndarray:
    """Return (H, W, C) or (H, W) by the spline with 2 ** level - 1 holes between its weights."""
    kernel = np.zeros(4 * 2**level + 1, np.float32)
    kernel[:: 2**level] = SPLINE
    smooth = cv2.sepFilter2D(pixels, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth).reshape(pixels.shape)


@lru_cache
def _norms(levels: int) -> tuple[float, ...]:
    """Return the standard deviation of each level's coefficients for noise of 1."""
    side = 8 * 2**levels + 1
    impulse = np.zeros((side, side), np.float32)
    impulse[side // 2, side // 2] = 1
    norms = []
    for level in range(levels):
        smooth = _smoothed(impulse, level)
        norms.append(float(np.linalg.norm(impulse - smooth)))
        impulse = smooth
    return tuple(norms)
