"""`GlyphVAE`: letters and digits in invented styles."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from imgtk_generate.blocks import Enlarge
from imgtk_generate.glyphs import CELL, CHARACTERS

__all__ = ["REACH", "GlyphVAE", "coverage"]

REACH = 6.0
"""Pixels of a cell from the outline at which distances are cut off; the network gives them as parts of this."""
EMBEDDING = 32
START = CELL >> 4
"""Side of the features that the decoder begins with."""


class GlyphVAE(nn.Module):
    """A conditional variational autoencoder (Kingma and Welling 2014; Sohn et al. 2015) of glyphs.

    The condition is the character, the latent code the style: what all glyphs of a font share. Glyphs are fields of
    signed distances to their outlines, positive inside, which have sharp edges at every size ("Improved alpha-tested
    magnification for vector textures and special effects", Green 2007).

    Args:
        width: channels at half of the size; there are twice, three and four times as many further in.
        style: numbers of a style.

    Attributes:
        centre, spread: mean (style,) and a square root of the covariance (style, style) of the codes of the fonts that
            were learnt, from which styles are drawn.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int = 24, style: int = 16) -> None:
        super().__init__()
        self.width, self.style = width, style
        self.register_buffer("centre", torch.zeros(style))
        self.register_buffer("spread", torch.eye(style))
        self.character = nn.Embedding(len(CHARACTERS), EMBEDDING)
        self.encoder = nn.ModuleList(
            nn.Conv2d(inputs, width * level, 3, stride=2, padding=1)
            for level, inputs in enumerate((1, width, 2 * width, 3 * width), 1)
        )
        self.features = nn.Linear(4 * width * START**2 + EMBEDDING, 8 * width)
        self.code = nn.Linear(8 * width, 2 * style)
        self.mixer = nn.Sequential(
            nn.Linear(style + EMBEDDING, 8 * width), nn.ReLU(), nn.Linear(8 * width, 8 * width), nn.ReLU()
        )
        self.start = nn.Linear(8 * width, 4 * width * START**2)
        self.decoder = nn.ModuleList(
            Enlarge(inputs * width, outputs * width, 8 * width) for inputs, outputs in ((4, 3), (3, 2), (2, 1))
        )
        self.last = nn.Conv2d(width, 4, 3, padding=1)
        self.unfold = nn.PixelShuffle(2)

    @property
    def description(self) -> str:
        return f"GlyphVAE, {self.width} channels, styles of {self.style} numbers"

    def encode(self, glyphs: Tensor, characters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the style, (N, style) each, of fields (N, 1, 64, 64)."""
        for layer in self.encoder:
            glyphs = relu(layer(glyphs))
        features = torch.cat((glyphs.flatten(1), self.character(characters).to(glyphs.dtype)), 1)
        mean, variance = self.code(relu(self.features(features))).float().chunk(2, 1)
        return mean, variance.clamp(-8, 4)

    def decode(self, styles: Tensor, characters: Tensor) -> Tensor:
        """Fields (N, 1, 64, 64), as parts of `REACH`, of characters (N,) in styles (N, style)."""
        mixed = self.mixer(torch.cat((styles.to(self.start.weight.dtype), self.character(characters)), 1))
        x = self.start(mixed).view(-1, 4 * self.width, START, START)
        for layer in self.decoder:
            x = layer(x, mixed)
        field: Tensor = self.unfold(self.last(relu(x)))
        return field

    def forward(self, styles: Tensor, characters: Tensor) -> Tensor:
        """`decode`."""
        return self.decode(styles, characters)

    def example_inputs(self) -> tuple[Tensor, Tensor]:
        """Return styles (4, style) and characters (4,): arguments of `forward`, always the same."""
        return torch.linspace(-1, 1, 4 * self.style).view(4, self.style), torch.arange(4)

    def draw_styles(self, normal: Tensor) -> Tensor:
        """Styles (N, style) for standard normal numbers of that shape."""
        return self.centre + normal.to(self.spread) @ self.spread.T


def coverage(field: Tensor, scale: float = 1.0) -> Tensor:
    """Give how much of each pixel is inked, 0..1.

    Args:
        field: distances to outlines as parts of `REACH`.
        scale: pixels of `field` per pixel of a cell.
    """
    return (field.float() * (REACH * scale) + 0.5).clamp(0, 1)
