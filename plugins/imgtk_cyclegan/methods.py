"""The tie between a translated image and its original: the way back (CycleGAN) or its own patches (CUT).

A method is a module around the networks that it trains. Called with photos and paintings (N, 3, H, W), 0..1, it returns
their translations and its weighted losses; those of the discriminator are added by `imgtk_cyclegan.trainer`. Its
argument `drawn` returns a `Source` with fresh noise for a batch; `apart` is the distance of what was made from what it
should be.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss, normalize

from imgtk.nn.blur import gaussian_blur
from imgtk.nn.normalise import OWN, NormalisingNetwork, Source
from imgtk.painting.strokes import SMOOTH
from imgtk.painting.trainer import periodic_borders
from imgtk_cyclegan.network import ResnetGenerator

__all__ = ["Contrast", "Cycle", "Fakes", "PaintedPairs"]

TEMPERATURE = 0.07
"""Temperature of the softmax over patches (Park et al. 2020, section 3)."""
EMBEDDING = 256
"""Length of the vectors by which patches are compared (Park et al. 2020, appendix C.1)."""

Drawn = Callable[[Tensor], Source]
Distance = Callable[[Tensor, Tensor], Tensor]

Fakes = dict[str, Tensor]
"""Translated images by the domain that they should belong to: "paintings", and "photos" if there is a way back."""


def own(x: Tensor) -> Source:
    """Return the source for generators that take no noise."""
    return OWN


def pixels_apart(x: Tensor, y: Tensor) -> Tensor:
    """Return L1 in the papers' units, in which images are within -1..1."""
    return 2 * l1_loss(x, y)


class Cycle(nn.Module):
    """Cycle consistency and identity: the way back restores an image, and images of the target domain stay as they are
    (Zhu et al. 2017, sections 3.2, 5.2).

    Args:
        there, back: the generators.
        cycle, identity: weights of the losses.
    """

    def __init__(self, there: NormalisingNetwork, back: NormalisingNetwork, cycle: float, identity: float) -> None:
        super().__init__()
        self.there, self.back = there, back
        self.cycle, self.identity = cycle, identity

    def forward(
        self, photos: Tensor, paintings: Tensor, drawn: Drawn = own, apart: Distance = pixels_apart
    ) -> tuple[Fakes, dict[str, Tensor]]:
        both, turned = torch.cat([photos, paintings]), torch.cat([paintings, photos])
        painted, kept_paintings = self.there(both, drawn(both)).chunk(2)
        developed, kept_photos = self.back(turned, drawn(turned)).chunk(2)
        photos_again, paintings_again = self.back(painted, drawn(painted)), self.there(developed, drawn(developed))
        cycle = apart(photos_again, photos) + apart(paintings_again, paintings)
        identity = pixels_apart(kept_paintings, paintings) + pixels_apart(kept_photos, photos)
        losses = {"cycle": self.cycle * cycle, "identity": self.identity * identity}
        return {"paintings": painted, "photos": developed}, losses


class PaintedPairs(Cycle):
    """`Cycle` for a painter that is good from the first step: what it paints and the photo are a pair from which the
    way back learns. No gradient of it reaches the painter, which would otherwise hide the photo in its strokes.

    The painter's noise makes another painting each time, so no painting can be asked to come back, or to stay as it is;
    instead the painter keeps the colours of the photo, but for those of its strokes.

    Args:
        there: the painter.
        back, cycle, identity: see `Cycle`.
        colour: weight of the distance of the painted photo from the photo, both blurred.
    """

    def __init__(
        self, there: NormalisingNetwork, back: NormalisingNetwork, cycle: float, identity: float, colour: float
    ) -> None:
        super().__init__(there, back, cycle, identity)
        self.colour = colour

    def forward(
        self, photos: Tensor, paintings: Tensor, drawn: Drawn = own, apart: Distance = pixels_apart
    ) -> tuple[Fakes, dict[str, Tensor]]:
        with periodic_borders(self.there):
            painted = self.there(photos, drawn(photos))
        given = torch.cat([paintings, photos, painted.detach()])
        developed, kept_photos, photos_again = self.back(given, drawn(given)).chunk(3)
        losses = {
            "cycle": self.cycle * apart(photos_again, photos),
            "identity": self.identity * pixels_apart(kept_photos, photos),
            "colour": self.colour * pixels_apart(*(gaussian_blur(x.float(), SMOOTH) for x in (painted, photos))),
        }
        return {"paintings": painted, "photos": developed}, losses


class Contrast(nn.Module):
    """Patch contrast (PatchNCE, Park et al. 2020, sections 3 and 4): a patch of the painting must say more about the
    patch of the photo at its place than about all others, by the features of the generator's first half.

    Args:
        there: the generator.
        weight: of the loss, which also applies to paintings that are translated, so that they stay.
        patches: number of places at which each image is compared, at each of five depths.
    """

    def __init__(self, there: ResnetGenerator, weight: float, patches: int) -> None:
        super().__init__()
        self.there = there
        self.weight, self.patches = weight, patches
        widths = [features.shape[1] for features in self.there.encode(torch.zeros(1, 3, 32, 32))]
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING)) for width in widths
        )

    def forward(
        self, photos: Tensor, paintings: Tensor, drawn: Drawn = own, apart: Distance = pixels_apart
    ) -> tuple[Fakes, dict[str, Tensor]]:
        given = torch.cat([photos, paintings])
        made = self.there(given, drawn(given))
        with torch.no_grad():
            keys = self.there.encode(given)
        losses = []
        for head, key, query in zip(self.heads, keys, self.there.encode(made), strict=True):
            places = torch.randperm(key.shape[2] * key.shape[3])[: self.patches].to(key.device)
            ours, theirs = (normalize(head(x.flatten(2)[..., places].mT).float(), dim=2) for x in (query, key))
            similarity = ours @ theirs.detach().mT / TEMPERATURE
            right = torch.arange(len(places), device=key.device).expand(len(given), -1)
            losses.append(cross_entropy(similarity.flatten(0, 1), right.flatten()))
        return {"paintings": made[: len(photos)]}, {"contrast": self.weight * torch.stack(losses).mean()}
