"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("imgtk", deadline=None, database=None)  # busy machines are slow, not wrong
settings.load_profile("imgtk")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's pictures, benchmarks and checkpoints: `IMGTK_SHARED`, or `shared/data` beside the repository."""
    given = os.environ.get("IMGTK_SHARED")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the project's data: set IMGTK_SHARED to its folder")
    return folder
