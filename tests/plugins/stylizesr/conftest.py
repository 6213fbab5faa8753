"""A tiny network, and images of two kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk.weights import Card, save
from imgtk_stylizesr.network import PaintingUpscaler


@pytest.fixture(scope="session")
def network() -> Callable[..., PaintingUpscaler]:
    """Makes a network with fresh weights and made-up moments, always the same."""

    def network(scale: int = 4, deep: int = 0, noise: bool = False) -> PaintingUpscaler:
        torch.manual_seed(0)
        made = PaintingUpscaler(width=8, blocks=2, scale=scale, deep=deep, noise=noise)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean = torch.rand(module.num_features)
                module.running_var = 1 + torch.rand(module.num_features)
        return made.eval()

    return network


@pytest.fixture(scope="session")
def model(network: Callable[..., PaintingUpscaler], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its file."""
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save(path, network().state_dict(), Card("tiny", "", "", "", ""))
    return str(path)


@pytest.fixture(scope="session")
def noisy(network: Callable[..., PaintingUpscaler], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of one that paints from noise, at two sizes."""
    path = tmp_path_factory.mktemp("network") / "noisy.safetensors"
    save(path, network(deep=1, noise=True).state_dict(), Card("noisy", "", "", "", ""))
    return str(path)


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve images: blots of strong colours."""
    folder = tmp_path_factory.mktemp("paintings")
    for seed in range(12):
        blots = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        PIL.Image.fromarray(blots).resize((144, 128), PIL.Image.Resampling.BICUBIC).save(folder / f"{seed:02d}.png")
    return folder
