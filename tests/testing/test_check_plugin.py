"""`check_plugin`, `check_trainer`, the plugin of pytest and `imgtk check`, on the examples and on faulty packages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgtk.errors import UsageError
from imgtk.testing import check_plugin

EXAMPLES = Path(__file__).parents[2] / "examples"
MINE = """
{first}
from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Number, Param, Text

@hookimpl
def imgtk_operators():
    return [OpSpec("test:mine", "{impl}", "{summary}", params=({params}), weights={weights})]
"""
DEFAULTS = {"first": "", "impl": "mine.op:Mine", "summary": "For a test.", "params": "", "weights": "()"}
OP = """
from imgtk.op import ImageOp

class Mine(ImageOp):
    def __call__(self, x, *others):
        return {value}
"""


class Site:
    """A folder with installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, package: str) -> None:
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        name = package.removeprefix("imgtk_")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[imgtk]\n{name} = {package}\n")

    def example(self, name: str) -> None:
        package = name.replace("-", "_")
        shutil.copytree(EXAMPLES / name / package, self.folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        self.install(name, package)

    def mine(self, value: str = "x", **more: str) -> None:
        package = self.folder / "mine"
        package.mkdir()
        (package / "__init__.py").write_text(MINE.format(**{**DEFAULTS, **more}))
        (package / "op.py").write_text(OP.format(value=value))
        self.install("imgtk-mine", "mine")

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment, timeout=300)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("name", ["imgtk-halftone", "imgtk-qoi"])
def test_the_examples_pass(site: Site, name: str) -> None:
    site.example(name)
    done = site.run("imgtk", "check", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok     import" in done.stdout
    assert (": runs" in done.stdout) == (name != "imgtk-qoi")  # which has no operators


FAULTS = {
    "torch": ({"first": "import torch"}, "it imports torch"),
    "print": ({"first": "print('hello')"}, "it prints 'hello"),
    "slow": ({"first": "sum(range(50_000_000))"}, "its import takes"),
    "no sentence": ({"summary": "for a test"}, "its summary is no sentence"),
    "long": ({"summary": "x" * 150 + "."}, "its summary is not one line"),
    "no help": ({"params": "Param('a', Number(), '', default=1.0),"}, "its help of a is empty"),
    "default": ({"params": "Param('a', Number(), 'A.', default='1'),"}, "is read as 1.0"),
    "no code": ({"impl": "mine.op:Other"}, "mine.op:Other is not a subclass"),
    "weights": ({"weights": "('a-x4',)"}, "it promises a-x4, and there is no"),
    "wrong size": ({"value": "x[..., :1]"}, "test:mine on a 37x29 image: gives"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told(site: Site, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, message = FAULTS[fault]
    site.mine(**changes)
    monkeypatch.syspath_prepend(site.folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site.folder), os.environ.get("PYTHONPATH", "")]))
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_plugin("imgtk-mine")


def test_no_such_plugin() -> None:
    with pytest.raises(UsageError, match="there is no plugin 'imgtk-none'"):
        check_plugin("imgtk-none")


def test_the_command_fails_with_it(site: Site) -> None:
    site.mine("x[..., :1]")
    done = site.run("imgtk", "check", "imgtk-mine", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [row["check"] for row in map(json.loads, done.stdout.splitlines()) if row["fault"]] == ["test:mine: runs"]


@pytest.mark.parametrize("good", [True, False])
def test_the_plugin_of_pytest(site: Site, good: bool) -> None:
    site.mine("x" if good else "x[..., :1]")
    (site.folder / "pytest.ini").write_text("[pytest]\nimgtk_plugin = imgtk-mine\n")
    (site.folder / "test_nothing.py").write_text("def test_nothing() -> None:\n    pass\n")
    done = site.run("pytest", "-p", "no:cacheprovider", "test_nothing.py")
    assert done.returncode == (not good), done.stdout + done.stderr
    assert ("6 passed" if good else "1 failed") in done.stdout
    assert good or "test:mine on a 37x29 image: gives" in done.stdout


TRAINER = """
from imgtk.testing import check_trainer
check_trainer("edges:tiny")
"""


def test_a_trainer(site: Site) -> None:
    site.example("imgtk-tinyedge")
    (site.folder / "good.py").write_text(TRAINER)
    done = site.run("good")
    assert done.returncode == 0, done.stderr
