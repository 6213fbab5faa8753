"""Tiny networks, and images of two kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk.weights import Card, save
from imgtk_stylizesr.network import StyleUpscaler
from imgtk_stylizesr.plain import PaintingUpscaler


@pytest.fixture(scope="session")
def plain() -> Callable[..., PaintingUpscaler]:
    """Makes a network of earlier versions with fresh weights and made-up moments, always the same."""

    def plain(scale: int = 4) -> PaintingUpscaler:
        torch.manual_seed(0)
        made = PaintingUpscaler(width=8, blocks=2, scale=scale)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean = torch.rand(8)
                module.running_var = 1 + torch.rand(8)
        torch.nn.init.dirac_(made.palette.weight)
        made.tail[5].weight.data /= 10  # nothing far outside 0 to 1
        return made.eval()

    return plain


@pytest.fixture(scope="session")
def network() -> StyleUpscaler:
    """A network with fresh weights and the moments of one batch."""
    torch.manual_seed(0)
    made = StyleUpscaler(width=8, blocks=1).train()
    with torch.no_grad():
        made(torch.rand(2, 3, 16, 24))
    return made.eval()


@pytest.fixture(scope="session")
def model(network: StyleUpscaler, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its file."""
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save(path, network.state_dict(), Card("tiny", "", "", "", ""))
    return str(path)


@pytest.fixture(scope="session")
def plain_model(plain: Callable[..., PaintingUpscaler], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a network of earlier versions."""
    path = tmp_path_factory.mktemp("network") / "plain.safetensors"
    save(path, plain().state_dict(), Card("plain", "", "", "", ""))
    return str(path)


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve images: blots of strong colours."""
    folder = tmp_path_factory.mktemp("paintings")
    for seed in range(12):
        blots = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        PIL.Image.fromarray(blots).resize((144, 128), PIL.Image.Resampling.BICUBIC).save(folder / f"{seed:02d}.png")
    return folder
