"""What "in this style, and still this picture" means: the loss of optimised and of trained styles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.features import Features
from imgtk.nn.losses import content_distance, gram_distance, grams, style_distance

__all__ = ["FRAME", "SHIFT", "NearestStyle", "StyleObjective", "half", "shift_together", "style_and_content"]

FRAME = 16
"""Pixels at the borders of a training crop that no style loss sees: feature networks see a dark frame there, and would
have it painted around every picture."""
SHIFT = 7
"""Largest random shift in pixels: one less than the stride of the deepest features that count."""


def half(x: Tensor) -> Tensor:
    """(N, C, H, W) at half the size, antialiased, in float32."""
    return F.interpolate(x.float(), scale_factor=0.5, mode="bilinear", antialias=True)


def shift_together(tensors: Sequence[Tensor], reach: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Pictures of equal size, all moved by the same random 0 to `reach` pixels in both directions; borders repeat.

    A feature network sees pixels differently according to their place on its grid; one that always sees them at the
    same place paints that grid into the picture.
    """
    dx, dy = torch.randint(0, reach + 1, (2,), generator=generator).tolist()
    height, width = tensors[0].shape[-2:]
    rows = torch.arange(dy, dy + height).clamp_max(height - 1)
    columns = torch.arange(dx, dx + width).clamp_max(width - 1)
    return [tensor[..., rows, :][..., columns] for tensor in tensors]


class StyleObjective:
    """Distance of pictures from a style, and from what they show, at two scales.

    The second scale is the antialiased half of the pictures: it sees strokes twice as large, and no grid twice.

    Args:
        features: the network that looks.
        styles: pictures (1, 3, H, W) of the style, 0..1, at the scale at which strokes are wanted.
        weights: how much of each style; only their ratios count.
    """

    def __init__(self, features: Features, styles: Sequence[Tensor], weights: Sequence[float]) -> None:
        self.features = features
        self.targets: list[dict[str, Tensor]] = []
        shares = torch.tensor(weights) / sum(weights)
        pictures = list(styles)
        with torch.no_grad():
            for _ in range(2):
                found = [grams(features(picture)) for picture in pictures]
                self.targets.append(
                    {
                        layer: sum((share * g[layer] for share, g in zip(shares, found, strict=True)), torch.zeros(()))
                        for layer in features.style_layers
                    }
                )
                pictures = [half(picture) for picture in pictures]

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
    """`style_distance` of `x` to the style pictures, and content distance to the photos, all (N, 3, H, W) with sides of
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


class NearestStyle:
    """Distance of pictures from the style of paintings, and from what they show, at two scales.

    A painter's works have many palettes, whose mean is gray. So each photo has a target of its own: the part of a
    painting whose colours (mean and standard deviation of each channel) are nearest to those of the photo. Skies are
    painted like painted skies, and trees like trees.

    Args:
        features: the network that looks.
        paintings: (1, 3, H, W), 0..1.
        side: of the parts, in pixels.
        share: of the parts that is used, from 0 to 1: those in which most is to be seen, by their mean gradient. Flat
            ones teach no strokes.
    """

    def __init__(self, features: Features, paintings: Sequence[Tensor], side: int, share: float = 1.0) -> None:
        self.features = features
        parts = [part for picture in paintings for part in _parts(picture, side)]
        parts = sorted(parts, key=_detail, reverse=True)[: max(1, round(share * len(parts)))]
        self.parts = torch.cat([(part * 255).round().to(torch.uint8) for part in parts])
        self.colours = torch.cat([_colours(part) for part in parts])

    def nearest(self, photos: Tensor) -> Tensor:
        """(N, 3, side, side): for each of N photos the part of a painting whose colours are nearest."""
        chosen = torch.cdist(_colours(photos), self.colours).argmin(1)
        return self.parts[chosen].float().div_(255).contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """`style_distance` of `x`, painted from `photos`, to their paintings, and content distance to `photos`, both
        (N, 3, H, W) with sides of at least 32 pixels; each is the mean of the two scales."""
        return style_and_content(self.features, x, photos, self.nearest(photos))


def _parts(picture: Tensor, side: int) -> list[Tensor]:
    """The squares that lie beside each other in (1, C, H, W)."""
    rows, columns = (range(0, length - side + 1, side) for length in picture.shape[2:])
    return [picture[..., top : top + side, left : left + side] for top in rows for left in columns]


def _detail(picture: Tensor) -> float:
    return (picture.diff(dim=2).abs().mean() + picture.diff(dim=3).abs().mean()).item()


def _colours(pictures: Tensor) -> Tensor:
    """Mean and standard deviation of each channel: (N, C, H, W) to (N, 2 C), in float32."""
    values = pictures.float().flatten(2)
    return torch.cat([values.mean(2), values.std(2)], 1)
