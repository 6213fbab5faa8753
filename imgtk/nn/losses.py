"""Losses between images or their features, shared by the trainers. All return a scalar unless they say otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.colour import luma

__all__ = [
    "FeatureMaps",
    "content_distance",
    "gram",
    "gram_distance",
    "grams",
    "grid",
    "perceptual_distance",
    "perceptual_loss",
    "spectral_distance",
    "style_distance",
    "texture_distance",
    "total_variation",
]

BLOCK = 32
"""Side in pixels of the blocks whose spectra `texture_distance` compares."""
UNSEEN = 6.0
"""What noise with a standard deviation of half an 8-bit step adds to the magnitudes of these spectra."""
SMALLEST_TEXTURE = BLOCK + BLOCK // 2
"""Side in pixels of the smallest images that `texture_distance` takes: a block, wherever it begins."""

FeatureMaps = Mapping[str, Tensor]
"""Outputs (N, C, H, W) of a feature network's layers, by name."""


def gram(features: Tensor) -> Tensor:
    """Return Gram matrices (N, C, C) of features (N, C, H, W), over C * H * W, in float32 (Johnson et al. 2016,
    eq. 3).

    >>> gram(torch.ones(1, 2, 4, 4)).tolist()
    [[[0.5, 0.5], [0.5, 0.5]]]
    """
    _, channels, height, width = features.shape
    flat = features.float().flatten(2)
    with torch.autocast(features.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / (channels * height * width)


def grams(features: FeatureMaps) -> dict[str, Tensor]:
    """Return `gram` of each layer."""
    return {layer: gram(value) for layer, value in features.items()}


def gram_distance(ours: FeatureMaps, style: FeatureMaps) -> Tensor:
    """Return the normalised Gram distance: |G - S|^2 / |S|^2, averaged over layers and images.

    0 means the same style; dividing by the style's own norm makes layers, and styles, comparable.

    Args:
        ours: Gram matrices (N, C, C) by layer.
        style: those of the style, (1, C, C) or (N, C, C), with the same layers.
    """
    distances = [
        ((ours[layer] - target).pow(2).sum((1, 2)) / target.pow(2).sum((1, 2))).mean()
        for layer, target in style.items()
    ]
    return torch.stack(distances).mean()


def style_distance(ours: FeatureMaps, style: FeatureMaps) -> Tensor:
    """Return the distance of features (N, C, H, W) from a style in mean and covariance, averaged over layers and
    images.

    Each is the squared difference relative to the style's squared norm. A Gram matrix is the sum of both, in which the
    means far outweigh what distinguishes textures. Distances enter as log(1 + distance), since otherwise the flattest
    styles, whose norms are small, would dominate.
    """
    distances = []
    for layer, target in style.items():
        for statistic in (_means, _covariances):
            a, b = statistic(ours[layer]), statistic(target)
            distances.append((a - b).square().sum(1) / b.square().sum(1).clamp_min(1e-8))
    return torch.stack(distances).log1p().mean()


def _means(x: Tensor) -> Tensor:
    """Return (N, C) of (N, C, H, W), in float32."""
    return x.float().mean((2, 3))


def _covariances(x: Tensor) -> Tensor:
    """Return (N, C * C) of (N, C, H, W), over C, in float32."""
    x = x.float()
    return gram(x - x.mean((2, 3), keepdim=True)).flatten(1)


def content_distance(ours: FeatureMaps, content: FeatureMaps) -> Tensor:
    """Return the mean squared difference of features relative to the mean square of `content`, averaged over layers."""
    distances = [
        F.mse_loss(ours[layer].float(), target.float()) / target.float().pow(2).mean().clamp_min(1e-8)
        for layer, target in content.items()
    ]
    return torch.stack(distances).mean()


def perceptual_distance(ours: FeatureMaps, target: FeatureMaps) -> Tensor:
    """Return the squared distance between features of unit length, averaged over positions and layers (LPIPS
    without its learned weights, Zhang et al. 2018, eq. 1)."""
    distances = [
        (F.normalize(ours[layer].float()) - F.normalize(wanted.float())).square().sum(1).mean()
        for layer, wanted in target.items()
    ]
    return torch.stack(distances).mean()


def perceptual_loss(features: Callable[[Tensor], FeatureMaps], output: Tensor, target: Tensor) -> Tensor:
    """Return `perceptual_distance` of images (N, 3, H, W), both without the same 0 to 7 random rows and columns, so
    that the strides of the feature network leave no grid."""
    top, left = torch.randint(0, 8, (2,)).tolist()
    with torch.no_grad():
        wanted = features(target[:, :, top:, left:])
    return perceptual_distance(features(output[:, :, top:, left:]), wanted)


def spectral_distance(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of the Fourier transforms of (N, C, H, W), in units of one pixel's noise:
    where L1 of pixels is content with the mean of what is possible, this asks for the same strength at each
    frequency."""
    difference = torch.fft.rfft2(output.float()) - torch.fft.rfft2(target.float())
    return difference.abs().mean() / (output.shape[2] * output.shape[3]) ** 0.5


def texture_distance(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of the logarithms of local spectra of the luma of two images.

    The spectra are those of overlapping blocks of 32 pixels, and without phases: a texture may lie anywhere, but must
    have the strength of the target's at every frequency. A hatch where the target is irregular has one frequency only.

    Args:
        output, target: (N, 3, H, W), 0..1, sides of at least `SMALLEST_TEXTURE`, 48 pixels.
    """
    window = torch.hann_window(BLOCK, periodic=False, device=output.device)
    top, left = torch.randint(0, BLOCK // 2, (2,)).tolist()

    def spectra(x: Tensor) -> Tensor:
        y = 255 * luma(x.float())[:, 0, top:, left:]
        blocks = y.unfold(1, BLOCK, BLOCK // 2).unfold(2, BLOCK, BLOCK // 2)
        blocks = (blocks - blocks.mean((3, 4), keepdim=True)) * window[:, None] * window
        return (torch.fft.rfft2(blocks).abs() + UNSEEN).log()

    return F.l1_loss(spectra(output), spectra(target))


def total_variation(x: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels of (N, C, H, W), horizontally plus vertically."""
    x = x.float()
    return (x[..., 1:] - x[..., :-1]).pow(2).mean() + (x[..., 1:, :] - x[..., :-1, :]).pow(2).mean()


def grid(x: Tensor, period: int) -> Tensor:
    """Return how much of a grid of `period` pixels lies over (N, C, H, W), sides at least `8 * period` + 1; 0.05 for
    photos.

    It is the share, in what varies within blocks, of a pattern that 8x8 neighbouring blocks have in common, averaged
    over all such groups, so that faint grids in flat areas count; plus the variance, from place to place within blocks,
    of the mean difference of neighbouring pixels, relative to its mean. Networks that end with a pixel shuffle draw
    such grids when they are asked for texture.
    """
    x = x.float()
    side = 8 * period
    rows, columns = (length // side for length in x.shape[2:])
    blocks = x[..., : rows * side, : columns * side]
    blocks = blocks.unflatten(3, (columns, 8, period)).unflatten(2, (rows, 8, period))
    within = blocks - blocks.mean((4, 7), keepdim=True)
    common, all_of_it = within.mean((3, 6)).square().mean((3, 5)), within.square().mean((3, 4, 6, 7))
    found = (common / (all_of_it + 1e-5)).mean()  # far below an 8-bit step nothing is seen
    for dim in (2, 3):
        steps = x.diff(dim=dim).abs().movedim(dim, -1)
        steps = steps[..., : steps.shape[-1] // period * period]
        profile = steps.flatten(0, -2).mean(0).unflatten(0, (-1, period)).mean(0)
        found = found + (profile - profile.mean()).square().mean() / profile.mean().square().clamp_min(1e-8)
    return found
