"""The losses of optimised and of trained styles: distance to a style, and to the content of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.features import Features
from imgtk.nn.losses import content_distance, gram_distance, grams, style_distance

__all__ = [
    "FRAME",
    "SHIFT",
    "SMALLEST",
    "PaletteObjective",
    "StyleObjective",
    "half",
    "kept_content",
    "shift_together",
    "style_and_content",
]

FRAME = 16
"""Pixels at the borders of a training crop that no style loss sees: feature networks see a dark frame there, and would
otherwise paint it around every image."""
SMALLEST = 2 * FRAME + 32
"""Side in pixels of the smallest crop of which enough remains."""
MEAN_SPREAD = 0.05
"""Squared difference of mean colours that counts as 1."""
FLAT = 0.003
"""Covariance below which a style's colours count as equal."""
SHIFT = 7
"""Largest random shift in pixels: one less than the stride of the deepest features that count."""


def half(x: Tensor) -> Tensor:
    """Return (N, C, H, W) at half the size, antialiased, in float32."""
    return F.interpolate(x.float(), scale_factor=0.5, mode="bilinear", antialias=True)


def shift_together(tensors: Sequence[Tensor], reach: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Return the images of equal size, all shifted by the same random 0 to `reach` pixels in both directions; borders
    repeat.

    A feature network sees pixels by their position on its grid. If it always sees them at the same position, that grid
    appears in the image.
    """
    dx, dy = torch.randint(0, reach + 1, (2,), generator=generator).tolist()
    height, width = tensors[0].shape[-2:]
    rows = torch.arange(dy, dy + height).clamp_max(height - 1)
    columns = torch.arange(dx, dx + width).clamp_max(width - 1)
    return [tensor[..., rows, :][..., columns] for tensor in tensors]


class StyleObjective:
    """Distance of images to a style, and to the content of others, at several scales.

    Each scale after the first is the antialiased half of the one before: it sees strokes twice as large, on another
    grid. Content counts at the first two.

    Args:
        features: the feature network.
        styles: images (1, 3, H, W) of the style, 0..1, at the scale at which strokes are wanted.
        weights: share of each style; only their ratios count.
        scales: number of scales at which the style is compared, at least 2.
        layers: those of the features whose Gram matrices are compared; their `style_layers` when left out.
    """

    def __init__(
        self,
        features: Features,
        styles: Sequence[Tensor],
        weights: Sequence[float],
        scales: int = 2,
        layers: Sequence[str] | None = None,
    ) -> None:
        self.features, self.layers = features, layers or features.style_layers
        self.targets: list[dict[str, Tensor]] = []
        shares = torch.tensor(weights) / sum(weights)
        images = list(styles)
        with torch.no_grad():
            for _ in range(scales):
                found = [grams(features(image, self.layers)) for image in images]
                self.targets.append(
                    {
                        layer: sum((share * g[layer] for share, g in zip(shares, found, strict=True)), torch.zeros(()))
                        for layer in self.layers
                    }
                )
                images = [half(image) for image in images]

    def __call__(self, x: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised Gram distance of `x` to the style, and content distance to `content`, both (N, 3, H, W)
        with sides of at least 16 pixels times 2 ** (scales - 1); each is the mean over its scales."""
        style_terms, content_terms = [], []
        content_layers = list(reversed(self.features.content_layers))
        for scale, target in enumerate(self.targets):
            compared = content_layers[scale : scale + 1]
            ours = self.features(x, {*self.layers, *compared})
            style_terms.append(gram_distance(grams({name: ours[name] for name in target}), target))
            for layer in compared:
                with torch.no_grad():
                    theirs = self.features(content, [layer])
                content_terms.append(content_distance({layer: ours[layer]}, theirs))
            x, content = half(x), half(content)
        return torch.stack(style_terms).mean(), torch.stack(content_terms).mean()


class PaletteObjective:
    """Distance of images from the colours of a style: means and covariances of RGB at three sizes, which Gram matrices
    of features leave too gray.

    Args:
        styles: images (1, 3, H, W), 0..1, with sides of at least 4 pixels; their average colours count.
        weights: share of each style; equal by default. Only their ratios count.
    """

    def __init__(self, styles: Sequence[Tensor], weights: Sequence[float] | None = None) -> None:
        moments = [self._moments(style) for style in styles]
        shares = torch.tensor(weights or [1.0] * len(styles), device=styles[0].device).view(-1, 1, 1, 1)
        self.targets = [(torch.stack(values) * shares / shares.sum()).sum(0) for values in zip(*moments, strict=True)]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the distance of a batch (N, 3, H, W), whose moments are averaged: single images may differ."""
        means_and_covariances = [values.mean(0, keepdim=True) for values in self._moments(x)]
        distances = [
            F.mse_loss(ours[:, :, :1], target[:, :, :1]) / MEAN_SPREAD
            + F.mse_loss(ours[:, :, 1:], target[:, :, 1:]) / target[:, :, 1:].square().mean().clamp_min(FLAT**2)
            for ours, target in zip(means_and_covariances, self.targets, strict=True)
        ]
        return torch.stack(distances).mean()

    @staticmethod
    def _moments(x: Tensor) -> list[Tensor]:
        """Return the mean and covariance side by side, (N, 3, 4), at each size."""
        found = []
        for _ in range(3):
            pixels = x.float().flatten(2)
            mean = pixels.mean(2, keepdim=True)
            with torch.autocast(x.device.type, enabled=False):
                covariance = (pixels - mean) @ (pixels - mean).transpose(1, 2) / pixels.shape[2]
            found.append(torch.cat([mean, covariance], 2))
            x = half(x)
        return found


def style_and_content(
    features: Features, x: Tensor, photos: Tensor, styles: Tensor, scales: int = 2
) -> tuple[Tensor, Tensor]:
    """Return `style_distance` of `x` to the style images, and content distance to the photos, all (N, 3, H, W) with
    sides of at least 16 pixels times 2 ** (scales - 1); each is the mean over its scales, as in `StyleObjective`."""
    style_terms, content_terms = [], []
    content_layers = list(reversed(features.content_layers))
    for scale in range(scales):
        compared = content_layers[scale : scale + 1]
        ours = features(x, {*features.style_layers, *compared})
        with torch.no_grad():
            theirs, target = features(photos, compared), features(styles)
        style_terms.append(style_distance(ours, target))
        content_terms += [content_distance({layer: ours[layer]}, theirs) for layer in compared]
        x, photos, styles = half(x), half(photos), half(styles)
    return torch.stack(style_terms).mean(), torch.stack(content_terms).mean()


def kept_content(features: Features, x: Tensor, photos: Tensor) -> Tensor:
    """Return the content distance of `x` to the photos, both (N, 3, H, W) with sides of at least `SMALLEST`: the
    mean of the same two scales as those of `StyleObjective`, away from the borders and at random offsets."""
    inner = slice(FRAME, -FRAME)
    x, photos = shift_together([x[..., inner, inner], photos[..., inner, inner]], SHIFT)
    terms = []
    for layer in reversed(features.content_layers):
        with torch.no_grad():
            wanted = features(photos, [layer])
        terms.append(content_distance(features(x, [layer]), wanted))
        x, photos = half(x), half(photos)
    return torch.stack(terms).mean()
