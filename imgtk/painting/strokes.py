"""`PaintStrokes`: paintings whose strokes scale with the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.geometry import Box, Extent, Geometry, Size, Window, cut
from imgtk.nn.blur import blur_radius, gaussian_blur
from imgtk.nn.noise import Noise, noise_in
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.nn.resample import resample
from imgtk.op import MEASURED_PIXELS, Facts, in_torch
from imgtk.painting.blend import Blend
from imgtk.painting.op import Paint, paint, with_margin
from imgtk.painting.palette import PALETTES, Palette

__all__ = ["SMOOTH", "PaintStrokes", "Underpainting"]

TINY = MEASURED_PIXELS // 4
"""Pixels of an image below which strokes become finer with the image, as things in it do: it is painted enlarged."""
ENLARGED = 2
"""Maximum factor by which a tiny image is enlarged: beyond, there is no detail to paint."""
DETAILS = 0.75
"""The share of the image in what is painted over falls with the enlargement to this power: chosen by eye, among 0.3
to 1, for strokes that stay large and edges that stay sharp."""
SMOOTH = 8.0
"""Standard deviation in pixels of the blur that takes colours from details: they stay those of the large strokes."""


@dataclass
class Underpainting:
    """A reduced version of the image, painted: the large strokes.

    Attributes:
        photo, painting: (1, 3, h, w), of one size.
        measured: size of the image that both are of: a thumbnail, or the image itself.
        palette: what `Blend` measured on them.
        moments: for painting over it, once measured.
    """

    photo: Tensor
    painting: Tensor
    measured: Size
    palette: Palette | None
    moments: Sequence[Tensor] | None = None

    @cached_property
    def flat(self) -> bool:
        """Whether the image is flat: normalisation would turn rounding errors into a pattern."""
        return bool((self.painting.amax((2, 3)) - self.painting.amin((2, 3))).max() < 1 / 255)


class PaintStrokes(Paint):
    """Repaint by a network, from large strokes to fine ones.

    A network's strokes have a fixed size in pixels. Images of up to a megapixel are painted as they are. Of larger
    ones a version of a megapixel is painted, whose strokes are large; enlarged, and mixed with the image for its
    details, it is painted over at full size. The enlargement's colours are kept. So strokes keep their size relative to
    the image, and are as crisp as at any size.

    Args:
        model: name of shipped weights, or a file.
        package: importable name of the package that ships them.
        blend: how painting and image are put together.
        scale: size of the strokes, relative to that: 2 for twice as large.
        seed: chooses the noise from which strokes come: another one gives the same painting with other strokes. None
            for that of `context`.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    exact: NormalisingNetwork
    """`forward_fn` in float32."""

    def __init__(
        self,
        model: str,
        package: str,
        blend: Blend,
        scale: float = 1.0,
        seed: int | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(model, package, blend.strength, context=context)
        self.blend, self.scale, self.seed = blend, scale, context.seed if seed is None else seed

    @cached_property
    def facts(self) -> Facts:
        """Not batched if colours are mapped, or what is flat is found before it is painted over."""
        batched = self.scale <= 1 and self.blend.keep_colour not in PALETTES
        seed = self.seed if self.network.noisy else None
        return replace(super().facts, batched=batched, position_dependent=True, seed=seed)

    @cached_property
    def geometry(self) -> Geometry:
        multiple = self.network.multiple
        halo = -(-(self.network.radius + blur_radius(SMOOTH)) // multiple) * multiple
        return Geometry(halo=halo, multiple=multiple, extent=Extent.STATISTICS)

    def check(self, size: Size) -> None:
        self.blend.check(size)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.render(x, window=Window.whole(_size(x), _size(x)), statistics=self.measure(x))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        super().to(device, dtype)
        exact = self.forward_fn if dtype == torch.float32 else in_torch(self.network, device, torch.float32)
        self.exact = cast(NormalisingNetwork, exact)

    def measure(self, x: Tensor) -> Underpainting:  # type: ignore[override]
        size = _size(x)
        fitting = self._fitting(size)
        photo = x if fitting == size else _resampled(x.float(), fitting, None)
        network = self.forward_fn if fitting == size else self.exact  # what was resampled is too smooth for bf16
        painting = paint(network, photo, self.margin, self._noise(Box.of(fitting), photo))
        return Underpainting(photo, painting, size, self.blend.measure(painting, photo))

    def render(self, *inputs: Tensor, window: Window, statistics: Underpainting | None = None) -> Tensor:
        assert statistics is not None, "position-dependent STATISTICS operators are given what they measure"
        x, inner = inputs[0], window.inner
        image = self._covered(statistics.measured, window.input_size)
        factor = (image.pixels / _size(statistics.painting).pixels) ** 0.5
        if factor <= 1 or statistics.flat:
            painted = _part(statistics.painting, image, window.output)
        else:
            large = _part(statistics.painting, image, window.input).clamp(0, 1)
            over = self._painted_over(large, x, statistics, factor**-DETAILS, self._noise(window.input, x))
            painted = cut(over, inner)
        return self.blend(painted, cut(x, inner), statistics.palette, window)

    def _painted_over(
        self, large: Tensor, x: Tensor, under: Underpainting, share: float, noise: Noise | None
    ) -> Tensor:
        """Return the large strokes painted over with fine ones, where the image is `x` and the noise `noise`; `share`
        is that of the image in what the network sees."""
        if under.moments is None:
            mixed = torch.lerp(under.painting, under.photo.to(under.painting.dtype), share)
            small = self._noise(Box.of(_size(mixed)), x)
            under.moments = self.forward_fn.measure(with_margin(mixed.to(x.dtype), self.margin), small)
        mixed = torch.lerp(large, x.to(large.dtype), share).to(x.dtype)
        painted = self._inside(self.forward_fn.apply_moments(with_margin(mixed, self.margin), under.moments, noise), x)
        return (painted + gaussian_blur(large.to(painted.dtype) - painted, SMOOTH)).clamp(0, 1)

    def close(self) -> None:
        super().close()
        self.__dict__.pop("exact", None)

    def _noise(self, box: Box, x: Tensor) -> Noise | None:
        """Return the noise for region `box` with the margin, as `x` in kind, if the network takes any."""
        if not self.network.noisy:
            return None
        wide = Box(box.left - self.margin, box.top - self.margin, box.right + self.margin, box.bottom + self.margin)
        return noise_in(wide, self.seed).to(x.device, x.dtype)

    def _inside(self, painted: Tensor, x: Tensor) -> Tensor:
        """Return the output of the network for `x`, without the margin."""
        return cut(painted, Box.of(_size(x)).shifted(self.margin, self.margin))

    def _fitting(self, size: Size) -> Size:
        """Return the size at which an image of `size`, at most a megapixel, has strokes as wanted when it is
        painted."""
        natural = max(1.0, min(TINY / size.pixels, ENLARGED**2) ** 0.5)
        multiple = self.network.multiple
        return Size(*(max(1, round(side * natural / self.scale / multiple)) * multiple for side in size))

    def _covered(self, measured: Size, whole: Size) -> Size:
        """Return the size of what the underpainting shows, in pixels of the image of size `whole`: the image, or the
        image with what was mirrored at its end when all of it was measured."""
        multiple = self.network.multiple
        padded = Size(*(-(-side // multiple) * multiple for side in whole))
        return padded if measured == padded else whole


def _size(x: Tensor) -> Size:
    return Size(x.shape[3], x.shape[2])


def _part(painting: Tensor, size: Size, box: Box) -> Tensor:
    """Return region `box` of the painting enlarged (or shrunk) to `size`; its border goes on beyond it."""
    whole = _size(painting)
    if whole == size and box.right <= size.width and box.bottom <= size.height:
        return cut(painting, box)
    return _resampled(painting, size, Window(box, size, Box.of(whole), whole))


def _resampled(x: Tensor, size: Size, window: Window | None) -> Tensor:
    """Return `resample` that leaves flat images exactly flat: instance normalisation makes much of the least
    difference."""
    corner = x[:, :, :1, :1]
    return resample(x - corner, size, window=window) + corner
