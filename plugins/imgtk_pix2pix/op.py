"""`translate:photo2sketch`, `translate:sketch2photo` and `translate:pix2pix`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Geometry, Size
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.noise import Noise
from imgtk.op import Facts, ImageOp
from imgtk.painting.blend import Blend
from imgtk.painting.op import Paint, with_margin
from imgtk.painting.strokes import SMOOTH, PaintStrokes, Underpainting
from imgtk_pix2pix.network import TransposedUNet
from imgtk_pix2pix.sketch import Pencil

__all__ = ["PhotoToSketch", "SketchToPhoto", "Translate"]

PACKAGE = "imgtk_pix2pix"

GLANCE = 400_000
"""Pixels of the version of a sketch from which colours are chosen: those of the images that were learned from, about,
so that a network's field of view holds as much of the scene."""


class PhotoToSketch(ImageOp):
    """Draw with a pencil; the arguments are those of `Pencil`. No network."""

    facts = Facts(needs_float32=True)

    def __init__(self, radius: float, pressure: float, lines: float, shade: float, colour: float) -> None:
        self.pencil = Pencil(radius, pressure, lines, shade, colour)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=self.pencil.halo)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.pencil.draw(x)


class Translate(Paint):
    """Translate by any network that was trained on pairs, at the image's own size.

    Args:
        model: name of shipped weights, or a file.
        strength: from 0 (the image itself) to 1.
        context: see `Paint`.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, strength: float, *, context: BuildContext) -> None:
        super().__init__(model, PACKAGE, strength, context=context)

    @cached_property
    def margin(self) -> int:
        """None for the published network: it was trained on whole images, whose borders are its own."""
        return 0 if isinstance(self.network, TransposedUNet) else super().margin


class SketchToPhoto(PaintStrokes):
    """Make a photo of a drawing. What colour things have is chosen on a small version of it; a pass at full size adds
    the details.

    Args:
        model: name of shipped weights, or a file.
        strength, mask: see `Blend`.
        scale: of the drawing's strokes, relative to those of drawings of 0.4 megapixels: 2 for a thick pencil.
        context: see `Paint`.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
        ReadError: the mask cannot be read.
    """

    def __init__(self, model: str, strength: float, mask: Path | None, scale: float, *, context: BuildContext) -> None:
        super().__init__(model, PACKAGE, Blend(strength, mask=mask), scale, context=context)

    def _fitting(self, size: Size) -> Size:
        share = min(1.0, (GLANCE / size.pixels) ** 0.5) / self.scale
        multiple = self.network.multiple
        return Size(*(max(1, round(side * share / multiple)) * multiple for side in size))

    def _painted_over(
        self, large: Tensor, x: Tensor, under: Underpainting, share: float, noise: Noise | None
    ) -> Tensor:
        if under.moments is None:
            under.moments = self.exact.measure(with_margin(under.photo.float(), self.margin))
        painted = self._inside(self.forward_fn.apply_moments(with_margin(x, self.margin), under.moments, noise), x)
        large = large.to(painted.dtype)
        detailed = painted + gaussian_blur(large - painted, SMOOTH)
        return torch.lerp(large, detailed, share**0.5).clamp(0, 1)
