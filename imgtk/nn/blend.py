"""How the colours of one image act on those of another below it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["BLENDS", "composite"]

BLENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda below, above: above,
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: below + above - below * above,
    "overlay": lambda below, above: torch.where(below <= 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above)),
    "darken": torch.minimum,
    "lighten": torch.maximum,
    "difference": lambda below, above: (below - above).abs(),
}
"""Formulas of colours by name: B(below, above), the separable modes of the W3C's "Compositing and Blending Level 1",
section 9.1."""


def composite(below: Tensor, above: Tensor, mode: str, opacity: float = 1.0) -> Tensor:
    """Lay one image over another ("Compositing and Blending Level 1", sections 5.1 and 9).

    Args:
        below: (N, 3, H, W) if it is opaque, or (N, 4, H, W) with straight alpha.
        above: likewise, of the same size.
        mode: one of `BLENDS`.
        opacity: of what is above, 0..1, besides its alpha.

    Returns:
        an image with as many channels as `below`.
    """
    blend, top = BLENDS[mode], above[:, :3]
    share = above[:, 3:] * opacity if above.shape[1] == 4 else torch.full_like(above[:, :1], opacity)
    if below.shape[1] == 3:
        return torch.lerp(below, blend(below, top), share)
    colour, alpha = below[:, :3], below[:, 3:]
    total = share + alpha * (1 - share)
    mixed = torch.lerp(top, blend(colour, top), alpha) * share + colour * alpha * (1 - share)
    return torch.cat([torch.where(total > 0, mixed / total.clamp(min=1e-6), colour), total], 1)
