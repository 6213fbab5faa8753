"""Interpolation as an operator: OpenCV for what it computes exactly on the CPU, `imgtk.nn.resample` for the rest."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import cv2
import torch
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.nn.resample import resample, support
from imgtk.op import Facts, ImageOp

_OPENCV = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}


class Interpolate(ImageOp):
    """Resample by `scale`, or to `width` and `height`. Shrinking is antialiased; overshoot is not clamped.

    Args:
        kernel: one of `imgtk.nn.resample.KERNELS`.
        scale: factor for both sides; or give one or both of
        width, height: new sides in pixels; a missing one follows the proportions.
        fit: with both sides given, "inside" keeps the proportions (the largest size that fits), "shrink" does so and
            never enlarges, "stretch" distorts.
        a: slope of the bicubic kernel.

    Raises:
        ParameterError: for both a scale and a side, or neither.
    """

    # interpolation is cheap, and bfloat16 would keep 8 bits of each pixel
    facts = Facts(batched=True, needs_float32=True, position_dependent=True)

    def __init__(
        self,
        kernel: str,
        scale: Fraction | None = None,
        width: int | None = None,
        height: int | None = None,
        fit: str = "inside",
        a: float = -0.5,
    ) -> None:
        if (scale is None) == (width is None and height is None):
            raise ParameterError(
                f"resize:{kernel} needs either a scale or a width and/or height",
                hint=f"Write for example `resize:{kernel} x0.5` or `resize:{kernel} width=800`.",
            )
        self.kernel, self.scale, self.width, self.height, self.fit, self.a = kernel, scale, width, height, fit, a

    @cached_property
    def geometry(self) -> Geometry:
        if self.scale is None:  # how much of the input a region needs depends on the input's size
            return Geometry(extent=Extent.WHOLE)
        return Geometry(scale=self.scale, halo=support(self.kernel, self.scale))

    def output_size(self, *sizes: Size) -> Size:
        (size,) = sizes
        if self.scale is not None:
            return size.scaled(self.scale)
        if self.width and self.height and self.fit == "stretch":
            return Size(self.width, self.height)
        wanted = zip((self.width, self.height), size, strict=True)
        factor = min(Fraction(side, old) for side, old in wanted if side)
        return size.scaled(min(factor, Fraction(1)) if self.fit == "shrink" else factor)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        (x,) = inputs
        old, new = window.input_size, window.output_size
        scales = (Fraction(new.width, old.width), Fraction(new.height, old.height))
        edges = tuple(edge * scale for edge, scale in zip(window.input, scales * 2, strict=True))
        if x.device.type == "cpu" and x.dtype == torch.float32 and len(x) == 1 and self._opencv_is_exact(scales, edges):
            return self._opencv(x, Box(*(int(edge) for edge in edges)), window.output)
        return resample(x, new, kernel=self.kernel, a=self.a, window=window)

    def _opencv_is_exact(self, scales: tuple[Fraction, Fraction], edges: tuple[Fraction, ...]) -> bool:
        """Return whether `cv2.resize` of a tile gives the pixels of the whole image. The edges of the tile must fall on
        edges of output pixels, and OpenCV must not have to antialias, which it cannot."""
        if any(edge.denominator != 1 for edge in edges):
            return False
        grows = all(scale >= 1 for scale in scales)
        if self.kernel == "nearest":  # else its 16-bit fixed-point steps drift
            return all(scale.denominator == 1 for scale in scales)
        if self.kernel == "lanczos":  # else its phases, rounded to float32, are wrong by up to 1e-4
            return all(scale.denominator == 1 and scale.numerator.bit_count() == 1 for scale in scales)
        if self.kernel == "area":  # where it enlarges by a fraction, it takes a neighbour where edges of pixels meet
            return all(scale <= 1 for scale in scales) or all(scale.denominator == 1 for scale in scales)
        return grows and (self.kernel == "bilinear" or self.a == -0.75)

    def _opencv(self, x: Tensor, covered: Box, wanted: Box) -> Tensor:
        """Resample a tile with OpenCV. `covered` is what the tile becomes, in pixels of the whole output; `wanted` is
        cut out of it."""
        pixels = x[0].permute(1, 2, 0).numpy()  # a view: no copy of a channels_last tensor
        resized = cv2.resize(pixels, covered.size, interpolation=_OPENCV[self.kernel])
        box = wanted.shifted(-covered.left, -covered.top)
        return torch.from_numpy(resized).permute(2, 0, 1)[None, :, box.top : box.bottom, box.left : box.right]
