"""Images and operators for the tests of adjustments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def photo() -> np.ndarray:
    """(75, 100, 3), uint8: a cat, of which sides and tones are all different."""
    from skimage import data

    return np.ascontiguousarray(data.chelsea()[50:125, 100:200])


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """A table of 5 x 5 x 5 colours, red quickest."""
    steps = np.linspace(0, 1, 5)
    colours = [f"{r**1.5:.6f} {(g + r) / 2:.6f} {1 - b:.6f}" for b in steps for g in steps for r in steps]
    path = tmp_path / "grade.cube"
    path.write_text("\n".join(['TITLE "a test"', "# a comment", "LUT_3D_SIZE 5", "", *colours]))
    return path
