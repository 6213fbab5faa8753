"""What "in this style, and still this image" means: the loss of optimised and of trained styles."""

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
    "StyleObjective",
    "half",
    "kept_content",
    "shift_together",
    "style_and_content",
]

FRAME = 16
"""Pixels at the borders of a training crop that no style loss sees: feature networks see a dark frame there, and would
have it painted around every image."""
SMALLEST = 2 * FRAME + 32
"""Side in pixels of the smallest crop in which enough is left to see."""
SHIFT = 7
"""Largest random shift in pixels: one less than the stride of the deepest features that count."""


def half(x: Tensor) -> Tensor:
    """(N, C, H, W) at half the size, antialiased, in float32."""
    return F.interpolate(x.float(), scale_factor=0.5, mode="bilinear", antialias=True)


def shift_together(tensors: Sequence[Tensor], reach: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Images of equal size, all moved by the same random 0 to `reach` pixels in both directions; borders repeat.

    A feature network sees pixels differently according to their place on its grid; one that always sees them at the
    same place paints that grid into the image.
    """
    dx, dy = torch.randint(0, reach + 1, (2,), generator=generator).tolist()
    height, width = tensors[0].shape[-2:]
    rows = torch.arange(dy, dy + height).clamp_max(height - 1)
    columns = torch.arange(dx, dx + width).clamp_max(width - 1)
    return [tensor[..., rows, :][..., columns] for tensor in tensors]


class StyleObjective:
    """Distance of images from a style, and from what they show, at two scales.

    The second scale is the antialiased half of the images: it sees strokes twice as large, and no grid twice.

    Args:
        features: the network that looks.
        styles: images (1, 3, H, W) of the style, 0..1, at the scale at which strokes are wanted.
        weights: how much of each style; only their ratios count.
    """

    def __init__(self, features: Features, styles: Sequence[Tensor], weights: Sequence[float]) -> None:
        self.features = features
        self.targets: list[dict[str, Tensor]] = []
        shares = torch.tensor(weights) / sum(weights)
        images = list(styles)
        with torch.no_grad():
            for _ in range(2):
                found = [grams(features(image)) for image in images]
                self.targets.append(
                    {
                        layer: sum((share * g[layer] for share, g in zip(shares, found, strict=True)), torch.zeros(()))
                        for layer in features.style_layers
                    }
                )
                images = [half(image) for image in images]

    def __call__(self, x: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised Gram distance of `x` to the style, and content distance to `content`, both (N, 3, H, W) with
        sides of at least 32 pixels; each is the mean of the two scales."""
        style_terms, content_terms = [], []
        for target, layer in zip(self.targets, reversed(self.features.content_layers), strict=True):
            ours = self.features(x, {*self.features.style_layers, layer})
            with torch.no_grad():
                theirs = self.features(content, [layer])
            style_terms.append(gram_distance(grams({name: ours[name] for name in target}), target))
            content_terms.append(content_distance({layer: ours[layer]}, theirs))
            x, content = half(x), half(content)
        return torch.stack(style_terms).mean(), torch.stack(content_terms).mean()


def style_and_content(features: Features, x: Tensor, photos: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """`style_distance` of `x` to the style images, and content distance to the photos, all (N, 3, H, W) with sides of
    at least 32 pixels; each is the mean of the same two scales as those of `StyleObjective`."""
    style_terms, content_terms = [], []
    for layer in reversed(features.content_layers):
        ours = features(x, {*features.style_layers, layer})
        with torch.no_grad():
            theirs, target = features(photos, [layer]), features(styles)
        style_terms.append(style_distance(ours, target))
        content_terms.append(content_distance({layer: ours[layer]}, theirs))
        x, photos, styles = half(x), half(photos), half(styles)
    return torch.stack(style_terms).mean(), torch.stack(content_terms).mean()


def kept_content(features: Features, x: Tensor, photos: Tensor) -> Tensor:
    """Content distance of `x` to the photos, both (N, 3, H, W) with sides of at least `SMALLEST`: the mean of the same
    two scales as those of `StyleObjective`, away from the borders and at random offsets."""
    inner = slice(FRAME, -FRAME)
    x, photos = shift_together([x[..., inner, inner], photos[..., inner, inner]], SHIFT)
    terms = []
    for layer in reversed(features.content_layers):
        with torch.no_grad():
            wanted = features(photos, [layer])
        terms.append(content_distance(features(x, [layer]), wanted))
        x, photos = half(x), half(photos)
    return torch.stack(terms).mean()
