"""Images to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(1)
    for i in range(4):
        pixels = random.integers(0, 256, (24 + i, 40, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder
