"""Write docs/directory.md and imgtk/directory.json from docs/directory.toml: python scripts/directory_page.py

`page()` and `data()` return what the files hold; a test compares them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
INTRODUCTION = """\
# Directory of plugins

`imgtk plugins --directory` prints this list. `imgtk install NAME` installs a plugin from it.

| plugin | what it does | provides | licence of the code | licence of the weights |
|---|---|---|---|---|
"""
END = """
## How to be listed

Add a table to `docs/directory.toml`, run `python scripts/directory_page.py`, and open a pull request. We check that

- the package installs into a fresh environment by `imgtk install`, with the versions that imgtk keeps;
- `imgtk plugins` shows no error, and its tests pass with the newest imgtk;
- the licences of code and weights are stated, in the package and here;
- it downloads and sends nothing by itself, and works as its summary says.

A plugin that fails these checks for longer than one release of imgtk is removed. Nobody reviews the code of listed
plugins: install only what you trust.
"""


def plugins() -> list[dict[str, Any]]:
    """Return the entries, by name."""
    rows: list[dict[str, Any]] = tomllib.loads((ROOT / "docs/directory.toml").read_text(encoding="utf-8"))["plugins"]
    return rows


def page() -> str:
    """Return the Markdown of the page."""
    lines = []
    for row in plugins():
        brings = ", ".join(f"`{part}`" for part in row["brings"])
        cells = [
            f"[{row['name']}]({row['repository']})",
            row["summary"],
            brings,
            row["licence"],
            row.get("weights", ""),
        ]
        lines.append(f"| {' | '.join(cells)} |\n")
    return INTRODUCTION + "".join(lines) + END


def data() -> str:
    """Return the JSON that ships with imgtk."""
    return json.dumps(plugins(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    (ROOT / "docs/directory.md").write_text(page(), encoding="utf-8")
    (ROOT / "imgtk/directory.json").write_text(data(), encoding="utf-8")
