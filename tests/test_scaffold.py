"""`imgtk new`: what it makes is built, installed into a clean environment, tested and used."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from imgtk import Image
from imgtk.cli import main
from imgtk.errors import UsageError, WriteError
from imgtk.scaffold import KINDS, make_package
from tests.clean import clean_environment, offline

ROOT = Path(__file__).parents[1]
FIVE_MINUTES = 300
USED = {
    "operator": [["check", "imgtk-soft-glow"], ["run", "adjust:soft-glow 0.7", "in.png", "-o", "out.png"]],
    "network": [["check", "imgtk-soft-glow", "--no-run"], ["help", "upscale:soft-glow"]],
    "format": [["check", "imgtk-soft-glow"], ["run", "adjust:gamma 1", "in.png", "-o", "out.soft-glow"]],
}
"""What is done with each. The network has no weights yet."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_from_nothing_to_a_tested_wheel(kind: str, tmp_path: Path) -> None:
    started = time.monotonic()
    result = CliRunner().invoke(main, ["new", kind, "soft-glow", "--dir", str(tmp_path), "--author", "Ann"])
    assert result.exit_code == 0, result.output
    package = tmp_path / "imgtk-soft-glow"

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=tmp_path, env=offline(tmp_path), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    run(*pip, "-w", tmp_path, package)
    (wheel,) = tmp_path.glob("imgtk_soft_glow-0.1.0-py3-none-any.whl")
    python = clean_environment(tmp_path / "venv")
    run(python, "-m", "imgtk", "install", wheel)
    tests = (package / "tests").rename(tmp_path / "tests")  # away from the sources: the wheel is tested
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    Image.of(np.full((6, 8, 3), 100, np.uint8)).save(tmp_path / "in.png")
    for words in USED[kind]:
        run(python, "-m", "imgtk", *words)
    assert time.monotonic() - started < FIVE_MINUTES


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_is_complete_and_in_order(kind: str, tmp_path: Path) -> None:
    folder = make_package(kind, "a-b2", tmp_path / "new", author='Ann "A" Example')
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    part = {"operator": ["op.py"], "network": ["network.py", "trainer.py"], "format": ["codec.py"]}[kind]
    assert made == {
        *(f"imgtk_a_b2/{name}" for name in ("__init__.py", "py.typed", *part)),
        *(".copier-answers.yml", ".gitignore", ".github/workflows/test.yml", ".github/workflows/publish.yml"),
        *("LICENSE", "README.md", "pyproject.toml", "tests/test_imgtk_a_b2.py"),
    }
    for path in made:
        text = (folder / path).read_text("utf-8")
        assert "{%" not in text
        assert "{{" not in text.replace("${{", "")
        assert text == "" or text.endswith("\n")
        if path.endswith(".py"):
            compile(text, path, "exec")
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--isolated", "--line-length=120", "--select=E,F,UP,B", folder], check=True)
    subprocess.run([*ruff, "format", "--check", "--isolated", "--line-length=120", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_copier_makes_the_same(kind: str, tmp_path: Path) -> None:
    copier = shutil.which("copier")
    if not copier:
        pytest.skip("needs copier")
    source = tmp_path / "source"  # without git, of which Copier would take the last release
    shutil.copytree(ROOT / "imgtk/template", source / "imgtk/template")
    shutil.copy(ROOT / "copier.yml", source)
    ours = make_package(kind, "soft-glow", tmp_path, author="Ann")
    said = [f"--data={key}={value}" for key, value in (("kind", kind), ("name", "soft-glow"), ("author", "Ann"))]
    subprocess.run([copier, "copy", "--quiet", "--defaults", *said, source, tmp_path / "theirs"], check=True)
    files = {path.relative_to(ours) for path in ours.rglob("*") if path.is_file()}
    theirs = {path.relative_to(tmp_path / "theirs") for path in (tmp_path / "theirs").rglob("*") if path.is_file()}
    assert theirs == files
    for path in files - {Path(".copier-answers.yml")}:
        assert (tmp_path / "theirs" / path).read_bytes() == (ours / path).read_bytes(), path
    answers = yaml.safe_load((ours / ".copier-answers.yml").read_text())
    said = yaml.safe_load((tmp_path / "theirs/.copier-answers.yml").read_text())
    assert {key: answers[key] for key in answers if key[0] != "_"} == {key: said[key] for key in said if key[0] != "_"}


@pytest.mark.parametrize("name", ["", "A", "imgtk-x", "a--b", "3d", "a_b", "../a", "a b", "ünder"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        make_package("operator", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "imgtk-mine").mkdir()
    with pytest.raises(WriteError, match="exists"):
        make_package("operator", "mine", tmp_path)
    result: Result = CliRunner().invoke(main, ["new", "operator", "blur", "--dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "adjust:blur" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["imgtk-mine"]
