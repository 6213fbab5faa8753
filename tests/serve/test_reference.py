"""The documentation of the API is made from what the API says of itself."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reference_in_the_docs() -> None:
    """If this fails, run scripts/http_reference.py."""
    page = runpy.run_path(str(ROOT / "scripts" / "http_reference.py"))["page"]()
    assert (ROOT / "docs" / "serve.md").read_text("utf-8") == page
    assert "#### POST /api/v1/run" in page
