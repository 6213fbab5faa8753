"""Optimal transport between two sets of colours, and the lookup table that applies it to every pixel."""

from __future__ import annotations

from itertools import product
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.painting.palette import Covariance

__all__ = ["apply", "samples", "table"]

SAMPLES = 1 << 13
"""Colours that stand for all of an image."""
ROUNDS = 12
DIRECTIONS = 12
"""Random directions per round. After 12 rounds of 12 colours hardly move."""
SIDE = 33
"""Nodes of the table along each of R, G and B, as is usual for 3-D tables of colour."""
STEEPEST = 3.0
"""Largest factor by which the linear map stretches a direction: beyond, what shows are noise and JPEG blocks."""
WIDTH = 0.06
"""Standard deviation, in RGB, of the Gaussian that smooths the table: less brings out the grain of skies."""
TRUST = 1e-4
"""Share of all samples that must be around a node for what they undergo to count half, beside the linear map."""


def samples(image: Tensor) -> Tensor:
    """Return at most `SAMPLES` pixels (N, 3) of (1, 3, H, W): random ones, but always the same for images of one
    size."""
    colours = image[0].flatten(1).T
    chosen = torch.randperm(len(colours), generator=torch.Generator().manual_seed(0))[:SAMPLES]
    return colours[chosen.to(colours.device)]


def table(source: Tensor, target: Tensor) -> Tensor:
    """Return the change that each RGB colour undergoes when the colours `source` become distributed like `target`.

    Both are samples (N, 3) and (M, 3), RGB, 0..1. The linear Monge-Kantorovitch map leads, sliced transport does the
    rest, of which the table has a smooth version, so that similar colours stay similar. The changed colours are within
    0..1.

    Returns:
        (1, 3, SIDE, SIDE, SIDE): changes of R, G, B, by blue, green and red; for `apply`.
    """
    mean, matrix, new_mean = linear_map(source, target)
    linear = (source - mean) @ matrix + new_mean
    rest = smoothed(source, sliced_transport(linear, target) - linear)
    colours = nodes(source)
    changed = (colours - mean) @ matrix + new_mean + rest
    return (changed.clamp(0, 1) - colours).T.reshape(1, 3, SIDE, SIDE, SIDE)


def apply(x: Tensor, table: Tensor) -> Tensor:
    """Return (N, 3, H, W) after the changes of the table, linear between its nodes."""
    places = (2 * x - 1).permute(0, 2, 3, 1)[:, None]
    table = table.expand(len(x), -1, -1, -1, -1)
    return x + F.grid_sample(table, places, padding_mode="border", align_corners=True)[:, :, 0]


def nodes(like: Tensor) -> Tensor:
    """Return the colours (SIDE**3, 3) of the table's nodes, red running fastest."""
    steps = torch.linspace(0, 1, SIDE, dtype=like.dtype, device=like.device)
    blue, green, red = torch.meshgrid(steps, steps, steps, indexing="ij")
    return torch.stack([red, green, blue], -1).reshape(-1, 3)


def linear_map(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the linear part of the way from the colours `source` (N, 3) to `target` (M, 3), which stretches
    moderately.

    Returns:
        Mean of the source (3,), symmetric matrix (3, 3), mean of the target (3,): x goes to (x - mean) @ matrix + mean.
    """
    matrix = Covariance.between(source.T[None, :, None], target.T[None, :, None]).matrix
    values, vectors = torch.linalg.eigh(matrix)
    return source.mean(0), (vectors * values.clamp(max=STEEPEST)) @ vectors.T, target.mean(0)


def sliced_transport(source: Tensor, target: Tensor) -> Tensor:
    """Return `source` (N, 3) moved so that its distribution is that of `target` (M, 3).

    Along a line, transport is sorting. Each round does it along several random directions, and moves the colours by the
    steps that fit them all best (sliced Wasserstein: Rabin et al., "Wasserstein barycenter and its application to
    texture mixing", 2011, section 3). One basis at a time (Pitié et al. 2005) also arrives, but by detours: it made
    bright mist of dark sky.
    """
    generator = torch.Generator().manual_seed(0)
    moved = source
    for _ in range(ROUNDS):
        directions = F.normalize(torch.randn(3, DIRECTIONS, generator=generator, dtype=torch.float64), dim=0)
        directions = directions.to(source)
        along = moved @ directions
        wanted = resized_ranks((target @ directions).sort(0).values, len(source))
        sorted_to = torch.empty_like(along).scatter_(0, along.argsort(dim=0, stable=True), wanted)
        moved = moved + (sorted_to - along) @ torch.linalg.pinv(directions)
    return moved


def resized_ranks(ordered: Tensor, count: int) -> Tensor:
    """Return `count` evenly spaced quantiles of each column of (M, K) sorted values; (count, K)."""
    if len(ordered) == count:
        return ordered
    ranks = (torch.arange(count, dtype=ordered.dtype, device=ordered.device) + 0.5) / count
    place = (ranks * len(ordered) - 0.5).clamp(0, len(ordered) - 1)
    below = place.long()
    above = (below + 1).clamp(max=len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], (place - below)[:, None])


def smoothed(colours: Tensor, changes: Tensor) -> Tensor:
    """Return Gaussian averages (SIDE**3, 3) at the nodes of the changes (N, 3) of the colours (N, 3); 0 far
    from all."""
    place = colours * (SIDE - 1)
    low = place.long().clamp(max=SIDE - 2)
    part = place - low
    strides = torch.tensor([1, SIDE, SIDE**2], device=colours.device)
    values = torch.cat([changes, torch.ones_like(changes[:, :1])], 1)
    sums = colours.new_zeros(SIDE**3, 4)
    for corner in product((0, 1), repeat=3):  # each sample counts at the eight nodes around it
        high = torch.tensor(corner, device=colours.device)
        weight = torch.where(high == 1, part, 1 - part).prod(1, keepdim=True)
        sums.index_add_(0, ((low + high) * strides).sum(1), values * weight)
    sums = blurred(sums.T.reshape(1, 4, SIDE, SIDE, SIDE)).reshape(4, -1).T
    return sums[:, :3] / (sums[:, 3:] + TRUST * len(colours))


def blurred(grid: Tensor) -> Tensor:
    """Return the Gaussian blur of (1, C, SIDE, SIDE, SIDE), of peak 1, so that counts of samples stay counts."""
    sigma = WIDTH * (SIDE - 1)
    reach = ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=grid.dtype, device=grid.device)
    line = torch.exp(steps**2 / (-2 * sigma**2)).repeat(grid.shape[1])
    for axis in range(3):
        shape, padding = [1, 1, 1], [0, 0, 0]
        shape[axis], padding[axis] = 2 * reach + 1, reach
        grid = F.conv3d(grid, line.reshape(-1, 1, *shape), padding=padding, groups=grid.shape[1])
    return grid
