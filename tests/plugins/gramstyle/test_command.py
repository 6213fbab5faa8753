"""`imgtk styles`, the command that the plugin brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from imgtk.cli import main
from imgtk_gramstyle import STYLES, command


def test_a_sheet_of_all_styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "STYLES", dict(list(STYLES.items())[:2]))
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 4), np.uint8)
    PIL.Image.fromarray(pixels).save("in.png")
    result = CliRunner().invoke(main, ["styles", "in.png", "--columns", "2", "--size", "64"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "styles.png\n"
    with PIL.Image.open("styles.png") as sheet:
        assert sheet.size == (2 * 64, 2 * (43 + 28))
    again = CliRunner().invoke(main, ["styles", "in.png"])
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_it_is_among_the_commands() -> None:
    assert "imgtk plugins" in CliRunner().invoke(main, ["--help"]).stdout
    assert "imgtk styles  Paint an image in every style" in CliRunner().invoke(main, ["plugins"]).stdout
    assert "1 command" in CliRunner().invoke(main, ["plugins"]).stdout
