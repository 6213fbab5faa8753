"""Palettes: map the colours of an image to those of another by statistics, regardless of content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["PALETTES", "Covariance", "Histogram", "Palette"]

LEVELS = 256
"""Levels of a channel at which a histogram's mapping is tabulated; it is linear in between."""
FAINT = 1e-4
"""Variance that colours are taken to have in addition: it bounds how much the noise of flat images is amplified."""


class Palette(Protocol):
    """A mapping of colours, of (N, 3, H, W) within 0..1."""

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Covariance:
    """A linear mapping of colours: x * matrix + offset.

    Attributes:
        matrix: (3, 3), for rows.
        offset: (3,)
    """

    matrix: Tensor
    offset: Tensor

    @classmethod
    def between(cls, source: Tensor, target: Tensor) -> Covariance:
        """Return the mapping that gives the colours of `source` the mean and covariance of those of `target`, both (1,
        3, H, W), and moves them least: the optimal transport between normal distributions (Pitié and Kokaram, "The
        linear Monge-Kantorovitch linear colour mapping for example-based colour transfer", 2007, section 4)."""
        (mean, cov), (wanted_mean, wanted_cov) = _moments(source), _moments(target)
        root = _root(cov)
        inverse = torch.linalg.inv(root)
        matrix = inverse @ _root(root @ wanted_cov @ root) @ inverse
        return cls(matrix.float(), (wanted_mean - mean @ matrix).float())

    def __call__(self, x: Tensor) -> Tensor:
        y = torch.einsum("nchw,cd->ndhw", x.float(), self.matrix) + self.offset[:, None, None]
        return y.clamp(0, 1).to(x.dtype)


@dataclass(frozen=True)
class Histogram:
    """A mapping of each channel by itself.

    Attributes:
        table: (3, LEVELS): what evenly spaced levels 0..1 become.
    """

    table: Tensor

    @classmethod
    def between(cls, source: Tensor, target: Tensor) -> Histogram:
        """Return the mapping that gives each channel of `source` the distribution of that of `target`, both (1, 3, H,
        W)."""
        levels = torch.linspace(0, 1, LEVELS, device=source.device)
        rows = []
        for ours, theirs in zip(source[0].float().flatten(1), target[0].float().flatten(1), strict=True):
            ours, theirs = ours.sort().values, theirs.sort().values
            below, upto = (torch.searchsorted(ours, levels, right=right) for right in (False, True))
            rank = (below + upto) / (2 * len(ours)) * (len(theirs) - 1)
            low, high = theirs[rank.floor().long()], theirs[rank.ceil().long()]
            rows.append(torch.lerp(low, high, rank.frac()))
        return cls(torch.stack(rows).clamp(0, 1))

    def __call__(self, x: Tensor) -> Tensor:
        place = x.float().clamp(0, 1) * (LEVELS - 1)
        low = place.floor().long().clamp_max(LEVELS - 2)
        channels = []
        for channel, row in enumerate(self.table):
            index = low[:, channel]
            channels.append(torch.lerp(row[index], row[index + 1], place[:, channel] - index))
        return torch.stack(channels, 1).to(x.dtype)


PALETTES: dict[str, type[Covariance] | type[Histogram]] = {"covariance": Covariance, "histogram": Histogram}
"""The mappings of colours for `keep-colour`, by name."""


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (3,) and covariance (3, 3) of the colours of (1, 3, H, W), in float64."""
    colours = x[0].double().flatten(1).T
    mean = colours.mean(0)
    away = colours - mean
    return mean, away.T @ away / len(colours) + FAINT * torch.eye(3, dtype=mean.dtype, device=mean.device)


def _root(matrix: Tensor) -> Tensor:
    """Return square root of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
