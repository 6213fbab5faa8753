"""The directory of plugins: its page, its JSON, and what `imgtk` makes of it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imgtk.cli import main
from imgtk.environment import listed

ROOT = Path(__file__).parents[1]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "directory_page.py"))


def test_page_and_json_are_those_of_the_table() -> None:
    """If this fails, run scripts/directory_page.py."""
    assert (ROOT / "docs/directory.md").read_text("utf-8") == SCRIPT["page"]()
    assert (ROOT / "imgtk/directory.json").read_text("utf-8") == SCRIPT["data"]()


def test_rows_are_complete_and_in_order() -> None:
    rows = SCRIPT["plugins"]()
    names = [row["name"] for row in rows]
    assert names == sorted(set(names))
    for row in rows:
        assert set(row) - {"install", "weights"} == {"name", "summary", "brings", "repository", "licence"}
        assert row["name"].startswith("imgtk-")
        assert row["summary"].endswith(".")
        assert row["repository"].startswith("https://")
    assert {path.parent.name for path in ROOT.glob("examples/imgtk-*/pyproject.toml")} <= set(names)


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(main, ["plugins", "--directory"]).stdout
    assert "imgtk-qoi" in printed
    assert ".qoi" in printed
    rows = json.loads(CliRunner().invoke(main, ["plugins", "--directory", "--json"]).stdout)
    assert rows == SCRIPT["plugins"]()


@pytest.mark.parametrize("name", ["imgtk-qoi", "imgtk_qoi", "IMGTK-QOI"])
def test_names_of_the_directory_are_installed_from_where_it_says(name: str) -> None:
    assert listed(name).startswith("git+https://")
    assert listed("imgtk-else") == "imgtk-else"
    assert listed("imgtk-qoi>=2") == "imgtk-qoi>=2"
