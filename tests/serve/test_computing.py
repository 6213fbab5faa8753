"""Plans that the server makes."""

from __future__ import annotations

import pytest

from imgtk.engine.settings import Settings
from imgtk.serve.computing import Computer
from imgtk.serve.tasks import PlanTask


@pytest.mark.parametrize("text", ["crop 300 200", "trim", "pad 20 20 | crop 10 10", "adjust:invert"])
def test_plans_need_not_suit_small_images(text: str) -> None:
    size = (15, 15) if "pad" in text else (400, 300)
    task = PlanTask(text, size=size, pixels_out=10**6)
    plan = Computer(Settings(device="cpu"), warm=1).do(task, lambda progress: None)
    assert plan["input"] == list(size)
    assert plan["output_at_most"] == (text == "trim")
    assert (plan["seconds"] is None) == (text in ("crop 300 200", "trim", "pad 20 20 | crop 10 10"))
