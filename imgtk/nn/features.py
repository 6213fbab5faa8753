"""Perceptual features: frozen networks whose inner layers say how alike two images look.

`load_features()` returns imgtk's own small network, distilled from an ImageNet-trained SqueezeNet 1.1 by the recipe
`features` of `style:gram`. `load_features(path)` reads a file in torchvision's key layout: squeezenet1_1, vgg16 or
vgg19, with or without classifier, recognised by its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from imgtk.errors import WeightsError
from imgtk.nn.border import at_least
from imgtk.weights.architecture import State

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "WIDTHS",
    "Features",
    "Fire",
    "Pooling",
    "compact",
    "distilled",
    "load_features",
    "recognise",
    "squeezenet",
    "vgg",
]

Pooling = Literal["max", "average"]
"""How a feature network reduces its layers. Gram losses use averages (Gatys et al. 2016, section 2)."""


IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Means of R, G and B in ImageNet, 0..1, as torchvision has them."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviations of R, G and B in ImageNet, 0..1, as torchvision has them."""

SMALLEST = 3
"""Side in pixels of the smallest image that a first convolution without padding takes."""

SQUEEZENET_STYLE = ("conv1", "fire2", "fire3", "fire5", "fire7")
SQUEEZENET_CONTENT = ("fire3", "fire5")
WIDTHS = {
    **{"conv1": 64, "fire2": 128, "fire3": 128, "fire4": 256, "fire5": 256},
    **{"fire6": 384, "fire7": 384, "fire8": 512, "fire9": 512},
}
"""Channels of the layers of SqueezeNet and of our own networks."""
SQUEEZENET_TAPS = {
    **{"conv1": 1, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7},
    **{"fire6": 9, "fire7": 10, "fire8": 11, "fire9": 12},
}


class Features(nn.Module):
    """A frozen network and the names of its layers.

    Attributes:
        name: the architecture: "imgtk", "squeezenet1_1", "vgg16" or "vgg19".
        taps: index into `features`, by layer name, from shallow to deep.
        style_layers: layers whose Gram matrices describe a style; what a call returns by default.
        content_layers: two layers that hold the content, the shallower first.
    """

    features: nn.Sequential
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        features: nn.Sequential,
        taps: Mapping[str, int],
        style_layers: tuple[str, ...],
        content_layers: tuple[str, str],
    ) -> None:
        super().__init__()
        self.name, self.features, self.taps = name, features, dict(taps)
        self.style_layers, self.content_layers = style_layers, content_layers
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN, device="cpu").view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD, device="cpu").view(1, 3, 1, 1), persistent=False)

    def freeze(self) -> Features:
        """Return the switch to evaluation mode, without gradients for the weights, and return itself."""
        return self.eval().requires_grad_(False)

    def forward(self, x: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the features of images.

        Args:
            x: (N, 3, H, W), RGB, 0..1, not normalised. Sides of 1 or 2 pixels are extended.
            layers: names from `taps`; `style_layers` when left out.

        Returns:
            (N, C, H', W') for each layer asked for, after its ReLU, from shallow to deep.

        Raises:
            KeyError: for an unknown layer.
        """
        wanted = {self.taps[layer]: layer for layer in (self.style_layers if layers is None else layers)}
        found = {}
        x = (at_least(x, SMALLEST) - self.mean) / self.std
        last = max(wanted, default=-1)
        for index, module in enumerate(self.features):
            if index > last:
                break
            x = module(x)
            if index in wanted:
                found[wanted[index]] = x
        return found

    def embed(self, x: Tensor) -> Tensor:
        """Return a vector per image, for distances between sets of images (`imgtk.metrics.kid`): the average over
        positions of the deepest layer, scaled to a mean square of 1, so that networks give comparable distances. (N, 3,
        H, W) to (N, C), in float32."""
        deepest = max(self.taps, key=lambda layer: self.taps[layer])
        vectors = self(x, [deepest])[deepest].float().mean((2, 3))
        return vectors / vectors.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


class Fire(nn.Module):
    """SqueezeNet's module: a 1x1 convolution narrows, a 1x1 and a 3x3 side by side widen (Iandola et al. 2016)."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).relu()

    def linear(self, x: Tensor) -> Tensor:
        """Return what the last ReLU is applied to."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1)


def squeezenet(pooling: Pooling = "max") -> Features:
    """Return SqueezeNet 1.1 without classifier, in torchvision's key layout (`features.0.weight` …), untrained."""
    layers = [*_squeezenet(pooling, 1), Fire(384, 64, 256), Fire(512, 64, 256)]
    return Features("squeezenet1_1", nn.Sequential(*layers), SQUEEZENET_TAPS, SQUEEZENET_STYLE, SQUEEZENET_CONTENT)


def distilled() -> Features:
    """Return our own network, untrained: SqueezeNet's layers conv1 to fire7, with twice as many channels where it
    narrows. A network just as narrow as its teacher gets stuck far from it."""
    taps = {name: index for name, index in SQUEEZENET_TAPS.items() if name not in ("fire8", "fire9")}
    layers = nn.Sequential(*_squeezenet("average", 2))
    return Features("imgtk", layers, taps, SQUEEZENET_STYLE, SQUEEZENET_CONTENT)


def _squeezenet(pooling: Pooling, wider: int) -> list[nn.Module]:
    """Return conv1 to fire7, with `wider` times the usual channels where a fire module narrows."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True) if pooling == "max" else nn.AvgPool2d(2, ceil_mode=True)

    return [
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16 * wider, 64), Fire(128, 16 * wider, 64)),
        *(pool(), Fire(128, 32 * wider, 128), Fire(256, 32 * wider, 128)),
        *(pool(), Fire(256, 48 * wider, 192), Fire(384, 48 * wider, 192)),
    ]


VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
# Johnson et al. 2016, section 4.1, for VGG-16; Gatys et al. 2016, section 3, for VGG-19.
VGG_STYLE = {
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    "vgg19": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
}
VGG_CONTENT = {"vgg16": ("relu2_2", "relu3_3"), "vgg19": ("relu3_2", "relu4_2")}


def vgg(name: str, pooling: Pooling = "max") -> Features:
    """Return VGG-16 or VGG-19 without classifier, in torchvision's key layout, untrained."""
    modules: list[nn.Module] = []
    taps = {}
    channels = 3
    for block, convs in enumerate(VGG_BLOCKS[name], 1):
        if block > 1:
            modules.append(nn.MaxPool2d(2, ceil_mode=True) if pooling == "max" else nn.AvgPool2d(2, ceil_mode=True))
        width = min(64 * 2 ** (block - 1), 512)
        for conv in range(1, convs + 1):
            modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            taps[f"relu{block}_{conv}"] = len(modules) - 1
            channels = width
    return Features(name, nn.Sequential(*modules), taps, VGG_STYLE[name], VGG_CONTENT[name])


def _conv(channels: int, width: int, kernel: int = 3) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU()]


def compact() -> Features:
    """Return the network through which `style:any` looks at a style, untrained: SqueezeNet's layers by name, width and
    scale, without its strides. Every convolution has stride 1 and every pool averages 2x2."""
    modules: list[nn.Module] = [*_conv(3, 16), nn.AvgPool2d(2, ceil_mode=True), *_conv(16, 64)]
    taps = {"conv1": len(modules) - 1}
    channels = 64
    for names, squeeze, width in (
        (("fire2", "fire3"), 16, 128),
        (("fire4", "fire5"), 32, 256),
        (("fire6", "fire7"), 48, 384),
    ):
        modules.append(nn.AvgPool2d(2, ceil_mode=True))
        for name in names:
            modules += [*_conv(channels, squeeze, 1), *_conv(squeeze, width)]
            taps[name] = len(modules) - 1
            channels = width
    return Features("imgtk", nn.Sequential(*modules), taps, SQUEEZENET_STYLE, SQUEEZENET_CONTENT)


def load_features(backbone: str | Path = "imgtk", *, pooling: Pooling = "max") -> Features:
    """Return a frozen feature network.

    Args:
        backbone: "imgtk" for the shipped network, or the name of added weights, or a file; of torchvision's
            squeezenet1_1, vgg16 or vgg19.
        pooling: of the networks read from files; "average" gives smoother gradients for optimising images. Ours
            always averages.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    from imgtk.weights import locate, read_state

    path = locate("features" if str(backbone) == "imgtk" else backbone, package="imgtk.nn")
    found = recognise(read_state(path), pooling)
    if found is None:
        raise WeightsError(
            f"{path}: not a feature network that imgtk knows",
            hint="Give a file of torchvision's squeezenet1_1, vgg16 or vgg19, or leave the backbone at imgtk.",
        )
    network, state = found
    network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return network.freeze()


def recognise(state: State, pooling: Pooling = "max") -> tuple[Features, State] | None:
    """Return the feature network that a state dict belongs to, on the "meta" device, and its tensors without the
    classifier; None where it is none."""
    state = {key: value for key, value in state.items() if key.startswith("features.")}
    builders: list[Callable[[], Features]] = [
        distilled,
        compact,
        lambda: squeezenet(pooling),
        lambda: vgg("vgg16", pooling),
        lambda: vgg("vgg19", pooling),
    ]
    shapes = {key: value.shape for key, value in state.items()}
    for build in builders:
        with torch.device("meta"):  # no memory, no random numbers
            network = build()
        if shapes == {key: value.shape for key, value in network.state_dict().items()}:
            return network, state
    return None
