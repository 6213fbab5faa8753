"""The files around the code agree: versions of Python, tools, what is checked, what is published."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from imgtk.cli import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CI: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
VERSIONS: list[str] = CI["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_versions_of_python_are_the_same_everywhere() -> None:
    metadata = PROJECT["project"]
    classifiers = [entry.rpartition(" ")[2] for entry in metadata["classifiers"] if re.search(r":: 3\.\d+$", entry)]
    assert classifiers == VERSIONS
    lowest, highest = VERSIONS[0], VERSIONS[-1]
    assert metadata["requires-python"] == f">={lowest}"
    assert PROJECT["tool"]["mypy"]["python_version"] == lowest
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    above = f"3, {int(highest.partition('.')[2]) + 1}"
    assert f"({lowest.replace('.', ', ')}) <= sys.version_info < ({above})" in makefile
    assert set(re.findall(r"\bpython(3\.\d+)", makefile)) == set(VERSIONS)
    for page in (makefile, (ROOT / "README.md").read_text("utf-8")):
        assert set(re.findall(r"Python (3\.\d+ to 3\.\d+)", page)) == {f"{lowest} to {highest}"}


def test_mypy_sees_every_module_of_the_core_and_the_plugins() -> None:
    """Folders, not lists of packages: a new plugin is checked without anybody adding it."""
    assert PROJECT["tool"]["mypy"]["files"] == ["imgtk", "plugins"]
    assert not {path.name for path in (ROOT / "plugins").iterdir()} & set(PROJECT["tool"]["mypy"].get("exclude", []))


def test_hooks_before_a_commit_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    entries = [hook["entry"] for repo in hooks for hook in repo["hooks"]]
    lint = re.findall(r"\$\(BIN\)/((?:ruff|mypy).*)", (ROOT / "Makefile").read_text("utf-8"))
    tools = {re.sub(r" --(check|fix)| \.$", "", command) for command in lint}
    assert {re.sub(r"^\.venv/bin/| --(check|fix)", "", entry) for entry in entries} == tools


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda path: path.name)
def test_workflows_and_forms_are_yaml_and_name_what_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    assert yaml.safe_load(text)
    for file in re.findall(r"uses: \./(\S+)|\b(scripts/\S+\.py|[A-Z]+\.md|docs/\w+\.md)\b", text):
        assert (ROOT / "".join(file)).exists(), file
    for command in re.findall(r"run: (python scripts/.*|imgtk .*)", text):
        assert "$" not in command, command


def test_smoke_test_of_ci_passes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of its steps, in their order, in one process."""
    steps = [step.get("run", "") for step in CI["jobs"]["smoke"]["steps"]]
    commands = [shlex.split(step)[1:] for step in steps if step.startswith("imgtk ")]
    (sample,) = [shlex.split(step)[1:] for step in steps if step.startswith("python scripts/")]
    assert len(commands) >= 4
    subprocess.run([sys.executable, ROOT / sample[0], tmp_path / sample[1]], check=True, timeout=300)
    monkeypatch.chdir(tmp_path)
    for words in commands:
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, (words, result.output)


def test_changelog_has_a_section_per_release_and_known_kinds() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert releases
    for release in releases:
        assert re.fullmatch(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)", release), release
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Fixed",
        "Removed",
        "Security",
    }
    assert [line for line in text.splitlines() if len(line) > 130] == []


THEMES = """
    api architecture commands docs example_package guides language packaging project site
    bad_input run_folders startup s3 compare load safety page engine moved_pixels video check_op conversion
    damaged kept_encoding matrix orientation pixel_layouts roundtrip shared_files writing interpolation
    parameters shipped contract reference check_plugin combinations directory moved_large number_formats
    adjust blended_styles compose filters geometry pfm plugin_faults upscale
    comfyui napari gpu doctests devices page_use page_access slow
"""
"""What files of tests are about that are named for no module."""


def test_tests_mirror_modules() -> None:
    """`tests/io/test_exif.py` tests `imgtk/io/exif.py`. Name a test for the module it tests, or add its theme above."""
    strange = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        parts = folder.parts
        code = ROOT / "plugins" / f"imgtk_{parts[1]}" if parts[:1] == ("plugins",) else ROOT / "imgtk" / folder
        name = path.stem.removeprefix("test_")
        modules = {module.stem for module in code.rglob("*.py")} | {inner.name for inner in code.glob("*/")}
        if not code.is_dir() or name not in modules | set(THEMES.split()):
            strange.append(str(path.relative_to(ROOT)))
    assert strange == []
