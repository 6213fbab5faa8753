"""The command line in this process, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner, Result

from imgtk.cli import main

Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("ops", "--json")` runs `imgtk ops --json` in `tmp_path`; no run may end in a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert "Traceback" not in result.output or "--debug" in words
        return result

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG file of 40x30 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    path = tmp_path / "photo.jpg"
    PIL.Image.fromarray(pixels).save(path)
    return path
