"""`style:gram`: paint in the style of any image, by optimising the pixels (Gatys et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.device import resolve_dtype
from imgtk.errors import ReadError
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.image import Image
from imgtk.nn.border import at_least, continued
from imgtk.nn.colour import luma
from imgtk.nn.features import load_features
from imgtk.nn.losses import total_variation
from imgtk.nn.resample import resample, with_longest_side
from imgtk.op import Facts, ImageOp
from imgtk.painting import style_weights
from imgtk.painting.blend import Blend
from imgtk.painting.objective import FRAME, SHIFT, PaletteObjective, StyleObjective, shift_together
from imgtk.painting.palette import PALETTES
from imgtk.steps import report_step

__all__ = ["GramStyle", "schedule"]

SMALLEST = 32
"""Side in pixels to which smaller images are extended, so that every feature layer sees something."""
COARSEST = 144
"""Longest side in pixels below which painting does not begin."""
LEARNING_RATE = 0.02
DETAILS = 0.5
"""Share of its finest details that an image larger than its painting gets back: with all of them it looks embossed."""


class GramStyle(ImageOp):
    """Change the image's pixels until their features have the Gram matrices of the style images.

    It is painted from coarse to fine: first at a small size, where large strokes are found fast, then at twice that
    size from what was found, and so on (Gatys et al., "Controlling perceptual factors in neural style transfer", 2017,
    section 6). Images larger than `size` are painted at that size, enlarged, and given something of their own fine
    details back, so memory and time stay bounded.

    Args:
        image: the style images.
        strength, mask: see `Blend`.
        keep_colour: "luma" as in `Blend`; with "covariance" and "histogram" the style images are given the colours of
            the image beforehand (Gatys et al. 2016, as there).
        weights: how much of each style image; None for equal parts.
        steps: of Adam.
        size: longest side in pixels at which is painted.
        style_size: longest side of the style images, relative to the painted one: larger gives larger strokes. They
            are not enlarged.
        style, content, palette, tv: weights of normalised Gram distance, normalised content distance, distance from the
            style's colours (`PaletteObjective`), and total variation.
        seed: of the random shifts; None for that of `context`.
        backbone: see `load_features`.
        context: of the pipeline that builds the operator.

    Raises:
        ParameterError: another number of weights than of style images, or weights that are all 0.
        ReadError: the mask or a style image cannot be read.
        WeightsError: the backbone cannot be read (when the operator first runs).
    """

    facts = Facts(needs_float32=True, may_add_colour=True)

    def __init__(
        self,
        image: Sequence[Path],
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        weights: Sequence[float] | None,
        steps: int,
        size: int,
        style_size: float,
        style: float,
        content: float,
        palette: float,
        tv: float,
        seed: int | None,
        backbone: str,
        *,
        context: BuildContext,
    ) -> None:
        self.image, self.weights = list(image), style_weights("style:gram", image, weights)
        self.recoloured = PALETTES.get(keep_colour or "")
        self.blend = Blend(strength, None if self.recoloured else keep_colour, mask)
        self.steps, self.size, self.style_size = steps, size, style_size
        self.style, self.content, self.palette, self.tv = style, content, palette, tv
        self.seed, self.backbone = context.seed if seed is None else seed, backbone
        for path in self.image:
            if not path.is_file():
                raise ReadError(f"there is no style image {path}", hint="Check the path.")

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.WHOLE)

    def check(self, size: Size) -> None:
        self.blend.check(size)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        with torch.inference_mode(False):
            self.features = load_features(self.backbone, pooling="average")
            self.features.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.images = [Image.open(path).tensor().to(device) for path in self.image]

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        size = Size(x.shape[3], x.shape[2])
        with torch.inference_mode(False), torch.enable_grad():
            original = x.float().clone(memory_format=torch.contiguous_format)
            small = with_longest_side(original, min(self.size, max(size)))
            painted = self.paint(small)
            if painted.shape != original.shape:
                details = luma(original) - luma(resample(small, size))
                painted = (resample(painted, size) + DETAILS * details).clamp(0, 1)
        window = Window(Box.of(size), size, Box.of(size), size)
        return self.blend(painted.to(x.dtype), x, None, window)

    def paint(self, content: Tensor) -> Tensor:
        """Return (1, 3, H, W) painted at its own size."""
        height, width = content.shape[2:]
        content = at_least(content, SMALLEST)
        images = self.images
        if self.recoloured:
            images = [self.recoloured.between(image, content)(image) for image in images]
        canvas, done = content, 0
        for longest, steps in schedule(Size(content.shape[3], content.shape[2]), self.steps):
            small = with_longest_side(content, longest)
            start = small if not done else resample(canvas, Size(small.shape[3], small.shape[2])).clamp(0, 1)
            canvas = self._optimised(start, small, images, range(done + 1, done + steps + 1))
            done += steps
        return canvas[..., :height, :width]

    def _optimised(self, start: Tensor, content: Tensor, images: Sequence[Tensor], steps: range) -> Tensor:
        """Return `start` after the given steps towards the style of `images`, and towards showing what
        `content` shows. Both are mirrored at their borders meanwhile: feature networks see a frame there."""
        longest = round(max(content.shape[2:]) * self.style_size)
        styles = [at_least(with_longest_side(x, min(longest, max(x.shape[2:]))), SMALLEST) for x in images]
        layers = self.features.style_layers[:-1]  # the deepest one paints whole things: flecks of foam on faces
        objective = StyleObjective(self.features, styles, self.weights, layers=layers)
        palette = PaletteObjective(styles, self.weights)
        around = (FRAME, FRAME, FRAME, FRAME)
        content, canvas = continued(content, *around), continued(start, *around).requires_grad_()
        optimiser = torch.optim.Adam([canvas], LEARNING_RATE)
        generator = torch.Generator().manual_seed(self.seed)
        fast = resolve_dtype("auto", content.device)
        for step in steps:
            with torch.autocast(content.device.type, fast, enabled=fast == torch.bfloat16):
                style, kept = objective(*shift_together([canvas, content], SHIFT, generator))
            loss = self.style * style + self.content * kept + self.tv * total_variation(canvas)
            loss = loss + self.palette * palette(canvas)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                canvas.clamp_(0, 1)
            report_step(step, self.steps)
        return canvas.detach()[..., FRAME:-FRAME, FRAME:-FRAME]

    def summary(self) -> Mapping[str, str]:
        return {"features": self.backbone, "steps": str(self.steps), "style": ", ".join(p.name for p in self.image)}

    def close(self) -> None:
        for held in ("features", "images"):
            self.__dict__.pop(held, None)


def schedule(size: Size, steps: int) -> list[tuple[int, int]]:
    """Return the longest sides at which an image of `size` is painted, from coarse to fine, each with its number of
    steps.

    Each is twice the one before, and has half its steps: a step there costs four times as much.
    """
    sides = [max(size)]
    while sides[-1] >= 2 * COARSEST and min(size) * sides[-1] // max(size) >= 2 * SMALLEST:
        sides.append(sides[-1] // 2)
    sides = sides[:steps]
    counts = [max(1, round(steps * 2**level / (2 ** len(sides) - 1))) for level in range(len(sides))]
    counts[-1] += steps - sum(counts)
    return list(zip(sides, counts, strict=True))[::-1]
