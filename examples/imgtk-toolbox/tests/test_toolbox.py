import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from imgtk import Image


def imgtk(*words: object, code: int = 0) -> str:
    """What the command line prints."""
    command = [sys.executable, "-m", "imgtk", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_the_command(tmp_path: Path) -> None:
    path = Image.of(np.zeros((3, 5), np.uint8)).save(tmp_path / "a.png")
    assert imgtk("sizes", path) == f"{path}: 5x3\n"
    assert "no such file" in imgtk("sizes", tmp_path / "b.png", code=1)
    assert "sizes" in imgtk("plugins")


def test_the_preset(tmp_path: Path) -> None:
    path = Image.of(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "a.png")
    imgtk("run", ":postcard", path, "-o", tmp_path / "out.jpg")
    assert Image.open(tmp_path / "out.jpg").metadata.dpi == (300, 300)


def test_the_public_weights() -> None:
    assert "4x_Example" in [row["name"] for row in json.loads(imgtk("models", "public", "--json"))]
