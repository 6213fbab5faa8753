"""Adaptive operators: each becomes another one for the image that it gets, before the rest is planned."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from imgtk.adaptive_op import AdaptiveOp, View
from imgtk.engine.faults import blamed
from imgtk.engine.plan import Plan
from imgtk.engine.planes import seen
from imgtk.engine.render import Progress, Renderer, Source
from imgtk.engine.session import Session
from imgtk.engine.statistics import thumbnail_statistics
from imgtk.errors import BrokenContract
from imgtk.geometry import Box, Size
from imgtk.image import Image
from imgtk.op import ImageOp

__all__ = ["resolved_plan"]


class Planner(Protocol):
    """Plans for an image: as `Session.plan`, for its size and sample format."""

    def __call__(self, *, resolved: dict[int, ImageOp], last: int | None = None) -> Plan: ...


def resolved_plan(
    session: Session,
    plan: Planner,
    source: Source,
    shrunk: Callable[[Size], Image],
    *,
    has_alpha: bool,
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """Return the plan for one image, in which adaptive operators are what they become for it.

    Args:
        session: whose lock the caller holds.
        plan: gives a plan.
        source: gives regions of the image.
        shrunk: gives the image at a smaller size.
        has_alpha: whether the image has alpha.
        progress: called now and then; what it raises ends the run.

    Raises:
        OperatorError: if an operator becomes something else than it promised.
        ImgtkError: of other kinds, for errors while what they look at is computed.
    """
    found: dict[int, ImageOp] = {}
    for index, op in sorted(session.ops.items()):
        if not isinstance(op, AdaptiveOp):
            continue
        inputs = session.graph.nodes[index].inputs
        before = session.placed(plan(resolved=found, last=max(inputs)))
        renderer = Renderer(before, source, report=progress, has_alpha=has_alpha)
        renderer.statistics.update(thumbnail_statistics(session, renderer, shrunk))
        renderer.store_all(lambda index, pixels: None)
        with blamed(session.who[index], "looking at an image"):
            op.to(session.device, torch.float32)
            views = [View(before.stages[i].size, partial(_look, renderer, op, i)) for i in inputs]
            found[index] = op.resolve(*views)
            _check(op, found[index], [view.size for view in views])
    return plan(resolved=found)


def _look(renderer: Renderer, op: ImageOp, index: int, box: Box) -> Tensor:
    """Return a region of stage `index`, with the planes that an operator sees."""
    return seen(op, renderer.region(index, box)).float()


def _check(op: AdaptiveOp, becomes: object, sizes: list[Size]) -> None:
    """Raise BrokenContract unless an operator becomes what it promised."""
    if not isinstance(becomes, ImageOp) or isinstance(becomes, AdaptiveOp):
        raise BrokenContract(f"becomes {type(becomes).__name__}: resolve() must return an ImageOp that is not adaptive")
    if becomes.facts != op.facts:
        raise BrokenContract(f"becomes an operator with other facts than planned: {becomes.facts} for {op.facts}")
    size, promised = becomes.output_size(*sizes), op.output_size(*sizes)
    fits = size.width <= promised.width and size.height <= promised.height if op.shrinks else size == promised
    if not fits:
        raise BrokenContract(f"becomes an operator whose result has {size} pixels, and promised {promised}")
