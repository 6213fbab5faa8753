"""Small networks of restoration."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.network import RestorationNet


def random_weights(network: type[RestorationNet] | type[InpaintNet], folder: Path) -> Path:
    """Write weights that change images visibly, and by what the network is told."""
    torch.manual_seed(0)
    path = folder / f"{network.__name__}.safetensors"
    save_file(network((4, 6), (1, 1)).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(RestorationNet, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def inpaint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(InpaintNet, tmp_path_factory.mktemp("weights"))
