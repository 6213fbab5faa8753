"""What trainings of upscalers on tiny networks start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk.nn.features import distilled


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three images of noise, large enough for crops of 128 pixels."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (140, 150, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature network with random weights."""
    path = tmp_path_factory.mktemp("features") / "features.pth"
    torch.manual_seed(0)
    torch.save(distilled().state_dict(), path)
    return path
