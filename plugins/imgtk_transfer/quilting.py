"""Image quilting: an image assembled from pieces of a texture (Efros & Freeman, "Image Quilting for Texture Synthesis
and Transfer", 2001).

Pieces are compared by the means of CELLS x CELLS cells, so that every error of the paper is a product of two matrices.
They are cut and placed pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.colour import LUMA

__all__ = ["CELLS", "Pieces", "assemble", "matched", "quilt"]

CELLS = 8
"""Cells along the side of a block."""
OVERLAP = 3
"""Cells by which neighbouring blocks overlap. The paper has a sixth of the block, which showed in large images."""
FIRST = 0.1
"""Weight of agreement in the first pass (section 4 of the paper, which ends at 0.9)."""
PLACES = 1 << 16
"""Places of the texture at which pieces are sought, at most."""
TOLERANCE = 0.1
"""Pieces whose error is this much larger than the least are as good (section 2.1 of the paper)."""

REPEAT = 0.3
"""Factor by which the error of a piece grows each time that one near it is used, so that flat parts of the image do not
show the same piece again and again."""


@dataclass(frozen=True)
class Pieces:
    """Blocks that are laid at once, as no two of them overlap.

    Attributes:
        size: side of the blocks.
        to, source: (N, 2), row and column of the top left corner in the image and in the texture.
        masks: (N, size, size), 0..1: how much of the piece is seen over what was there.
    """

    size: int
    to: Tensor
    source: Tensor
    masks: Tensor


def quilt(
    light: Tensor,
    texture: Tensor,
    cells: Sequence[int],
    coherence: float,
    seed: int,
    report: Callable[[int, int], None] | None = None,
) -> list[Pieces]:
    """Return the pieces of `texture` which, laid one after the other, show what `light` shows (section 4 of the paper).

    Args:
        light: (1, 1, H, W), the luma that is to be shown, in the range of the texture's.
        texture: (1, 3, h, w), RGB, 0..1; both sides at least as large as a block.
        cells: side of a cell in each pass: blocks are CELLS times as large. Each pass goes over the whole image.
        coherence: weight, 0..1, that the pieces' agreement with each other has in the last pass, against that with
            `light`. It grows to that from `FIRST`, or stays if it is less.
        seed: of the choice among pieces that fit equally well.
        report: called with the number of steps done and of all.

    Returns:
        The pieces of the last pass, which cover the image, and reach beyond its right and lower end.
    """
    generator = torch.Generator().manual_seed(seed)
    alphas = torch.linspace(coherence, min(FIRST, coherence), len(cells)).tolist()[::-1]
    passes = [Pass(light, texture, cell, alpha) for cell, alpha in zip(cells, alphas, strict=True)]
    total, done = sum(len(p.waves) for p in passes), 0
    image: Tensor | None = None
    pieces: list[Pieces] = []
    for each in passes:
        pieces = []
        canvas = light.new_zeros(1, 3, *each.extended)
        for laid in each.run(canvas, image, generator):
            pieces.append(laid)
            done += 1
            if report:
                report(done, total)
        image = canvas[..., : light.shape[2], : light.shape[3]]
    return pieces


class Pass:
    """One pass over the image, from the top left, with blocks of one size.

    Args:
        light, texture: see `quilt`.
        cell: side of a cell in pixels.
        alpha: weight of the agreement with what is already there, against that with the light.
    """

    def __init__(self, light: Tensor, texture: Tensor, cell: int, alpha: float) -> None:
        self.light, self.texture, self.cell, self.alpha = light, texture, cell, alpha
        self.block, self.overlap = CELLS * cell, OVERLAP * cell
        self.step = self.block - self.overlap
        height, width = (side - self.block + 1 for side in texture.shape[2:])
        self.stride = ceil((height * width / PLACES) ** 0.5)  # of the places at which pieces begin
        height, width = light.shape[2:]
        self.rows, self.columns = (max(1, -(-(side - self.overlap) // self.step)) for side in (height, width))

    @property
    def extended(self) -> tuple[int, int]:
        """Height and width that the blocks cover."""
        return self.rows * self.step + self.overlap, self.columns * self.step + self.overlap

    @property
    def waves(self) -> list[list[tuple[int, int]]]:
        """Row and column of the blocks that are laid at once, all after those on their left and in the row above."""
        blocks = sorted(product(range(self.rows), range(self.columns)), key=self._wave)
        return [list(wave) for _, wave in groupby(blocks, self._wave)]

    @staticmethod
    def _wave(block: tuple[int, int]) -> int:
        return 2 * block[0] + block[1]

    def run(self, canvas: Tensor, before: Tensor | None, generator: torch.Generator) -> Iterator[Pieces]:
        """Lay blocks onto `canvas` (1, 3, H', W'), of the size `extended`, which is changed.

        Args:
            before: (1, 3, H, W), the result of the pass before.
        """
        device, alpha = canvas.device, self.alpha
        features, rows, columns = self._features()
        places = torch.cartesian_prod(rows, columns)
        squares = features.square().view(3, CELLS * CELLS, -1)
        seen = self._overlapping(device)  # by kind of block, and cell
        lights = torch.tensor(LUMA, device=device)
        shown = torch.einsum("c,cka->ka", lights, features.view(3, CELLS * CELLS, -1))
        norms = alpha * torch.einsum("nk,cka->na", seen, squares) + (1 - alpha) * shown.square().sum(0)
        if before is not None:
            norms += alpha * squares.sum((0, 1))
            before = self._extend(before)
        light = self._extend(self.light)
        noise = 1 + TOLERANCE * torch.rand(2 * len(places), generator=generator).to(device)
        used = canvas.new_zeros(1, 1, len(rows), len(columns))
        for wave in self.waves:
            grid = torch.tensor(wave, device=device)
            to = grid * self.step
            kind = 2 * (grid[:, 0] > 0) + (grid[:, 1] > 0)
            there = self._cut(canvas, to)
            wanted = self._means(there) * seen[kind][:, None] * alpha
            constant = (wanted * self._means(there)).sum((1, 2))
            light_means = self._means(self._cut(light, to))
            wanted = wanted + (1 - alpha) * light_means * lights[:, None]
            constant += (1 - alpha) * light_means.square().sum((1, 2))
            if before is not None:
                old = self._means(self._cut(before, to))
                wanted = wanted + alpha * old
                constant += alpha * old.square().sum((1, 2))
            errors = norms[kind].sub_(wanted.flatten(1) @ features, alpha=2).add_(constant[:, None]).clamp_(min=0)
            shifts = torch.randint(len(places), (len(wave),), generator=generator).tolist()
            dear = torch.stack([noise[s : s + len(places)] for s in shifts]) + used.flatten()
            chosen = (errors * dear).argmin(1)
            used += self._near(chosen, used)
            yield self._lay(canvas, there, to, places[chosen], kind)

    def _features(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the means of the cells (3 * CELLS**2, R * C) of pieces of the texture, and rows (R,) and columns
        (C,) in which they begin."""
        height, width = (side - self.block + 1 for side in self.texture.shape[2:])
        stride = self.stride
        means = F.avg_pool2d(self.texture, self.cell, stride=1)
        features = F.unfold(means, CELLS, dilation=self.cell, stride=stride)[0]
        rows, columns = (torch.arange(0, side, stride, device=means.device) for side in (height, width))
        return features, rows, columns

    def _near(self, chosen: Tensor, grid: Tensor) -> Tensor:
        """Return how much dearer (1, 1, R, C) pieces get that begin within a quarter of a block of one that is
        `chosen`."""
        counts = torch.bincount(chosen, minlength=grid.numel()).view(grid.shape).to(grid.dtype)
        side = 2 * (self.block // (4 * self.stride)) + 1
        return REPEAT * side**2 * F.avg_pool2d(counts, side, stride=1, padding=side // 2)

    def _overlapping(self, device: torch.device) -> Tensor:
        """Return (4, CELLS**2): cells of a block that lie on others, without, with such on the left, above, and
        both."""
        seen = torch.zeros(4, CELLS, CELLS, device=device)
        seen[1::2, :, :OVERLAP] = 1
        seen[2:, :OVERLAP] = 1
        return seen.flatten(1)

    def _extend(self, x: Tensor) -> Tensor:
        height, width = self.extended
        bottom, right = max(0, height - x.shape[2]), max(0, width - x.shape[3])
        return F.pad(x, (0, right, 0, bottom), mode="replicate")

    def _cut(self, x: Tensor, corners: Tensor) -> Tensor:
        """Return the blocks (N, C, block, block) of (1, C, H, W) at `corners` (N, 2)."""
        rows, columns = self._pixels(corners)
        return x[0][:, rows, columns].transpose(0, 1)

    def _pixels(self, corners: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows (N, block, 1) and columns (N, 1, block) of the blocks' pixels."""
        along = torch.arange(self.block, device=corners.device)
        return (corners[:, :1] + along)[:, :, None], (corners[:, 1:] + along)[:, None]

    def _means(self, blocks: Tensor) -> Tensor:
        """Map (N, C, block, block) to (N, C, CELLS**2)."""
        return F.avg_pool2d(blocks, self.cell).flatten(2)

    def _lay(self, canvas: Tensor, there: Tensor, to: Tensor, source: Tensor, kind: Tensor) -> Pieces:
        """Lay the pieces of the texture at `source` onto the canvas, cut where they differ least from what is there."""
        pieces = self._cut(self.texture, source)
        difference = (pieces - there).square().sum(1)
        cuts = torch.cat([difference[..., : self.overlap], difference[:, : self.overlap].transpose(1, 2)])
        left, top = right_of_cut(cuts).chunk(2)
        masks = torch.ones_like(difference)
        masks[..., : self.overlap] *= torch.where((kind % 2 == 1)[:, None, None], left, 1.0)
        masks[:, : self.overlap] *= torch.where((kind >= 2)[:, None, None], top.transpose(1, 2), 1.0)
        rows, columns = self._pixels(to)
        canvas[0][:, rows, columns] = torch.where(masks[:, None] > 0, pieces, there).transpose(0, 1)
        return Pieces(self.block, to, source, masks)


def right_of_cut(errors: Tensor) -> Tensor:
    """Map (N, H, W), 1 from the cheapest path down through `errors` (N, H, W) to the right, else 0: the minimum error
    boundary cut (section 2.2 of the paper)."""
    costs = [errors[:, 0]]
    for row in errors[:, 1:].unbind(1):
        around = F.pad(costs[-1], (1, 1), value=torch.inf)
        costs.append(row + torch.minimum(torch.minimum(around[:, :-2], around[:, 1:-1]), around[:, 2:]))
    columns = torch.arange(errors.shape[2], device=errors.device)
    path = costs[-1].argmin(1, keepdim=True)
    masks = [columns >= path]
    for cost in costs[-2::-1]:
        path = cost.masked_fill((columns - path).abs() > 1, torch.inf).argmin(1, keepdim=True)
        masks.append(columns >= path)
    return torch.stack(masks[::-1], 1).to(errors.dtype)


def assemble(pieces: Sequence[Pieces], texture: Tensor, scale: float, size: tuple[int, int]) -> Tensor:
    """Return the image (1, 3, H, W) of `size` (height, width) that the pieces make, `scale` times as large as they
    were.

    Args:
        texture: (1, 3, h, w), `scale` times as large as the one in which they were found.
    """
    image = texture.new_full((1, 3, *size), -1)  # negative is empty
    for wave in pieces:
        masks = F.avg_pool2d(F.pad(wave.masks[:, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)  # soft cuts
        for to, source, mask in zip(wave.to.tolist(), wave.source.tolist(), masks, strict=True):
            (top, bottom), (left, right) = ((round(at * scale), round((at + wave.size) * scale)) for at in to)
            height, width = bottom - top, right - left
            row = min(round(source[0] * scale), texture.shape[2] - height)
            column = min(round(source[1] * scale), texture.shape[3] - width)
            mask = F.interpolate(mask[None], size=(height, width), mode="bilinear") if scale != 1 else mask[None]
            mask = mask * fade(top, height, mask)[:, None] * fade(left, width, mask)
            there = image[..., top:bottom, left:right]  # cut off where the image ends
            height, width = there.shape[2:]
            piece = texture[..., row : row + height, column : column + width]
            there.copy_(torch.where(there < 0, piece, there.lerp(piece, mask[..., :height, :width])))
    return image


def fade(start: int, length: int, like: Tensor) -> Tensor:
    """Return (length,), rising from 0 to 1 in the first half of an overlap, which blocks that begin at 0 do not
    have."""
    if start == 0:
        return like.new_ones(length)
    steps = torch.arange(length, dtype=like.dtype, device=like.device) + 0.5
    return (steps * (2 * CELLS / (OVERLAP * length))).clamp(max=1)


def matched(light: Tensor, reference: Tensor) -> Tensor:
    """Return `light` (1, 1, H, W) with the distribution of the values of `reference`: equal values stay equal."""
    ordered, wanted = light.flatten().sort().values, reference.flatten().sort().values
    values = light.flatten().contiguous()
    rank = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
    place = (rank / (2 * len(ordered)) * len(wanted)).long().clamp(max=len(wanted) - 1)
    return wanted[place].view(light.shape)
