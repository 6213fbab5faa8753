"""UNIT (Liu et al. 2017): an encoder and a decoder per domain, which share a latent space.

The plan of the networks is that of the authors' second release: convolutions that halve the size, residual blocks, and
the same backwards. What one domain encodes, the decoder of the other can paint, since the innermost blocks are the same
ones for both domains, and since the codes are noisy while training (each domain is a variational autoencoder).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from imgtk.nn.initialise import kaiming
from imgtk.nn.noise import COARSE_STEP
from imgtk.nn.normalise import OWN, AddNoise, Chain, LayerNormalise, Measured, Normalise, NormalisingNetwork, Source

__all__ = ["DOMAINS", "UNIT", "Passes", "Translation"]

DOMAINS = ("photo", "painting")
"""The first and the second domain; the authors call them a and b."""


def convolution(channels: int, width: int, kernel: int, stride: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """Return a convolution with mirrored borders, Kaiming initialised times `gain`, bias 0."""
    conv = nn.Conv2d(channels, width, kernel, stride, (kernel - 1) // 2, padding_mode="reflect")
    return kaiming(conv, gain=gain)


class Convolution(Measured):
    """A convolution, normalised and rectified."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, *, norm: Normalise) -> None:
        super().__init__()
        self.conv = convolution(channels, width, kernel, stride)
        self.norm = norm

    def forward(self, x: Tensor, source: Source) -> Tensor:
        return self.norm(self.conv(x), source).relu()


class Enlarged(Convolution):
    """Twice the size, then `Convolution`.

    Args:
        smooth: enlarge bilinearly; otherwise pixels are repeated, as the authors do.
        noise: added before the rectification.
    """

    def __init__(self, channels: int, width: int, kernel: int, smooth: bool, noise: AddNoise | None = None) -> None:
        super().__init__(channels, width, kernel, norm=LayerNormalise(width))
        self.mode = "bilinear" if smooth else "nearest"
        self.noise = noise

    def forward(self, x: Tensor, source: Source) -> Tensor:
        y = self.norm(self.conv(interpolate(x, scale_factor=2.0, mode=self.mode)), source)
        return (y if self.noise is None else self.noise(y, source)).relu()


def instance_norm(channels: int, published: bool) -> Normalise:
    """Return instance normalisation with the smaller epsilon of published networks; what is as flat as rounding errors
    does not stay flat."""
    return Normalise(channels, affine=False, epsilon=1e-5 if published else 1e-3)


class Residual(Measured):
    """Two convolutions beside a skip; with noise between them where `noise` is given."""

    def __init__(self, channels: int, published: bool, noise: AddNoise | None = None) -> None:
        super().__init__()
        self.first, self.second = convolution(channels, channels, 3), convolution(channels, channels, 3)
        self.norm = instance_norm(channels, published)
        self.noise = noise

    def forward(self, x: Tensor, source: Source) -> Tensor:
        inner = self.norm(self.first(x), source)
        if self.noise is not None:
            inner = self.noise(inner, source)
        return x + self.norm(self.second(inner.relu()), source)


def _residuals(channels: int, count: int, published: bool, noise_from: int | None = None) -> list[Residual]:
    """Return residual blocks, with noise if `noise_from` is given: the number of the first one's field."""
    if noise_from is None:
        return [Residual(channels, published) for _ in range(count)]
    fields = range(noise_from, noise_from + count)
    return [Residual(channels, published, AddNoise(channels, COARSE_STEP, field, coarse=True)) for field in fields]


class Domain(nn.Module):
    """The modules that one domain does not share.

    Args:
        width: channels at the full size; they double where the size halves.
        downs: how often it halves.
        blocks: residual blocks of the encoder, and of the decoder.
        published: see `UNIT`.
        noise_from: number of the decoder's first field of noise; None for none.
    """

    def __init__(self, width: int, downs: int, blocks: int, published: bool, noise_from: int | None) -> None:
        super().__init__()

        def norm(channels: int) -> Normalise:
            return instance_norm(channels, published) if published else LayerNormalise(channels)

        widths = [width << level for level in range(downs + 1)]
        pairs = list(pairwise(widths))
        self.encoder = Chain(
            Convolution(3, width, 7, norm=norm(width)),
            *(Convolution(narrow, wide, 4, 2, norm=norm(wide)) for narrow, wide in pairs),
            *_residuals(widths[-1], blocks, published),
        )
        kernel = 5 if published else 3
        noises = [None if noise_from is None else AddNoise(narrow, narrow // width, 0) for narrow, _ in pairs]
        enlarging = zip(reversed(pairs), reversed(noises), strict=True)
        self.decoder = Chain(
            *_residuals(widths[-1], blocks, published, noise_from),
            *(Enlarged(wide, narrow, kernel, not published, noise) for (narrow, wide), noise in enlarging),
            convolution(width, 3, 7, gain=0.3),
        )


class Passes(NamedTuple):
    """What is made of a batch of photos and a batch of paintings, in this order in every pair.

    Attributes:
        codes: of the images and then of what was painted of them; four.
        reconstructed: what each domain's decoder makes of its own codes.
        translated: paintings made of the photos, and photos made of the paintings.
        returned: those, brought back.
    """

    codes: tuple[Tensor, ...]
    reconstructed: tuple[Tensor, Tensor]
    translated: tuple[Tensor, Tensor]
    returned: tuple[Tensor, Tensor]


class UNIT(nn.Module):
    """Both domains, and the residual blocks that they share. Its forward is for training: `Translation` translates.

    Both domains start from the same weights, so that a code means the same to both from the first step. Started apart,
    they agree about edges, but what is light in one may be dark in the other, which no loss forbids.

    Args:
        width, downs: see `Domain`.
        blocks: residual blocks that each domain has for itself.
        shared: residual blocks that follow in both encoders, and come first in both decoders.
        published: build the authors' networks: instance instead of layer normalisation before the residual blocks,
            which loses colours that the decoder then has to guess, and 5x5 convolutions after repeated pixels.
        noise: add noise in the residual blocks of the decoders, coarse and fine, and in their enlarging stages, so that
            flat areas get strokes in place of a weave; not in published files, and for `downs` of 2 only.
    """

    def __init__(
        self,
        width: int = 24,
        downs: int = 2,
        blocks: int = 2,
        shared: int = 1,
        published: bool = False,
        noise: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.downs, self.blocks, self.published = width, downs, blocks + shared, published
        self.noisy = noise
        noise_from = 0 if noise else None
        self.photo, self.painting = (
            Domain(width, downs, blocks, published, shared if noise else None) for _ in DOMAINS
        )
        self.painting.load_state_dict(self.photo.state_dict())
        self.encoder = Chain(*_residuals(width << downs, shared, published))
        self.decoder = Chain(*_residuals(width << downs, shared, published, noise_from))

    @property
    def description(self) -> str:
        noise = ", noise" if self.noisy else ""
        return f"UNIT, {self.blocks} + {self.blocks} blocks, {self.width} channels{noise}"

    @property
    def radius(self) -> int:
        """Receptive radius of a translated pixel, in pixels, given the moments; a multiple of the smallest side."""
        smallest = 1 << self.downs
        kernel = 5 if self.published else 3
        ends = 3 + 3
        down = sum(2 << level for level in range(self.downs))
        up = sum((2 << level) + (kernel // 2 << level) for level in range(self.downs))
        residuals = 2 * self.blocks * 2 * smallest
        return -(-(ends + down + residuals + up) // smallest) * smallest

    def encode(self, x: Tensor, domain: str, source: Source = OWN) -> Tensor:
        """Return codes (N, C, H', W') of images (N, 3, H, W), 0..1, of a domain of `DOMAINS`."""
        own: Domain = self.get_submodule(domain)  # type: ignore[assignment]
        code: Tensor = self.encoder(own.encoder(x * 2 - 1, source), source)
        return code

    def decode(self, code: Tensor, domain: str, source: Source = OWN) -> Tensor:
        """Return images (N, 3, H, W), 0..1, float32, of a domain, from codes of any."""
        own: Domain = self.get_submodule(domain)  # type: ignore[assignment]
        image: Tensor = own.decoder(self.decoder(code, source), source)
        return (image.float().tanh() + 1) / 2

    def forward(
        self,
        photos: Tensor,
        paintings: Tensor,
        sample: Callable[[Tensor], Tensor] = torch.clone,
        drawn: Callable[[Tensor], Source] = lambda _: OWN,
    ) -> Passes:
        """Return `Passes` of images (N, 3, H, W), sides multiples of 2 ** downs.

        Args:
            sample: codes as they are decoded, given codes: in training, noise is added.
            drawn: returns a source with fresh noise for images (N, 3, H, W) of a batch, if the network takes noise.
        """
        codes = self.encode(photos, "photo"), self.encode(paintings, "painting")
        sampled = [sample(code) for code in codes]
        # a decoder takes both codes in one batch
        from_photo, from_painting = torch.cat(sampled), torch.cat(sampled[::-1])
        both = torch.cat([photos, paintings])
        photos_again, photos_made = self.decode(from_photo, "photo", drawn(both)).chunk(2)
        paintings_again, paintings_made = self.decode(from_painting, "painting", drawn(both)).chunk(2)
        codes_of_made = self.encode(paintings_made, "painting"), self.encode(photos_made, "photo")
        returned = (
            self.decode(sample(codes_of_made[0]), "photo", drawn(photos)),
            self.decode(sample(codes_of_made[1]), "painting", drawn(paintings)),
        )
        return Passes(
            codes=(*codes, *codes_of_made),
            reconstructed=(photos_again, paintings_again),
            translated=(paintings_made, photos_made),
            returned=returned,
        )


class Translation(NormalisingNetwork):
    """The way through a `UNIT` from one domain to another, or back to the same one.

    Args:
        unit: whose modules are used, not copied.
        origin, target: domains of `DOMAINS`.
    """

    def __init__(self, unit: UNIT, origin: str, target: str) -> None:
        super().__init__()
        self.unit, self.origin, self.target = unit, origin, target
        self.multiple, self.noisy = 1 << unit.downs, unit.noisy

    @property
    def description(self) -> str:
        return self.unit.description

    @property
    def radius(self) -> int:
        return self.unit.radius

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        source = self.sourced(source, x)
        return self.unit.decode(self.unit.encode(x, self.origin, source), self.target, source)
