"""`imgtk install` and `uninstall` in an environment of their own, with packages from a folder and from an index; and in
environments that look like those of pipx and uv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from click.testing import CliRunner

from imgtk import environment
from imgtk.cli import main
from imgtk.errors import PluginError
from tests.clean import clean_environment, make_wheel, offline
from tests.serving import Server

PLUGIN = """
from imgtk import hookimpl
from imgtk.preset import Preset

@hookimpl
def imgtk_presets():
    return [Preset("{0}", "adjust:blur 2", "From a plugin.")]
"""
AROUND = {entry.dist.name for entry in entry_points(group="imgtk") if entry.dist}
"""imgtk, and plugins of whoever runs the tests: the libraries of their environment are seen in the one of the tests."""
CARD = 'name = "tiny"\nsummary = ""\narchitecture = "Tiny"\nlicence = "CC-BY-NC-4.0"\n'


class Installed:
    """imgtk in an environment of its own, which finds packages in the folder `links`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.links = folder, folder / "links"
        self.links.mkdir()
        self.python = clean_environment(folder / "venv")
        self.environment = offline(folder, self.links)

    def __call__(self, *words: str | Path, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [self.python, "-m", "imgtk", *map(str, words)],
            **{"cwd": self.folder, "env": {**self.environment, **environment}},
            **{"capture_output": True, "text": True, "timeout": 300},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def plugins(self) -> dict[str, str]:
        rows = json.loads(self("plugins", "--json"))
        return {row["distribution"]: row["version"] for row in rows if row["distribution"] not in AROUND}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.mark.slow
def test_from_a_folder_of_packages(installed: Installed) -> None:
    files = {"imgtk_soft/__init__.py": PLUGIN.format("soft"), "imgtk_soft/weights/tiny.toml": CARD}
    make_wheel(installed.links, "imgtk-soft", files=files, License_Expression="MIT")
    dry = installed("install", "imgtk-soft", "--dry-run")
    assert [line.split() for line in dry.splitlines()][1] == ["imgtk-soft", "1.0", "MIT", "tiny:", "CC-BY-NC-4.0"]
    assert installed.plugins() == {}
    assert "imgtk-soft 1.0 brings" in installed("install", "imgtk-soft")
    assert ":soft" in installed("presets")
    assert "already" in installed("install", "imgtk-soft")

    make_wheel(installed.links, "imgtk-soft", "1.1", files=files, License_Expression="MIT")
    installed("install", "-U", "imgtk-soft")
    assert installed.plugins() == {"imgtk-soft": "1.1"}

    pip = [installed.python, "-m", "pip", "uninstall", "--quiet", "--yes", "imgtk-soft"]
    subprocess.run(pip, check=True, env=installed.environment, timeout=120)  # as an upgrade of the environment does
    assert installed.plugins() == {}
    assert "imgtk-soft 1.1 brings" in installed("install")
    assert "No plugin is missing" in installed("install")

    installed("uninstall", "imgtk-soft")
    assert installed.plugins() == {}
    assert "No plugin is missing" in installed("install")
    assert "is not installed" in installed("uninstall", "imgtk-soft", code=2)
    assert "no plugin of imgtk" in installed("uninstall", "numpy", code=2)
    assert "no plugin of imgtk" in installed("uninstall", "imgtk", code=2)


@pytest.mark.slow
def test_what_would_change_numpy_is_refused(installed: Installed) -> None:
    make_wheel(installed.links, "imgtk-greedy", files={"imgtk_greedy/__init__.py": ""}, Requires_Dist="numpy<1")
    make_wheel(installed.links, "numpy", "0.9", files={"numpy_old.py": ""})
    for words in (["install", "imgtk-greedy"], ["install", "--dry-run", "imgtk-greedy"]):
        said = installed(*words, code=1)
        assert "the installation failed" in said
        assert "imgtk-greedy 1.0 depends on numpy<1" in said
        assert "numpy==" in said
    assert installed.plugins() == {}
    assert "No plugin is missing" in installed("install")


@pytest.mark.slow
def test_what_is_no_plugin_or_broken_is_told(installed: Installed) -> None:
    make_wheel(installed.links, "imgtk-nothing", files={"nothing.py": ""})
    make_wheel(installed.links, "imgtk-broken", files={"imgtk_broken/__init__.py": "import nowhere_at_all"})
    assert "none of these is a plugin" in installed("install", "imgtk-nothing", code=1)
    assert "nowhere_at_all" in installed("install", "imgtk-broken", code=1)
    assert "the installation failed" in installed("install", "imgtk-unknown", code=1)
    assert "-e takes the folder" in installed("install", "-e", "imgtk-nothing", code=2)


@pytest.mark.slow
def test_from_an_index(installed: Installed, server: Server) -> None:
    wheel = make_wheel(installed.folder, "imgtk-far", files={"imgtk_far/__init__.py": PLUGIN.format("far")})
    address = server.serve(f"/files/{wheel.name}", wheel.read_bytes())
    server.serve("/simple/imgtk-far/", f'<a href="{address}">{wheel.name}</a>'.encode(), kind="text/html")
    how = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": ""}
    said = installed("install", "imgtk-far", "--index-url", f"{server.url}/simple", **how)
    assert "imgtk-far 1.0 brings" in said
    assert "/simple/imgtk-far/" in server.asked


UV = """#!/bin/sh
echo "$@" >> "{log}"
cat "$6" 2>/dev/null >> "{log}"
case "$*" in *refused*) echo "  × No solution found: imgtk-refused depends on numpy<1" >&2; exit 1;; esac
echo "Would install 1 package" >&2
echo " - imgtk-soft==0.9" >&2
echo " + imgtk-soft==1.0 (from file:///links)" >&2
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without pip, and a uv that notes its arguments and the constraints in a file."""
    log, command = tmp_path / "log", tmp_path / "uv"
    command.write_text(UV.format(log=log))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    return log


def test_without_pip_uv_installs_into_the_environment_that_runs(uv: Path) -> None:
    environment.install(["imgtk-soft"], options=["--find-links=links"])
    command, *pins = uv.read_text().splitlines()
    assert command.startswith(f"pip install --python {sys.executable} -c ")
    assert command.endswith(" --find-links=links imgtk-soft")
    assert f"numpy=={version('numpy')}" in pins
    assert environment.remembered() == {"imgtk-soft": "imgtk-soft"}
    assert environment.missing() == ["imgtk-soft"]


def test_what_uv_would_add_and_what_it_refuses(uv: Path) -> None:
    assert environment.planned(["imgtk-soft"]) == [environment.Addition("imgtk-soft", "1.0", "unknown")]
    assert "--dry-run" in uv.read_text()
    with pytest.raises(PluginError, match="imgtk-refused depends on numpy<1"):
        environment.planned(["imgtk-refused"])


def test_a_dry_run_of_a_folder_says_what_it_would_do(uv: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["install", "-e", str(tmp_path), "--dry-run"])
    assert done.output == f"The folder {tmp_path} would be used in place.\n"
    assert not uv.exists()


def test_neither_pip_nor_uv(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(uv.parent / "nowhere"))
    with pytest.raises(PluginError, match="neither pip nor uv"):
        environment.install(["imgtk-soft"])


@pytest.mark.parametrize(
    ("file", "command"),
    [("pipx_metadata.json", "pipx reinstall"), ("uv-receipt.toml", "uv tool upgrade"), ("pyvenv.cfg", "")],
)
def test_who_made_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, command: str) -> None:
    (tmp_path / file).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert environment.losing_command() == command


def test_the_licence_of_a_folder_is_that_of_its_project(tmp_path: Path) -> None:
    """pip before 24.1 does not report it."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "imgtk-soft"\nlicense = "MIT"\n', encoding="utf-8")
    row = {"metadata": {"name": "imgtk-soft", "version": "1.0"}, "download_info": {"url": tmp_path.as_uri()}}
    assert environment._addition(row) == environment.Addition("imgtk-soft", "1.0", "MIT")
    (tmp_path / "pyproject.toml").write_text('[project]\nlicense = {file = "LICENSE"}\n', encoding="utf-8")
    assert environment._addition(row).licence == "not stated"
