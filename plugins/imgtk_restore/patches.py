"""Find patches of an image that are like others, and make pixels of them."""

from __future__ import annotations

from itertools import product

import torch
from torch import Generator, Tensor

from imgtk.geometry import Box

__all__ = ["REACH", "PatchSearch"]

REACH = 3
"""Pixels from the centre of a patch to its edge."""
STRIDES = (8, 4, 2, 1)
"""Distances in pixels of the neighbours whose finds are tried."""
NEAR = 1 / 4
"""Distance, relative to the longer side of an image, within which finds lie at first."""
FARNESS, FARTHEST = 0.5, 2.0
"""What it costs a patch to be as far away as `NEAR` says, as a sum of squared differences. This grows with the square
of the distance, up to so many times as far."""
CHUNK = 1 << 14
"""Patches that are compared at a time, which bounds memory."""


class PatchSearch:
    """Finds, for each patch of an image that is not all known, a known one that is like it.

    This is the search of Barnes et al. 2009, "PatchMatch", for all patches at once: they try what their neighbours
    found, and what lies at random around their own find.

    Args:
        known: region of the image, with sides of more than twice `REACH`.
        moves: (1, 2, H, W), where to look first: pixels down and right of the centres of patches; None for anywhere.
        like: has the size and the device of the image, (1, C, H, W).
        generator: of the CPU, from which all random numbers come.
    """

    def __init__(self, known: Box, moves: Tensor | None, like: Tensor, generator: Generator) -> None:
        self.height, self.width = like.shape[2:]
        self.generator, self.device = generator, like.device
        self.first = torch.tensor((known.top, known.left), device=self.device) + REACH
        self.last = torch.tensor((known.bottom, known.right), device=self.device) - REACH - 1
        self.near = NEAR * max(self.height, self.width)
        inner = (torch.arange(REACH, side - REACH, device=self.device) for side in (self.height, self.width))
        centres = torch.cartesian_prod(*inner)
        self.centres = centres[((centres < self.first) | (centres > self.last)).any(1)]
        window = torch.tensor(list(product(range(-REACH, REACH + 1), repeat=2)), device=self.device)
        self.offsets = self._flat(window)
        start = self._random(self.near) if moves is None else _at(self.centres, moves).long()
        self.finds = self._nearest_known(self.centres + start)

    @property
    def moves(self) -> Tensor:
        """Where the finds lie, as the argument."""
        field = torch.zeros(1, 2, self.height, self.width, device=self.device)
        rows, columns = self.centres.T
        field[0, :, rows, columns] = (self.finds - self.centres).T.float()
        return field

    def search(self, image: Tensor, radius: float) -> None:
        """Look for better finds.

        Args:
            image: (1, C, H, W), in which to compare.
            radius: pixels around finds within which to look.
        """
        pixels = _listed(image)
        self.costs = self._costs(pixels, self.centres, self.finds)
        for stride in STRIDES:
            for step in ((0, stride), (0, -stride), (stride, 0), (-stride, 0)):
                theirs = (self.centres + torch.tensor(step, device=self.device)).clamp_min(0)
                theirs = theirs.minimum(torch.tensor((self.height - 1, self.width - 1), device=self.device))
                self._try(pixels, self.centres + _at(theirs, self.moves).long())
        while radius >= 1:
            self._try(pixels, self.finds + self._random(radius))
            radius /= 2

    def mean(self, image: Tensor, sharpness: float) -> Tensor:
        """Return an image that the finds make: at each pixel, the weighted mean of what the patches around it found.

        Args:
            image: (1, C, H, W), from which to take pixels.
            sharpness: power of the weights, which fall as costs rise.

        Returns:
            (1, C, H, W), which is of use outside the known region only.
        """
        pixels = _listed(image)
        weights = (-0.5 * sharpness * self.costs / self.costs.median().clamp_min(1e-6)).exp().clamp_min(1e-12)[:, None]
        total = torch.zeros(len(pixels), pixels.shape[1] + 1, device=self.device)
        centres, finds = self._flat(self.centres), self._flat(self.finds)
        for offset in self.offsets:
            found = pixels[finds + offset]
            total[centres + offset] += torch.cat((found, torch.ones_like(found[:, :1])), 1) * weights
        mean = total[:, :-1] / total[:, -1:].clamp_min(1e-12)
        return mean.T.reshape(image.shape)

    def _try(self, pixels: Tensor, finds: Tensor) -> None:
        """Take those of other finds that cost less."""
        finds = self._nearest_known(finds)
        (other,) = (finds != self.finds).any(1).nonzero(as_tuple=True)
        costs = self._costs(pixels, self.centres[other], finds[other])
        better = costs < self.costs[other]
        self.finds[other[better]], self.costs[other[better]] = finds[other[better]], costs[better]

    def _costs(self, pixels: Tensor, centres: Tensor, finds: Tensor) -> Tensor:
        costs = [torch.zeros(0, device=self.device)]
        for ours, theirs in zip(self._flat(centres).split(CHUNK), self._flat(finds).split(CHUNK), strict=True):
            ours, theirs = (pixels[place[:, None] + self.offsets] for place in (ours, theirs))
            costs.append((ours - theirs).square().sum((1, 2)))
        far = ((finds - centres) / self.near).square().sum(1).clamp_max(FARTHEST**2)
        return torch.cat(costs) + FARNESS * far

    def _flat(self, places: Tensor) -> Tensor:
        return places[:, 0] * self.width + places[:, 1]

    def _nearest_known(self, places: Tensor) -> Tensor:
        return places.maximum(self.first).minimum(self.last)

    def _random(self, radius: float) -> Tensor:
        drawn = torch.rand(self.centres.shape, generator=self.generator).to(self.device)
        return ((2 * drawn - 1) * radius).round().long()


def _listed(image: Tensor) -> Tensor:
    """Return the pixels (H * W, C) of an image (1, C, H, W)."""
    return image[0].flatten(1).T.contiguous()


def _at(places: Tensor, field: Tensor) -> Tensor:
    """Return the values (N, C) of a field (1, C, H, W) at places (N, 2), rows and columns."""
    return field[0, :, places[:, 0], places[:, 1]].T
