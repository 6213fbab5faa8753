"""What every operator promises, through the engine."""

from __future__ import annotations

import pytest

from imgtk.testing import check_op


@pytest.mark.parametrize(
    "name",
    [
        "blend",
        "adjust:brightness-contrast",
        "adjust:saturation",
        "adjust:gamma",
        "adjust:grayscale",
        "adjust:sharpen",
        "adjust:blur",
        "adjust:vignette",
    ],
)
def test_contract(name: str) -> None:
    check_op(name)
