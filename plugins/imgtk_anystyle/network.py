"""The any-style network, which turns statistics of a style image into a network that paints in that style.

Adaptive instance normalisation (Huang and Belongie 2017): the style sets scale and shift of every normalisation. As in
Ghiasi et al. 2017 a small network predicts them, here from means and deviations of our frozen features on several
levels. The painting network is that of the trained styles; at its end its three channels are normalised once more, and
get means and covariance of the style's colours.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.border import at_least
from imgtk.nn.features import WIDTHS, Features, compact, distilled
from imgtk.nn.normalise import OWN, Normalise, NormalisingNetwork, Source, moments, normalised
from imgtk.painting.network import EPSILON, StyleNetwork
from imgtk.weights.architecture import State

__all__ = ["AnyStyleNetwork", "Painter", "StyledNetwork", "encoder_for"]

LAYERS = ("conv1", "fire3", "fire5")
"""Layers of the features whose statistics tell a style."""
SMALLEST = 64
"""Side in pixels to which smaller style images are extended, so that all layers see something."""
PALETTE = 12
"""Numbers that tell the style's colours: their mean, and the root of their covariance."""

Affine = Iterator["tuple[Tensor, Tensor]"]
"""Scale and shift (N, C) of each normalisation, in order of their use."""


class Painter(nn.Module):
    """Images (N, 3, H, W), RGB, 0..1, sides multiples of 8, to paintings of the same size, in float32, within 0..1.

    Args:
        width, blocks: of the `StyleNetwork`.

    Attributes:
        norms: channels of each normalisation, by its name in the `StyleNetwork`, in order of their use.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.network = StyleNetwork(width, blocks)
        self.norms: dict[str, int] = {}
        for name, module in self.network.named_modules():
            if isinstance(module, Normalise):
                assert module.weight is not None
                self.norms[name] = len(module.weight)
                module.weight = module.bias = None  # those of the style take their place
        self.norms["out"] = 3

    def forward(self, x: Tensor, affine: Affine, palette: Tensor, source: Source) -> Tensor:
        """Paint `x` with a style; for `palette` (N, 12) see `palettes`."""
        logits = self.network.logits(x, Source(source.moments, source.noise, affine.__next__))
        logits = normalised(logits, source(logits), *next(affine), epsilon=EPSILON)
        mean, root = palette[:, :3, None, None], palette[:, 3:].unflatten(1, (3, 3))
        return torch.sigmoid(torch.einsum("nij,njhw->nihw", root.float(), logits) + mean.float())


class StyledNetwork(NormalisingNetwork):
    """A painter and one style.

    Args:
        affine: (1, C): all scales and shifts, as `AnyStyleNetwork.predict` gives them.
        palette: (1, 12).
    """

    multiple = StyleNetwork.multiple
    noisy = True

    def __init__(self, painter: Painter, affine: Tensor, palette: Tensor) -> None:
        super().__init__()
        self.painter = painter
        self.register_buffer("affine", affine)
        self.register_buffer("palette", palette)

    @property
    def description(self) -> str:
        return f"AnyStyleNetwork's painter: {self.painter.network.description}"

    @property
    def radius(self) -> int:
        return self.painter.network.radius

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        affine = split(self.get_buffer("affine"), self.painter)
        painted: Tensor = self.painter(x, affine, self.get_buffer("palette"), self.sourced(source, x))
        return painted


class AnyStyleNetwork(nn.Module):
    """Paints images in the style of others.

    A style is told by a code (N, C): means and deviations of features, and the palette. Codes may be blended.

    Args:
        width, blocks: see `Painter`.
        bottleneck: numbers between a style's code and the scales and shifts.
        encoder: looks at the style; see `encoder_for`.
    """

    def __init__(
        self, width: int = 48, blocks: int = 4, bottleneck: int = 128, encoder: Features | None = None
    ) -> None:
        super().__init__()
        self.width, self.blocks, self.bottleneck = width, blocks, bottleneck
        self.encoder = encoder or encoder_for({})
        size = 2 * sum(WIDTHS[name] for name in LAYERS) + PALETTE
        self.register_buffer("usual", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.painter = Painter(width, blocks)
        self.narrow = nn.Linear(size, bottleneck)
        count = sum(self.painter.norms.values())
        self.predict = nn.Linear(bottleneck, 2 * count)
        nn.init.normal_(self.predict.weight, std=0.1 / bottleneck**0.5)
        with torch.no_grad():
            self.predict.bias.copy_(torch.cat([torch.ones(count), torch.zeros(count)]))

    @property
    def description(self) -> str:
        return f"AnyStyleNetwork, {self.blocks} blocks, {self.width} channels, {self.bottleneck} per style, noise"

    def code(self, style: Tensor) -> Tensor:
        """Return codes (N, C), in float32, of style images (N, 3, H, W), RGB, 0..1."""
        found = self.encoder(at_least(style, SMALLEST), LAYERS)
        parts = []
        for name in LAYERS:
            mean, variance = moments(found[name]).unbind(1)
            parts += [mean, variance.sqrt()]
        return torch.cat([*parts, palettes(style)], 1)

    @property
    def standardised(self) -> bool:
        return bool(self.get_buffer("usual").any())

    def standardise(self, codes: Tensor) -> None:
        """Learn from `codes` (N, C) what is usual: predictions start from differences to it."""
        self.get_buffer("usual").copy_(codes.mean(0))
        self.get_buffer("spread").copy_(codes.std(0).clamp_min(1e-3))

    def affine(self, code: Tensor) -> Tensor:
        """Return all scales and shifts (N, C) for styles."""
        x = (code - self.get_buffer("usual")) / self.get_buffer("spread")
        scales: Tensor = self.predict(F.silu(self.narrow(x.clamp(-5, 5)))).float()
        return scales

    def forward(self, x: Tensor, style: Tensor, source: Source = OWN) -> Tensor:
        """Return `x` (N, 3, H, W) painted in the styles of `style` (N, 3, H', W'); sides multiples of 8."""
        with torch.no_grad():
            code = self.code(style)
        painted: Tensor = self.painter(x, split(self.affine(code), self.painter), code[:, -PALETTE:], source)
        return painted

    def in_style(self, code: Tensor) -> StyledNetwork:
        """Return the network that paints in the style of one code (1, C)."""
        return StyledNetwork(self.painter, self.affine(code), code[:, -PALETTE:]).eval()

    def start_from(self, state: State) -> None:
        """Begin as another network of this kind, or as one of a single style, which is then painted for every style.

        Raises:
            KeyError, RuntimeError: it is neither, or of another size.
        """
        if "predict.weight" in state:
            self.encoder = encoder_for(state)
            self.load_state_dict(state)
            return
        network = self.painter.network
        network.load_state_dict({name: state[name] for name in network.state_dict()})
        names = [name for name in self.painter.norms if name != "out"]
        scales, shifts = ([state[f"{name}.{which}"].float() for name in names] for which in ("weight", "bias"))
        with torch.no_grad():
            self.predict.bias.copy_(torch.cat([*scales, torch.ones(3), *shifts, torch.zeros(3)]))


def encoder_for(state: State) -> Features:
    """Return the feature network, untrained, that fits the weights of an `AnyStyleNetwork`: without strides for those
    made with our earlier one. It is frozen, and ends at the last layer that is used."""
    encoder = compact() if "encoder.features.3.weight" in state else distilled()
    encoder.features = nn.Sequential(*list(encoder.features)[: encoder.taps[LAYERS[-1]] + 1])
    return encoder.requires_grad_(False)


def split(affine: Tensor, painter: Painter) -> Affine:
    """Return (N, C), first all scales, then all shifts, for each normalisation of the painter."""
    widths = list(painter.norms.values())
    scales, shifts = affine.chunk(2, 1)
    return iter(list(zip(scales.split(widths, 1), shifts.split(widths, 1), strict=True)))


def palettes(images: Tensor) -> Tensor:
    """Return the colours of images (N, 3, H, W) as (N, 12): mean and root of the covariance of their logits, in
    float32."""
    logits = torch.logit(images.float().clamp(0.02, 0.98)).flatten(2)
    mean = logits.mean(2)
    centred = logits - mean[..., None]
    with torch.autocast(images.device.type, enabled=False):
        covariance = centred @ centred.transpose(1, 2) / logits.shape[2]
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.transpose(1, 2)
    return torch.cat([mean, root.flatten(1)], 1)
