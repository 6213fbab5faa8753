"""Continue an image beyond its border, from small to large: Telea's filling where the margins are narrow, and at each
larger size detail from patches of the image.

The method is that of Wexler, Shechtman and Irani 2007, "Space-time completion of video": patches look for others that
are like them, pixels become means of what was found, and so on. Here patches first compare at half the resolution,
which the filling already has: otherwise what is smooth would only find what is smooth.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from imgtk.geometry import Box, cut
from imgtk.steps import report_step
from imgtk_restore.fill import doubled, halved, smooth
from imgtk_restore.inpaint import METHODS, filled_by_opencv
from imgtk_restore.patches import REACH, PatchSearch

__all__ = ["NARROW", "continued"]

NARROW = 16
"""Width in pixels up to which margins are filled at once; wider ones are first filled at half the size."""
FILLING_RADIUS = 5.0
"""Pixels around a pixel that count for the first filling."""
ROUNDS, ROUNDS_AT_FULL_SIZE = 3, 2
"""How often patches are sought and pixels made of them, at each size."""
RADIUS = 2
"""Pixels around finds from a smaller size within which to look."""
SHARPNESS = 4
"""Power of weights in the last mean, in which the patch that fits best should count, and others not blur it."""


def continued(x: Tensor, known: Box, seed: int) -> Tensor:
    """Return an image whose margins continue what is known. They are smooth where less than a patch is known.

    Args:
        x: (1, 3, H, W), 0..1.
        known: region that stays as it is.
        seed: of the search for patches.
    """
    generator = Generator().manual_seed(seed)
    size, moves = x.shape[2:], None
    levels = _levels(x, known)
    while levels:
        x, holes, known = levels.pop()
        if moves is None:
            if min(known.size) <= 2 * REACH:
                return smooth(x, holes)
            filled = filled_by_opencv(x, holes[0, 0], METHODS["telea"], FILLING_RADIUS).clamp(0, 1)
            soft = doubled(halved(filled, torch.zeros_like(holes))[0], x)
            search = PatchSearch(known, None, x, generator)
            radius = search.near
        else:
            soft = doubled(filled, x)
            search = PatchSearch(known, 2 * doubled(moves, x, "nearest"), x, generator)
            radius = RADIUS
        rounds = ROUNDS if levels else ROUNDS_AT_FULL_SIZE
        filled = soft
        for done in range(1, rounds + 1):
            search.search(filled, radius)
            sharpness = 1 if levels or done < rounds else SHARPNESS
            filled = torch.where(holes, search.mean(x, sharpness), x)
            report_step(x.shape[2:].numel() * done // rounds, size.numel())
        moves = search.moves
    return filled


def _levels(x: Tensor, known: Box) -> list[tuple[Tensor, Tensor, Box]]:
    """Return an image, its margins and what is known at all sizes, the largest first."""
    holes = torch.ones_like(x[:, :1], dtype=torch.bool)
    cut(holes, known).fill_(False)
    levels = [(x, holes, known)]
    while True:
        x, holes, known = levels[-1]
        half = Box(known.left // 2, known.top // 2, -(-known.right // 2), -(-known.bottom // 2))
        widest = max(known.left, known.top, x.shape[3] - known.right, x.shape[2] - known.bottom)
        if widest <= NARROW or min(half.size) <= 2 * REACH:
            return levels
        levels.append((*halved(x, holes), half))
