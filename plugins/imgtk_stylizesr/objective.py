"""What photos are to become: the style of the part of a painting whose colours are nearest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imgtk.nn.features import Features
from imgtk.nn.losses import content_distance, gram_distance, grams
from imgtk.painting.objective import half

__all__ = ["NearestStyle"]


class NearestStyle:
    """Distance of pictures from the style of paintings, and from what they show, at two scales.

    A painter's works have many palettes, whose mean is gray. So each photo has a target of its own: the part of a
    painting whose colours (mean and standard deviation of each channel) are nearest to those of the photo. Skies are
    painted like painted skies, and trees like trees.

    Args:
        features: the network that looks.
        paintings: (1, 3, H, W), 0..1.
        side: of the parts, in pixels.
    """

    def __init__(self, features: Features, paintings: Sequence[Tensor], side: int) -> None:
        self.features = features
        parts = [part for picture in paintings for part in _parts(picture, side)]
        self.parts = torch.cat([(part * 255).round().to(torch.uint8) for part in parts])
        self.colours = torch.cat([_colours(part) for part in parts])

    def nearest(self, photos: Tensor) -> Tensor:
        """(N, 3, side, side): for each of N photos the part of a painting whose colours are nearest."""
        chosen = torch.cdist(_colours(photos), self.colours).argmin(1)
        return self.parts[chosen].float().div_(255).contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised Gram distance of `x`, painted from `photos`, to the style, and content distance to `photos`, both
        (N, 3, H, W) with sides of at least 32 pixels; each is the mean of the two scales."""
        style, style_terms, content_terms = self.nearest(photos), [], []
        for layer in reversed(self.features.content_layers):
            ours = self.features(x, {*self.features.style_layers, layer})
            with torch.no_grad():
                theirs = self.features(photos, [layer])
                target = grams(self.features(style))
            style_terms.append(gram_distance(grams({name: ours[name] for name in target}), target))
            content_terms.append(content_distance({layer: ours[layer]}, theirs))
            x, photos, style = half(x), half(photos), half(style)
        return torch.stack(style_terms).mean(), torch.stack(content_terms).mean()


def _parts(picture: Tensor, side: int) -> list[Tensor]:
    """The squares that lie beside each other in (1, C, H, W)."""
    rows, columns = (range(0, length - side + 1, side) for length in picture.shape[2:])
    return [picture[..., top : top + side, left : left + side] for top in rows for left in columns]


def _colours(pictures: Tensor) -> Tensor:
    """Mean and standard deviation of each channel: (N, C, H, W) to (N, 2 C), in float32."""
    values = pictures.float().flatten(2)
    return torch.cat([values.mean(2), values.std(2)], 1)
