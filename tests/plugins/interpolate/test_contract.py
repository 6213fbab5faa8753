"""What every operator promises, through the engine."""

from __future__ import annotations

import pytest

from imgtk.nn.resample import KERNELS
from imgtk.testing import check_op


@pytest.mark.parametrize("scale", ["x2", "x2.5"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_upscale(kernel: str, scale: str) -> None:
    check_op(f"upscale:{kernel}", scale=scale)


@pytest.mark.parametrize(
    "size", [{"scale": "x0.3"}, {"width": 20}, {"width": 19, "height": 40, "fit": "stretch"}], ids=str
)
@pytest.mark.parametrize("kernel", KERNELS)
def test_resize(kernel: str, size: dict[str, object]) -> None:
    check_op(f"resize:{kernel}", **size)
