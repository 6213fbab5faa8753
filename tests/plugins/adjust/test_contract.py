"""What every operator promises, through the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgtk.testing import check_op
from imgtk_adjust import imgtk_operators

PARAMS: dict[str, list[dict[str, Any]]] = {
    "adjust:curves": [{"points": "0:0.1,0.3:0.2,1:1"}, {"points": "0:1,1:0", "channel": "luma"}],
    "adjust:threshold": [{}, {"method": "otsu"}],
    "adjust:tonemap": [{}, {"method": "drago"}, {"method": "filmic", "input": "srgb"}],
    "adjust:white-balance": [{}, {"method": "white-patch", "tint": 0.2}, {"method": "none"}],
    "adjust:dehaze": [{"radius": 1}, {}],
    "adjust:clahe": [{"grid": 2}],
    "adjust:auto-levels": [{}, {"by_channel": True}],
}
"""What operators are tried with; others with their defaults."""
CASES = [(spec, params) for spec in imgtk_operators() for params in PARAMS.get(spec.name, [{}])]


@pytest.mark.parametrize(("spec", "params"), CASES, ids=[f"{spec.name}-{params}" for spec, params in CASES])
def test_contract(spec: Any, params: dict[str, Any], cube: Path) -> None:
    check_op(spec, **params, **({"file": cube} if spec.name == "adjust:lut" else {}))
