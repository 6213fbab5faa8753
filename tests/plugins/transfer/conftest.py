"""Images whose colours and textures are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from imgtk import Image

Writer = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Writes a tensor (1, 3, H, W) or an array, 0..1, as a file of 16 bits, and gives its path."""

    def write(image: torch.Tensor | np.ndarray, name: str = "reference.png", depth: int = 16) -> Path:
        if isinstance(image, torch.Tensor):
            image = image[0].permute(1, 2, 0).numpy()
        kind = np.uint16 if depth == 16 else np.uint8
        pixels = (image.clip(0, 1) * np.iinfo(kind).max).round().astype(kind)
        return Image.of(pixels).save(tmp_path / name, overwrite=True)

    return write
