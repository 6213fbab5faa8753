"""Statistics of images that are too large to be seen at once: taken from a thumbnail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import lcm
from typing import Any

import numpy as np
import torch

from imgtk.engine.pixels import read_regions
from imgtk.engine.plan import Plan
from imgtk.engine.render import Renderer
from imgtk.engine.session import Session
from imgtk.geometry import Extent, Size
from imgtk.op import MEASURED_PIXELS

__all__ = ["thumbnail_statistics"]


def thumbnail_statistics(session: Session, plan: Plan, shrunk: Callable[[Size], np.ndarray]) -> dict[int, Any]:
    """Statistics of the whole image, by stage id, for the STATISTICS stages whose input is too large to be measured.

    They are taken from a run of the same pipeline on a thumbnail of the image (URST, Chen et al. 2021).

    Args:
        shrunk: gives the image at a smaller size, (H, W, 1|3).
    """
    inputs = {i: stage.inputs[0] for i, stage in enumerate(plan.stages) if stage.extent is Extent.STATISTICS}
    large = {i: plan.stages[source].size.pixels for i, source in inputs.items()}
    large = {i: pixels for i, pixels in large.items() if pixels > MEASURED_PIXELS}
    if not large:
        return {}
    factor = (MEASURED_PIXELS / max(large.values())) ** 0.5
    multiples = (session.ops[i].geometry.multiple for i in large)  # so that nothing is mirrored at its ends
    grain = lcm(session.grain, *multiples)
    small = Size(*(max(1, round(side * factor / grain)) * grain for side in plan.input_size))
    pixels = shrunk(small)
    dtype = max((s.dtype for s in plan.stages if s.op), key=lambda d: d != torch.float32)
    stages = session.stages(small, dtype)
    renderer = Renderer(Plan(stages, plan.output, None, plan.device), partial(read_regions, [pixels]))
    for index in range(1, max(large)):
        if stages[index].stored or index in (inputs[i] for i in large):
            renderer.store(index)
    return {index: renderer.measure(index) for index in large}
