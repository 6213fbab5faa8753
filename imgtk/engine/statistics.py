"""Statistics of images that are too large to be processed at once: taken from a thumbnail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import lcm
from typing import Any

import torch

from imgtk.engine.pixels import read_regions
from imgtk.engine.plan import Plan
from imgtk.engine.planes import scales
from imgtk.engine.render import Renderer, smaller
from imgtk.engine.session import Session
from imgtk.geometry import Extent, Size
from imgtk.image import Image
from imgtk.language.graph import INPUT
from imgtk.op import MEASURED_PIXELS

__all__ = ["thumbnail_statistics"]


def thumbnail_statistics(session: Session, renderer: Renderer, shrunk: Callable[[Size], Image]) -> dict[int, Any]:
    """Return the statistics of the whole image, by stage id, for the STATISTICS stages whose input is too large to be
    measured.

    They are taken from a run of the same pipeline on a thumbnail of the image (URST, Chen et al. 2021). Where an
    operator moves pixels, which counts in pixels of the image itself, the renderer makes a thumbnail of its result.

    Args:
        renderer: of the image itself.
        shrunk: gives the image at a smaller size.
    """
    plan = renderer.plan
    inputs = {i: stage.inputs[0] for i, stage in enumerate(plan.stages) if stage.extent is Extent.STATISTICS}
    large = {i: source for i, source in inputs.items() if plan.stages[source].size.pixels > MEASURED_PIXELS}
    large = {i: source for i, source in large.items() if _scaled(plan, source)}
    if not large:
        return {}
    largest = max((plan.stages[source].size for source in large.values()), key=lambda size: size.pixels)
    multiples = (session.ops[i].geometry.multiple for i in large)  # so that nothing is mirrored at its ends
    small = smaller(plan.input_size, largest, lcm(session.grain, *multiples))
    pixels = shrunk(small)
    dtype = max((s.dtype for s in plan.stages if s.op), key=lambda d: d != torch.float32)
    last = max(large)
    stages = session.stages(small, dtype, last=last)
    thumbnail = Plan(stages, last, None, plan.device)
    renderer = Renderer(thumbnail, partial(read_regions, [pixels]), has_alpha=pixels.alpha is not None)
    for index in range(1, last):
        if stages[index].stored or index in large.values():
            renderer.store(index)
    return {index: renderer.measure(index) for index in large}


def _scaled(plan: Plan, index: int) -> bool:
    """Return whether a stage and all before it only scale, so that they do to a thumbnail what they do to the image."""
    stage = plan.stages[index]
    if index == INPUT:
        return True
    if stage.op is not None:
        sizes = [plan.stages[i].size for i in stage.inputs]
        if not sizes or not scales(stage.op, sizes, stage.size):
            return False
    return all(_scaled(plan, i) for i in stage.inputs)
