"""Trainer of `restore:colourise`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, huber_loss

from imgtk.geometry import Size
from imgtk.nn.features import load_features
from imgtk.nn.resample import resample
from imgtk.training.images import CropSampler, load_held_out
from imgtk.training.processes import on_whole_batch
from imgtk.training.recipe import Recipe
from imgtk.training.sheets import beside, stacked
from imgtk.training.trainer import Trainer
from imgtk.training.weights import load_init
from imgtk_restore.colour_network import ColouriseNet, Colouriser, seen
from imgtk_restore.colouring import SIDE, alike, colour_lines, colours_of, gray_of, on_lines, painted
from imgtk_restore.trainer import check_crop

__all__ = ["ColouriseRecipe", "ColouriseTrainer"]

SHRUNK = 0.84
"""Size at which images are held a second time, relative to the first: what the network will see lies between."""
VIVID = 10.0
"""Distance from gray at which a colour counts twice as much as gray: most pixels are nearly gray, and without this so
would all results be."""
DELTA = 20.0
"""Distance between two colours up to which the loss is quadratic; beyond, nobody could have known the colour."""
MEASURED = 48
"""Crops in which usual features are measured."""
SHOWN = 12
"""How many of the held-out images are shown in sample sheets."""


@dataclass(frozen=True)
class ColouriseRecipe(Recipe):
    """Settings of a training.

    Attributes:
        side: longer side in pixels of the images that crops are cut from; more than what the operator looks at.
        width: channels of the network.
        dropout: share of the features that are left out.
        tones: how much the tones of gray images vary, as a standard deviation: of the logarithm of their gamma.
    """

    name: str = "colourise"
    lr: float = 3e-3
    crop: int = 208
    ema: float = 0.98
    side: int = 384
    width: int = 64
    dropout: float = 0.3
    tones: float = 0.3


class ColouriseTrainer(Trainer[ColouriseRecipe]):
    """Trains the mean of the colours that what imgtk's feature network sees may have; the features stay as they are.

    Raises:
        TrainingError: for crops that do not suit.
    """

    recipe_type = ColouriseRecipe
    metric = "loss"
    higher_is_better = False

    def __init__(self, recipe: ColouriseRecipe) -> None:
        super().__init__(recipe)
        network = ColouriseNet(recipe.width, recipe.dropout)
        check_crop(recipe.crop, network.multiple)
        load_init(network, recipe.init, "imgtk_restore", settings="width")
        self.features = load_features()
        self.frozen = (self.features,)
        self.networks = {"generator": network}
        self.held_out: list[Tensor] = []

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        """Return the pool of training crops. The network measures which features are usual in them."""
        side, crop = self.recipe.side, self.recipe.crop
        images = CropSampler(files, crop, max_side=side, shrink_by=(SHRUNK,), turns=False, device=device)
        if not self.recipe.init:
            crops = images.draw(MEASURED, torch.Generator().manual_seed(self.recipe.seed)).to(device)
            network: Any = self.networks["generator"]
            with torch.no_grad():
                for usual, found in zip(network.usual, seen(self.features, alike(gray_of(crops))), strict=True):
                    usual.measure(found)
        return images

    def load_validation(self, files: list[Path]) -> None:
        self.held_out = load_held_out(files, SIDE, ColouriseNet.multiple)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        with torch.no_grad():
            gray, ab = gray_and_colours(batch)
            gray = on_whole_batch(gray, lambda images: toned(images, self.recipe.tones))
            found = seen(self.features, alike(gray))
        yield "generator", {"loss": colour_loss(networks["generator"](*found).float(), ab)}

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return the loss; the mean distance of a* and b* from the truth, and that of gray; and how vivid results are:
        their mean distance from gray, over that of the truth."""
        found: dict[str, list[float]] = {"loss": [], "error": [], "error_of_gray": [], "vividness": []}
        for target in self.held_out:
            gray, ab = gray_and_colours(target.to(self.device))
            colours = generator(*seen(self.features, alike(gray))).float()
            ours, theirs = colours.norm(dim=1).mean().item(), ab.norm(dim=1).mean().item()
            found["loss"].append(colour_loss(colours, ab).item())
            found["error"].append((colours - ab).norm(dim=1).mean().item())
            found["error_of_gray"].append(theirs)
            found["vividness"].append(ours / max(theirs, 1.0))
        return {name: sum(values) / len(values) for name, values in found.items()}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of gray, coloured and true."""
        rows = []
        network = Colouriser(self.features, generator)  # type: ignore[arg-type]
        for target in self.held_out[:SHOWN]:
            target = target.to(self.device)
            gray = gray_of(target)
            lines = resample(colour_lines(network, gray), Size(gray.shape[3], gray.shape[2]), kernel="bilinear")
            coloured = painted(gray, on_lines(lines, gray))
            rows.append(beside([image[0].float().cpu() for image in (gray.expand_as(target), coloured, target)]))
        return stacked(rows)


def gray_and_colours(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return gray images (N, 1, H, W) as light as `x` (N, 3, H, W), and a* and b* (N, 2, H / 8, W / 8) of `x`."""
    with torch.autocast(x.device.type, enabled=False):
        return gray_of(x), avg_pool2d(colours_of(x), ColouriseNet.scale_of_result)


def colour_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean Huber loss of the distances between two sets of a* and b* (N, 2, H, W); vivid ones count more."""
    distance = (found - truth).square().sum(1).add(1e-6).sqrt()
    loss = huber_loss(distance, torch.zeros_like(distance), reduction="none", delta=DELTA) / DELTA
    return ((1 + truth.norm(dim=1) / VIVID) * loss).mean() / DELTA


def toned(gray: Tensor, spread: float) -> Tensor:
    """Return gray images (N, 1, H, W), 0..1, with other gamma, contrast and brightness, and half of them with noise.

    Args:
        spread: standard deviation of the logarithm of the gamma; the others vary in proportion.
    """

    def drawn() -> Tensor:
        return spread * torch.randn(len(gray), 1, 1, 1).to(gray.device)

    x = gray.clamp(0, 1) ** drawn().exp()
    x = (x - 0.5) * (1 - drawn().abs() / 2) + 0.5 + drawn() / 6
    noise = torch.randn(gray.shape).to(gray.device)
    return (x + (drawn() / 12).clamp_min(0) * noise).clamp(0, 1)
