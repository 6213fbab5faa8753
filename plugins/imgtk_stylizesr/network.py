"""The network that paints and enlarges in one pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.noise import COARSE_STEP, Noise
from imgtk.nn.normalise import Normalise, Source, moments
from imgtk.painting.network import StyleNetwork
from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["StyleUpscaler"]

MOMENTUM = 0.02
"""Share of each batch in the moments by which `StyleUpscaler` normalises."""


class StyleUpscaler(UpscalingNetwork):
    """A style network that sees a small photo enlarged, and so paints it four times as large.

    It normalises by moments that follow those of the training images and are fixed in the end, in place of each image's
    own: an output pixel depends only on its neighbourhood, so tiles need no statistics of the image.

    Args:
        width, blocks: see `StyleNetwork`.
    """

    scale = COARSE_STEP
    multiple = StyleNetwork.multiple // scale
    noisy = True
    batches: Tensor
    """How many were trained on."""

    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.style = StyleNetwork(width, blocks)
        norms = [module for module in self.style.modules() if isinstance(module, Normalise)]
        for index, norm in enumerate(norms):  # in order of their use
            assert norm.weight is not None
            unmoved = torch.stack([torch.zeros_like(norm.weight), torch.ones_like(norm.weight)]).detach()
            self.register_buffer(f"moments{index}", unmoved)
        self.register_buffer("batches", torch.tensor(0))

    @property
    def halo(self) -> int:
        """Receptive radius in input pixels: that of the style network, and the next pixel, between which and its own it
        interpolates; a multiple of `multiple`."""
        return self.style.radius // self.scale + self.multiple

    @property
    def description(self) -> str:
        return f"StyleUpscaler, {self.style.blocks} blocks, {self.style.width} channels, noise"

    def forward(self, x: Tensor, white: Tensor | None = None, coarse: Tensor | None = None) -> Tensor:
        """Return the painting of (N, 3, H, W), given its noise; without any, that of an image at the origin."""
        if white is None or coarse is None:
            white, coarse = self.further_inputs(x).values()
        enlarged = F.interpolate(x, scale_factor=float(self.scale), mode="bilinear")
        source = Source(self._fixed_moments(), Noise(white, coarse))
        painting: Tensor = self.style(enlarged, source)
        return painting

    def _fixed_moments(self) -> Callable[[Tensor], Tensor]:
        """Return what gives one normalisation after the other its moments, which in training move a little towards
        those of its input."""
        known = (self.get_buffer(f"moments{index}") for index in count())
        if not self.training:
            return lambda x: next(known)[None].to(torch.promote_types(x.dtype, torch.float32))
        share = (1 / (1 + self.batches)).clamp_min(MOMENTUM)
        self.batches += 1

        def follow(x: Tensor) -> Tensor:
            fixed = next(known)
            fixed.lerp_(_of_batch(x.detach()), share)
            return fixed[None].clone()

        return follow


def _of_batch(x: Tensor) -> Tensor:
    """Return the mean and variance of each channel of all images together, (2, C), in float32."""
    means, variances = moments(x).unbind(1)
    mean = means.mean(0)
    return torch.stack([mean, (variances + (means - mean).square()).mean(0)])
