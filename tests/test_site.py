"""The documentation builds as a site, without warnings, and its pages load nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


class Loaded(HTMLParser):
    """Collects what a browser loads by itself: scripts, style sheets, images, frames."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.urls.append(given.get("href") or "")
        self.urls += [given[name] or "" for name in ("src", "srcset", "poster", "data") if name in given]
        # the theme's scripts would fetch Mermaid for the first, and ask a code host about the second
        if "mermaid" in (given.get("class") or "") or given.get("data-md-component") == "source":
            self.urls.append(f"https://loaded.by.a.script/{tag}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="needs mkdocs-material")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {path.stem for path in site.glob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = Loaded()
        page.feed(path.read_text("utf-8"))
        assert page.urls
        for url in page.urls:
            assert not re.match(r"(https?:)?//", url), f"{path.name} loads {url}"
            if path.name != "404.html" and not url.startswith("data:"):
                assert (path.parent / url.partition("?")[0]).exists(), f"{path.name}: {url}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", path.read_text("utf-8")), path.name


def test_links_in_the_site_lead_somewhere(site: Path) -> None:
    """The targets on other pages, which MkDocs does not check where a hook has changed them."""
    for path in site.glob("*.html"):
        for url in re.findall(r'<a [^>]*href="([^"#?]+)', path.read_text("utf-8")):
            if path.name != "404.html" and not re.match(r"[a-z]+:", url):
                assert (path.parent / url).exists(), f"{path.name}: {url}"
