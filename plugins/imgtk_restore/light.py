"""Brighten dark images without burning what is bright, and the exact inverse."""

from __future__ import annotations

from torch import Tensor

from imgtk.nn.colour import from_srgb, to_srgb

__all__ = ["brightened", "darkened"]


def brightened(x: Tensor, gain: Tensor) -> Tensor:
    """Multiply the light of dark pixels, and that of brighter ones less, so that white stays white.

    The curve is that of Reinhard et al. 2002, "Photographic tone reproduction for digital images", equation 4, whose
    white is the brightest pixel that there can be. It is applied to the largest of R, G and B, and the others follow:
    hues stay as they are.

    Args:
        x: (N, 3, H, W), sRGB, 0..1.
        gain: (N,), at least 1: what the darkest pixels are multiplied by.

    Returns:
        As `x`.
    """
    light, g = from_srgb(x.clamp(0, 1)), gain.to(x).view(-1, 1, 1, 1)
    top = light.amax(1, keepdim=True)
    return to_srgb(light * g * (1 + top / g) / (1 + g * top))


def darkened(x: Tensor, gain: Tensor) -> Tensor:
    """Return what `brightened` makes `x` of. Arguments are the same."""
    light, g = from_srgb(x.clamp(0, 1)), gain.to(x).view(-1, 1, 1, 1)
    top = light.amax(1, keepdim=True)
    # with t the top of the result: top = g t (1 + t / g) / (1 + g t), so t^2 + g (1 - top) t - top = 0
    half = g * (1 - top) / 2
    dark = top / (half + (half.square() + top).sqrt()).clamp_min(1e-9)
    return to_srgb(light * dark / top.clamp_min(1e-9))
