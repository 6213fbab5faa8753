"""Folders of small images, good and broken ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from imgtk.pipeline import Pipeline

Make = Callable[..., list[Path]]


def image(path: Path, size: tuple[int, int] = (12, 9)) -> Path:
    """An image of noise that depends on its name only."""
    pixels = np.random.default_rng(list(os.fsencode(path.stem))).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "PNG" if path.suffix.lower() == ".jpg" else None  # its content decides: lossless, so that results compare
    PIL.Image.fromarray(pixels).save(path, form)
    return path


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """`make("in/a.png", "in/sub/b.jpg")` makes images of 12x9 in the current folder, which is `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    return lambda *names: [image(Path(name)) for name in names]


@pytest.fixture
def double() -> Pipeline:
    return Pipeline("upscale:nearest x2", device="cpu")


def broken(folder: Path) -> list[Path]:
    """Files with names of images in `folder`, each broken in a way of its own."""
    whole = image(folder / "whole.png", (40, 30)).read_bytes()
    PIL.Image.open(folder / "whole.png").save(folder / "whole.jpeg")
    jpeg = (folder / "whole.jpeg").read_bytes()
    for kept in ("whole.png", "whole.jpeg"):
        (folder / kept).unlink()
    contents = {
        "empty.png": b"",
        "text.jpg": b"this is no image\n" * 20,
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "head.png": whole[:30],
        "flipped.png": whole[:200] + bytes(100) + whole[300:],
        "zeros.tif": b"II*\0" + bytes(500),
        "unsupported.gif": b"GIF89a" + b"\xff" * 40,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "lost.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    return sorted(path for path in folder.iterdir())
