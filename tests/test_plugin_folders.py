"""Plugins that are files in a folder: `--plugins-dir`, IMGTK_PLUGINS_DIR and `imgtk.toml`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from imgtk.serve import server

WARM = '''
import imgtk

@imgtk.operator("tone:warm")
def warm(x, amount: float = 0.1):
    """Shift towards red."""
    x = x.clone()
    x[:, 0] += amount
    return x
'''
HOOKS = """
from imgtk import hookimpl
from imgtk.preset import Preset

@hookimpl
def imgtk_presets():
    return [Preset("cosy", "tone:warm 0.2", "Warm.")]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my plugins"
    folder.mkdir()
    (folder / "warm.py").write_text(WARM)
    (folder / "cosy.py").write_text(HOOKS)
    return folder


def imgtk(*words: str | Path, where: Path, code: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "imgtk", *map(str, words)]
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_plugins_in_a_folder(folder: Path, tmp_path: Path) -> None:
    assert "tone:warm" in imgtk("ops", "--plugins-dir", folder, where=tmp_path)
    assert ":cosy" in imgtk(f"--plugins-dir={folder}", "presets", where=tmp_path)
    assert str(folder) in imgtk("plugins", where=tmp_path, IMGTK_PLUGINS_DIR=str(folder))
    settings = tmp_path / "own.toml"
    settings.write_text('[plugins]\nfolders = ["my plugins"]')
    assert "Shift towards red." in imgtk("help", "tone:warm", where=tmp_path, IMGTK_CONFIG=str(settings))
    PIL.Image.fromarray(np.full((3, 4, 3), 100, np.uint8)).save(tmp_path / "a.png")
    imgtk("run", ":cosy", "a.png", "-o", "b.png", "--plugins-dir", folder, where=tmp_path)
    with PIL.Image.open(tmp_path / "b.png") as image:
        assert image.getpixel((0, 0)) == (151, 100, 100)


def test_broken_files_leave_the_rest_working(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.py").write_text("raise SystemExit('no')")
    (folder / "empty.py").write_text("")
    (folder / "json.py").write_text(WARM)
    printed = imgtk("plugins", "--plugins-dir", folder, where=tmp_path)
    assert "SystemExit: no" in printed
    assert "no hook is implemented" in printed
    assert "another module" in printed
    assert "tone:warm" in imgtk("ops", "--plugins-dir", folder, where=tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no folder of plugins" in imgtk("ops", "--plugins-dir", tmp_path / "none", where=tmp_path, code=2)


def test_a_server_leaves_them_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTK_PLUGINS_DIR", str(folder))
    monkeypatch.setenv("IMGTK_DISABLE_PLUGINS", "")
    server._disable_plugins()
    assert {"warm", "cosy"} <= set(os.environ["IMGTK_DISABLE_PLUGINS"].split(","))
