"""Adjustments of colour: white balance, hue, and tones of one or two colours."""

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
from imgtk.op import Facts
from imgtk_adjust.base import LUMINANCE, Adjustment

__all__ = ["Duotone", "Hue", "Sepia", "WhiteBalance"]

LARGEST_GAIN = 8.0
"""Largest factor for a channel: one that needs more has hardly any light."""
BRIGHTEST = 0.99
"""Share of a channel's values below what counts as its white; the rest may be sparks."""
DAYLIGHT = 6500.0
"""Temperature of the light of sRGB's white, in kelvin, near enough (CCT of D65: 6504 K)."""
CODED = 1 / 2.2
"""Exponent that makes of a factor of light about the factor of coded values (the mean gamma of sRGB)."""

# The weights of the W3C's "Filter Effects Module Level 1", `sepia`.
SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
# XYZ to linear sRGB (IEC 61966-2-1).
RGB_OF_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


@dataclass(eq=False)
class WhiteBalance(Adjustment):
    """Multiply the channels so that white is white. Luma of gray stays about as it is.

    Args:
        method: "gray-world" (the mean becomes gray), "white-patch" (the brightest becomes gray) or "none"; None is
            "gray-world" unless `temperature` or `tint` is given.
        temperature: of the light in which the photo was taken, in kelvin; 6500 changes nothing.
        tint: from -1 (towards green) to 1 (towards magenta).
    """

    method: str | None
    temperature: float | None
    tint: float | None

    @property
    def given(self) -> bool:
        return self.temperature is not None or self.tint is not None

    @property
    def measured(self) -> bool:
        return (self.method or ("none" if self.given else "gray-world")) != "none"

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, needs_float32=True, may_add_colour=self.given)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.STATISTICS if self.measured else Extent.LOCAL)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.apply(x, self.measure(x)) if self.measured else x * self.light.to(x)

    def measure(self, x: Tensor) -> Tensor:
        """Return the gains of the channels, (N, 3, 1, 1)."""
        if self.method == "white-patch":
            whites = [np.quantile(image, BRIGHTEST, axis=1) for image in x.float().cpu().flatten(2).numpy()]
            white = torch.from_numpy(np.array(whites, np.float32)).to(x)[..., None, None]
        else:
            white = x.mean((2, 3), keepdim=True)
        white = white.clamp(min=1e-3)
        gains = luma(white) / white
        return gains.clamp(1 / LARGEST_GAIN, LARGEST_GAIN)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        return x * (statistics * self.light.to(x))

    @cached_property
    def light(self) -> Tensor:
        """Gains (1, 3, 1, 1) for the light's temperature and tint."""
        gains = np.ones(3)
        if self.temperature is not None:
            gains = _light(DAYLIGHT) / _light(self.temperature)
        gains = gains * np.array([1, 2 ** -(self.tint or 0.0), 1])
        gains = (gains / (LUMINANCE @ gains)) ** CODED
        return torch.from_numpy(gains.astype(np.float32)).view(1, 3, 1, 1)


def _light(temperature: float) -> np.ndarray:
    """Return linear sRGB (3,) of a black body at `temperature`, 1667..25000 K, of luminance 1.

    The chromaticities are those of Kim et al., "Design of advanced color temperature control system for HDTV
    applications" (2002).
    """
    t = 1000 / temperature
    if temperature < 4000:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if temperature < 2222:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif temperature < 4000:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    rgb = RGB_OF_XYZ @ np.array([x / y, 1, (1 - x - y) / y])
    return np.asarray(np.maximum(rgb, 0.02))  # below 1900 K, sRGB has no such light: its blue would be negative


@dataclass(eq=False)
class Hue(Adjustment):
    """Turn the hue of HSV by an angle; 120 degrees make green of red."""

    degrees: float

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return on_arrays(self.turned, x)

    def turned(self, pixels: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(np.maximum(pixels, 0), cv2.COLOR_RGB2HSV)
        hue = hsv[..., 0]
        hue += np.float32(self.degrees % 360)
        np.subtract(hue, np.float32(360), out=hue, where=hue >= 360)
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


class Sepia(Adjustment):
    """The brown of old photographs, as CSS has it.

    Args:
        strength: 0 changes nothing, 1 leaves one tone.
    """

    facts = Facts(batched=True, needs_float32=True, may_add_colour=True)

    def __init__(self, strength: float) -> None:
        self.matrix = (1 - strength) * np.eye(3) + strength * np.array(SEPIA)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return on_arrays(lambda pixels: cv2.transform(pixels, self.matrix), x)


@dataclass(eq=False)
class Duotone(Adjustment):
    """Luma as tones between two colours.

    Args:
        dark, light: the colours of black and of white, (r, g, b), 0..1.
    """

    facts = Facts(batched=True, needs_float32=True, may_add_colour=True)

    dark: tuple[float, float, float]
    light: tuple[float, float, float]

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        dark, light = np.array(self.dark), np.array(self.light)
        matrix = np.column_stack([np.outer(light - dark, LUMA), dark])
        return on_arrays(lambda pixels: cv2.transform(pixels, matrix), x)
