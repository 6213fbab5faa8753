"""Trainer of the `restore:` operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imgtk.errors import TrainingError
from imgtk.metrics import psnr_y
from imgtk.nn.colour import luma
from imgtk.training.images import CropSampler, load_held_out
from imgtk.training.processes import on_whole_batch
from imgtk.training.recipe import Recipe
from imgtk.training.sheets import beside, middle, stacked
from imgtk.training.trainer import Trainer
from imgtk.training.weights import load_init
from imgtk_restore.degrade import DEGRADATIONS
from imgtk_restore.network import CONDITIONS, RestorationNet

__all__ = ["RestoreRecipe", "RestoreTrainer", "as_gray", "check_crop", "sizes", "some_gray"]

SHOWN = 256
"""Side in pixels of the parts of images in sample sheets."""


@dataclass(frozen=True)
class RestoreRecipe(Recipe):
    """Settings of a training.

    Attributes:
        degradation: what the network learns to undo, of `imgtk_restore.degrade.DEGRADATIONS`.
        gray: share of the images that are made gray. What degrades a gray image is the same in all channels.
        widths, blocks: channels and residual blocks at each level of the network, separated by commas.
    """

    name: str = "denoise"
    optimizer: str = "muon"
    lr: float = 2e-3
    crop: int = 64
    ema: float = 0.99
    degradation: str = "noise"
    gray: float = 0.0
    widths: str = "40,64,96"
    blocks: str = "2,2,3"


class RestoreTrainer(Trainer[RestoreRecipe]):
    """Trains by L1 between what the network restores and the undegraded images.

    Raises:
        TrainingError: for a degradation that is not known, sizes that are no numbers, or crops that do not suit.
    """

    recipe_type = RestoreRecipe
    metric = "psnr"

    def __init__(self, recipe: RestoreRecipe) -> None:
        super().__init__(recipe)
        if recipe.degradation not in DEGRADATIONS:
            known = ", ".join(DEGRADATIONS)
            raise TrainingError(f"unknown degradation {recipe.degradation!r}", hint=f"Available: {known}.")
        self.degrade = DEGRADATIONS[recipe.degradation]
        network = RestorationNet(*sizes(recipe.widths, recipe.blocks))
        check_crop(recipe.crop, network.multiple)
        load_init(network, recipe.init, "imgtk_restore", settings="widths and blocks")
        self.networks = {"generator": network}
        self.held_out: list[tuple[Tensor, Tensor]] = []

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        return CropSampler(files, self.recipe.crop, shrink_by=(0.6,), device=device)

    def load_validation(self, files: list[Path]) -> None:
        generator = torch.Generator().manual_seed(0)
        for target in load_held_out(files, 768, 16):
            degraded = self.degrade(target, generator)
            self.held_out.append((degraded, within(target, degraded)))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        with torch.no_grad(), torch.autocast(batch.device.type, enabled=False):
            target = on_whole_batch(batch, lambda images: some_gray(images, self.recipe.gray))
            degraded = on_whole_batch(target, lambda images: self.degrade(images, torch.default_generator))
            degraded = as_gray(degraded, target)
        yield "generator", {"l1": l1_loss(self._restored(networks["generator"], degraded), within(target, degraded))}

    def _restored(self, network: nn.Module, degraded: Tensor) -> Tensor:
        x, condition = degraded.split((3, CONDITIONS), 1)
        restored: Tensor = network(x.contiguous(memory_format=torch.channels_last), condition)
        return restored.float()

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return the PSNR over all channels and of luma, for degradations drawn at random once: of all strengths."""
        whole, luma = [], []
        for degraded, target in self.held_out:
            restored, target = self._restored(generator, degraded.to(self.device)).clamp(0, 1), target.to(self.device)
            whole.append(-10 * torch.log10((restored - target).square().mean()).item())
            luma.append(psnr_y(restored, target, border=0))
        return {"psnr": sum(whole) / len(whole), "psnr_y": sum(luma) / len(luma)}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of degraded, restored and true, from the middle of the first held-out images."""
        rows = []
        for degraded, target in self.held_out[:4]:
            restored = self._restored(generator, degraded.to(self.device)).clamp(0, 1).cpu()
            shown = (degraded[:, :3].clamp(0, 1), restored, target)
            rows.append(beside([middle(image[0], SHOWN) for image in shown]))
        return stacked(rows)


def sizes(widths: str, blocks: str) -> tuple[list[int], list[int]]:
    """Return channels and blocks of each level of a network, as recipes have them: separated by commas.

    Raises:
        TrainingError: they are no numbers above 0, or not as many.
    """
    channels, depths = _numbers("widths", widths), _numbers("blocks", blocks)
    if len(channels) != len(depths):
        raise TrainingError(f"widths are for {len(channels)} levels and blocks for {len(depths)}", hint="Use as many.")
    return channels, depths


def check_crop(crop: int, multiple: int) -> None:
    """Raise TrainingError for crops whose side is no multiple of what a network takes."""
    if crop % multiple:
        raise TrainingError(f"crops of {crop} pixels do not suit", hint=f"Take a multiple of {multiple}.")


def some_gray(images: Tensor, share: float) -> Tensor:
    """Return images (N, 3, H, W), of which a random `share` is gray."""
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < share
    return torch.where(chosen, luma(images), images)


def as_gray(degraded: Tensor, target: Tensor) -> Tensor:
    """Return degraded images (N, 3 or more, H, W), whose first three channels are equal if those of the target are."""
    gray = (target == target[:, :1]).flatten(1).all(1).view(-1, 1, 1, 1)
    colours = torch.where(gray, degraded[:, :1], degraded[:, :3])
    return torch.cat([colours, degraded[:, 3:]], 1)


def within(target: Tensor, degraded: Tensor) -> Tensor:
    """Return the middle of a target, of the size of what it was degraded to."""
    top, left = ((wide - narrow) // 2 for wide, narrow in zip(target.shape[2:], degraded.shape[2:], strict=True))
    return target[..., top : top + degraded.shape[2], left : left + degraded.shape[3]]


def _numbers(key: str, text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise TrainingError(f"{key} must be whole numbers above 0, separated by commas, got {text!r}")
    return numbers
