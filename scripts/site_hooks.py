"""Hooks of MkDocs, named in mkdocs.yml.

Links that leave docs/ lead to the repository; plots of the benchmarks become part of the site.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PLOTS = "benchmarks/results/"
OUTSIDE = re.compile(r"(!?\[[^]]*\]\()\.\./([^)\s]+)\)")
"""A link or an image whose target begins with `../`, the folder above docs/."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the plots of the benchmarks, which lie outside docs/."""
    for path in sorted((ROOT / PLOTS).glob("*.svg")):
        files.append(File.generated(config, f"{PLOTS}{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links to plots relative to docs/, and all other links that leave docs/ absolute."""
    repository = config.extra["repository"]

    def target(match: re.Match[str]) -> str:
        start, path = match.groups()
        if path.startswith(PLOTS) and path.endswith(".svg"):
            return f"{start}{path})"
        kind = "tree" if (ROOT / path.partition("#")[0]).is_dir() else "blob"
        return f"{start}{repository}/{kind}/main/{path})"

    return OUTSIDE.sub(target, markdown)
