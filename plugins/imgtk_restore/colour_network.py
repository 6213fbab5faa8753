"""`ColouriseNet`: the network of `restore:colourise`, and the features on which it stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from imgtk.nn.features import WIDTHS, Features
from imgtk.nn.initialise import kaiming

__all__ = ["ColouriseNet", "Colouriser", "seen"]

EIGHTH, SIXTEENTH = "fire5", "fire7"
"""Layers of imgtk's feature network that count: at an eighth and at a sixteenth of the size."""
LEAST = 0.05
"""Standard deviation below which features are not made larger: they are hardly ever there."""
SPREAD = 30.0
"""Unit of the network's result, in a* and b*: about the standard deviation of vivid colours."""
REACHES = (1, 2)
"""Dilations of the layers that look around, at a sixteenth of the size."""


class ColouriseNet(nn.Module):
    """Tells colours from what a feature network sees in a gray image.

    It is small, so that it learns what a few hundred photos can teach, and leaves it to the features to know what
    there is to see. What the whole image shows counts everywhere (Iizuka et al. 2016, "Let there be color!", section
    3.2), and so does how far up a place lies.

    Args:
        width: channels.
        dropout: share of the features that training leaves out.
    """

    multiple = 16
    scale_of_result = 8

    def __init__(self, width: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.usual = nn.ModuleList(Usual(WIDTHS[layer]) for layer in (EIGHTH, SIXTEENTH))
        self.deep = kaiming(nn.Conv2d(WIDTHS[SIXTEENTH], width, 1), gain=0.5)
        self.whole = kaiming(nn.Conv2d(WIDTHS[SIXTEENTH], width, 1), gain=0.5)
        self.height = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.around = nn.ModuleList(_looking_around(width, reach) for reach in REACHES)
        self.eighth = kaiming(nn.Conv2d(WIDTHS[EIGHTH], width, 1), gain=0.5)
        self.mix = kaiming(nn.Conv2d(width, width, 1), gain=0.5)
        self.tail = kaiming(nn.Conv2d(width, 2, 1), gain=0.1)

    @property
    def description(self) -> str:
        return f"ColouriseNet on imgtk's features, {self.tail.in_channels} channels"

    def example_inputs(self) -> tuple[Tensor, Tensor]:
        """Return features that `forward` takes, always the same, for checks of its weights."""
        generator = torch.Generator().manual_seed(0)
        return (
            torch.rand(1, WIDTHS[EIGHTH], 8, 12, generator=generator),
            torch.rand(1, WIDTHS[SIXTEENTH], 4, 6, generator=generator),
        )

    def forward(self, eighth: Tensor, sixteenth: Tensor) -> Tensor:
        """Tell colours.

        Args:
            eighth, sixteenth: features of an image as `seen` returns them, (N, C, H / 8, W / 8) and (N, C, H / 16,
                W / 16).

        Returns:
            a* and b*, (N, 2, H / 8, W / 8).
        """
        eighth, sixteenth = (usual(x) for usual, x in zip(self.usual, (eighth, sixteenth), strict=True))
        whole = self.whole(self.dropout(sixteenth.mean((2, 3), keepdim=True)))
        rows = torch.linspace(-1, 1, sixteenth.shape[2], device=sixteenth.device).to(sixteenth.dtype).view(1, 1, -1, 1)
        y = relu(self.deep(self.dropout(sixteenth)) + whole + self.height * rows)
        for conv in self.around:
            y = y + relu(conv(y))
        y = interpolate(y, size=eighth.shape[2:], mode="bilinear")
        y = relu(y + self.eighth(self.dropout(eighth)))
        y = y + relu(self.mix(y))
        colours: Tensor = SPREAD * self.tail(y)
        return colours


class Usual(nn.Module):
    """Shifts and scales features (N, channels, H, W), so that those of usual images have mean 0 and variance 1.

    Args:
        channels: of the features. Until `measure` is called, they stay as they are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))

    def measure(self, x: Tensor) -> None:
        """Take the features of usual images, (N, channels, H, W)."""
        self.mean.copy_(x.float().mean((0, 2, 3), keepdim=True))
        self.deviation.copy_(x.float().std((0, 2, 3), keepdim=True).clamp_min(LEAST))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class Colouriser(nn.Module):
    """A feature network and a `ColouriseNet` in one: (N, 3, H, W), gray, 0..1, to a* and b*, (N, 2, H / 8, W / 8), of
    sides that `ColouriseNet.multiple` divides."""

    def __init__(self, features: Features, head: ColouriseNet) -> None:
        super().__init__()
        self.features, self.head = features, head.eval()

    def forward(self, x: Tensor) -> Tensor:
        colours: Tensor = self.head(*seen(self.features, x))
        return colours


def seen(features: Features, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what imgtk's feature network sees in gray images (N, 3, H, W), as `ColouriseNet` takes it."""
    found = features(x, (EIGHTH, SIXTEENTH))
    return found[EIGHTH].log1p(), found[SIXTEENTH].log1p()


def _looking_around(width: int, reach: int) -> nn.Conv2d:
    conv = nn.Conv2d(width, width, 3, padding=reach, dilation=reach, padding_mode="replicate")
    return kaiming(conv, gain=0.5)
