"""`style:gram`: paint in the style of any picture, by optimising the pixels (Gatys et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.engine.device import resolve_dtype
from imgtk.errors import ParameterError
from imgtk.geometry import Extent, Geometry
from imgtk.image import Image
from imgtk.nn.features import load_features
from imgtk.nn.losses import total_variation
from imgtk.op import ImageOp
from imgtk.painting.objective import SHIFT, StyleObjective, half, shift_together
from imgtk_gramstyle.blend import finish

__all__ = ["GramStyle", "resized"]

SMALLEST = 32
"""Side in pixels to which smaller pictures are extended, so that every feature layer sees something."""
LEARNING_RATE = 0.02


class GramStyle(ImageOp):
    """Change the picture's pixels until their features have the Gram matrices of the style pictures.

    The first half of the steps paints at half the size, where strokes are found fast, the second half at the full one.
    Pictures larger than `size` are painted at that size and enlarged, so memory and time stay bounded.

    Args:
        image: the style pictures.
        strength, keep_colour: see `finish`.
        weights: how much of each style picture; None for equal parts.
        steps: of Adam.
        size: longest side in pixels at which is painted.
        style_size: longest side of the style pictures, relative to the painted one: larger gives larger strokes.
        style, content, tv: weights of normalised Gram distance, normalised content distance and total variation.
        seed: of the random shifts.
        backbone: see `load_features`.

    Attributes:
        on_step: called after every step with the number of steps done and of all.

    Raises:
        ParameterError: another number of weights than of style pictures, or weights that are all 0.
        ReadError, WeightsError: a style picture or the backbone cannot be read (when the operator first runs).
    """

    needs_float32 = True

    def __init__(
        self,
        image: Sequence[Path],
        strength: float,
        keep_colour: bool,
        weights: Sequence[float] | None,
        steps: int,
        size: int,
        style_size: float,
        style: float,
        content: float,
        tv: float,
        seed: int,
        backbone: str,
    ) -> None:
        self.image, self.weights = list(image), list(weights or [1.0] * len(image))
        self.strength, self.keep_colour = strength, keep_colour
        self.steps, self.size, self.style_size = steps, size, style_size
        self.style, self.content, self.tv = style, content, tv
        self.seed, self.backbone = seed, backbone
        if len(self.weights) != len(self.image) or not sum(self.weights):
            raise ParameterError(
                f"style:gram: {len(self.weights)} weights for {len(self.image)} style pictures",
                hint="Give one weight per picture, not all 0: image=a.jpg,b.jpg weights=2,1",
            )

    @property
    def geometry(self) -> Geometry:
        return Geometry(extent=Extent.WHOLE)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        with torch.inference_mode(False):
            self.features = load_features(self.backbone, pooling="average")
            self.features.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.pictures = [Image.open(path).tensor().to(device) for path in self.image]

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        height, width = x.shape[2:]
        with torch.inference_mode(False), torch.enable_grad():
            original = x.float().clone(memory_format=torch.contiguous_format)
            painted = self.paint(resized(original, min(self.size, max(height, width))))
            if painted.shape != original.shape:
                painted = F.interpolate(painted, size=(height, width), mode="bicubic").clamp(0, 1)
        return finish(painted.to(x.dtype), x, self.strength, self.keep_colour)

    def paint(self, content: Tensor) -> Tensor:
        """(1, 3, H, W) painted at its own size."""
        height, width = content.shape[2:]
        padding = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        content = F.pad(content, padding, mode="replicate")
        coarse = self.steps // 2 if min(content.shape[2:]) >= 2 * SMALLEST else 0
        canvas = content
        if coarse:
            small = half(content)
            painted = self._optimised(small, small, range(1, coarse + 1))
            canvas = F.interpolate(painted, size=content.shape[2:], mode="bicubic").clamp(0, 1)
        return self._optimised(canvas, content, range(coarse + 1, self.steps + 1))[..., :height, :width]

    def _optimised(self, start: Tensor, content: Tensor, steps: range) -> Tensor:
        """`start` after the given steps towards the style, and towards showing what `content` shows."""
        longest = round(max(content.shape[2:]) * self.style_size)
        objective = StyleObjective(self.features, [resized(p, longest) for p in self.pictures], self.weights)
        content = content.contiguous(memory_format=torch.channels_last)
        canvas = start.clone(memory_format=torch.channels_last).requires_grad_()
        optimiser = torch.optim.Adam([canvas], LEARNING_RATE)
        generator = torch.Generator().manual_seed(self.seed)
        fast = resolve_dtype("auto", content.device)
        for step in steps:
            with torch.autocast(content.device.type, fast, enabled=fast == torch.bfloat16):
                style, kept = objective(*shift_together([canvas, content], SHIFT, generator))
            loss = self.style * style + self.content * kept + self.tv * total_variation(canvas)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                canvas.clamp_(0, 1)
            if self.on_step:
                self.on_step(step, self.steps)
        return canvas.detach()

    def summary(self) -> Mapping[str, str]:
        return {"features": self.backbone, "steps": str(self.steps), "style": ", ".join(p.name for p in self.image)}

    def close(self) -> None:
        for held in ("features", "pictures"):
            self.__dict__.pop(held, None)


def resized(x: Tensor, longest: int) -> Tensor:
    """(1, 3, H, W) with its longest side at `longest` pixels, antialiased."""
    scale = longest / max(x.shape[2:])
    size = [max(1, round(side * scale)) for side in x.shape[2:]]
    return x if size == list(x.shape[2:]) else F.interpolate(x, size=size, mode="bilinear", antialias=True)
