"""Regularity of textures: measures the weave that networks paint over flat areas."""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.nn.blur import gaussian_blur
from imgtk.nn.colour import luma

__all__ = ["regularity", "repetition_loss", "smooth_image"]

BLOCK, FRAME = 128, 32
"""Side of the blocks that are looked at, and of the border that is not, in pixels."""
SIGMA = 6.0
"""Standard deviation of the blur whose difference to the image is its detail, in pixels."""
FAINTEST = 0.5
"""Standard deviation of the detail in 8-bit steps below which a block has none."""
DISTANCES = (12, 40)
"""Distances in pixels at which repetition is looked for: below, any stroke resembles itself."""
STRIDE, PEAKS, OF_PAINT = 32, 16, 0.12
"""Of `repetition_loss`: pixels between blocks, how many autocorrelations count in each, and what paintings have."""


def regularity(x: Tensor) -> float:
    """Return how regular the texture of an image is: 0 for noise, towards 1 for a weave or a lattice; 0.1 to 0.25 for
    paint.

    It is the largest autocorrelation of the detail (luma minus its Gaussian blur) at distances of 12 to 40 pixels, in
    blocks of 128 pixels, averaged over those blocks in which there is any. Give it what was painted over something
    smooth (`smooth_image`): in photographs, things repeat.

    Args:
        x: (1, 3, H, W), 0..1; sides of at least 192 pixels.

    Raises:
        ValueError: for smaller images.
    """
    if min(x.shape[2:]) < BLOCK + 2 * FRAME:
        raise ValueError(f"regularity needs sides of {BLOCK + 2 * FRAME} pixels")
    inner = slice(FRAME, -FRAME)
    found = _repetition(_detail(x)[..., inner, inner], BLOCK)
    return float(found.amax(1).mean()) if len(found) else 0.0


def repetition_loss(x: Tensor) -> Tensor:
    """Return a loss against regular texture: how far the largest autocorrelations are above those of paint, in float32.

    It works like `regularity`, but on overlapping blocks, and averages the `PEAKS` largest autocorrelations, whose
    gradients say more than that of one. Apply it to what was painted over something smooth.

    Args:
        x: (N, 3, H, W), 0..1; blocks are smaller where the sides are shorter than 128 pixels.
    """
    found = _repetition(_detail(x), STRIDE)
    if not len(found):
        return x.sum() * 0
    return (found.topk(min(PEAKS, found.shape[1]), 1).values.mean(1) - OF_PAINT).relu().mean()


def _detail(x: Tensor) -> Tensor:
    """Return luma minus its Gaussian blur, (N, 1, H, W), in 8-bit steps."""
    y = 255 * luma(x.float())
    return y - gaussian_blur(y, SIGMA)


def _repetition(detail: Tensor, stride: int) -> Tensor:
    """Return autocorrelations (B, D) at each of the `DISTANCES` in those blocks in which there is any detail."""
    side = min(BLOCK, *detail.shape[2:])
    blocks = detail[:, 0].unfold(1, side, stride).unfold(2, side, stride).reshape(-1, side, side)
    blocks = blocks - blocks.mean((1, 2), keepdim=True)
    blocks = blocks[blocks.std((1, 2)) >= FAINTEST]
    if not len(blocks):
        return blocks.flatten(1)
    window = torch.hann_window(side, periodic=False, device=detail.device)
    window = window[:, None] * window
    correlation, own = _autocorrelation(blocks * window), _autocorrelation(window[None])
    correlation = correlation / own.clamp_min(0.05 * own.amax())
    correlation = correlation / correlation[:, side // 2, side // 2, None, None]
    line = torch.arange(side, device=detail.device) - side // 2
    distance = (line[:, None].square() + line.square()).sqrt()
    return correlation[:, (distance > DISTANCES[0]) & (distance < DISTANCES[1])]


def smooth_image(width: int = 640, height: int = 448) -> Tensor:
    """Return an image in which nothing is regular, (1, 3, height, width), 0..1: gradients, and noise of 0.8 8-bit
    steps."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    planes = [0.35 + 0.3 * columns + 0 * rows, 0.45 + 0.2 * rows + 0 * columns, 0.7 - 0.3 * rows * columns]
    smooth = torch.stack(planes)[None]
    return (smooth + 0.8 / 255 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


def _autocorrelation(x: Tensor) -> Tensor:
    """Return the autocorrelation of each of (N, H, W), with distance 0 in the middle."""
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.fft2(x).abs().square()).real, dim=(1, 2))
