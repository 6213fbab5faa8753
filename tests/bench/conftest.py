"""Small folders of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save("a/b.png", 40, 30)` writes noise of that size, smooth enough to be enlarged; gives the file."""

    def write(name: str, width: int = 48, height: int = 36, mode: str = "RGB") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        small = np.random.default_rng(width).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
        image = PIL.Image.fromarray(small).resize((width, height), PIL.Image.Resampling.BICUBIC).convert(mode)
        image.save(path)
        return path

    return write
