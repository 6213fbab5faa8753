"""A small restoration network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.network import RestorationNet


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that change images visibly, and by what they are told."""
    torch.manual_seed(0)
    network = RestorationNet((4, 6), (1, 1))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def inpaint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small inpainting network."""
    torch.manual_seed(0)
    network = InpaintNet((4, 6), (1, 1))
    path = tmp_path_factory.mktemp("weights") / "holes.safetensors"
    save_file(network.state_dict(), path)
    return path
