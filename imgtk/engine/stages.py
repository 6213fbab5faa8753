"""The stages of a graph for an image of one size: how large each is, and which must be held whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import hypot

import torch

from imgtk.adaptive_op import AdaptiveOp
from imgtk.engine.faults import blamed
from imgtk.engine.plan import Stage, cropped, with_stored_statistics
from imgtk.engine.planes import scales
from imgtk.errors import BrokenContract, UsageError
from imgtk.geometry import Extent, Size
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.op import ImageOp

__all__ = ["plan_stages"]


def plan_stages(
    graph: Graph,
    ops: Mapping[int, ImageOp],
    size: Size,
    dtype: torch.dtype,
    who: Mapping[int, str] | None = None,
    last: int | None = None,
) -> tuple[Stage, ...]:
    """Return the stages of `graph` for an input of `size`: their sizes, and which must be stored.

    Args:
        who: what messages call the operators.
        last: id of the last stage; None for all.

    Raises:
        UsageError: if an operator gets images of different sizes, and takes only such of one size.
        ImgtkError: if an operator does not suit the images that it gets.
        OperatorError: if an operator has a bug.
    """
    stages: list[Stage] = []
    for index, node in enumerate(graph.nodes[: None if last is None else last + 1]):
        op = ops.get(index)
        name = (who or {}).get(index, node.op)
        pending, at_most = isinstance(op, AdaptiveOp), any(stages[i].at_most for i in node.inputs)
        if isinstance(op, AdaptiveOp):
            with blamed(name, "planning"):
                at_most, op = at_most or op.shrinks, op.planned
        sizes = [stages[i].size for i in node.inputs]
        if op is None:  # `save` hands on what it gets; the input is held as the file had it, and read as float32
            own = torch.float32 if index == INPUT else stages[node.inputs[0]].dtype
            output, scale = (size, (Fraction(1), Fraction(1)))
            if sizes:
                output, scale = sizes[0], stages[node.inputs[0]].scale
        else:
            if len(set(sizes)) > 1 and type(op).output_size is ImageOp.output_size:
                raise UsageError(
                    f"{node.op} needs images of one size, but gets {' and '.join(map(str, sizes))}",
                    hint="Put a resize or upscale into one of the branches.",
                )
            with blamed(name, "planning"):
                output = _checked(op.output_size(*(sizes or [size])))
                scale = _scale(op, sizes, output, stages[node.inputs[0]].scale if sizes else None, size)
                own = torch.float32 if op.facts.needs_float32 else dtype
        label = "@in" if index == INPUT else node.op
        stages.append(
            Stage(
                name=node.name or str(index),
                label=label,
                op=op,
                inputs=node.inputs,
                size=output,
                dtype=own,
                who=(who or {}).get(index, node.op),
                scale=scale,
                pending=pending,
                at_most=at_most,
            )
        )
    return _with_stored(stages)


def _checked(size: object) -> Size:
    """Return what an operator says its output size is. Raises BrokenContract if that is none."""
    if not isinstance(size, Size) or not all(type(side) is int and side >= 1 for side in size):
        raise BrokenContract(f"says that its output has the size {size!r}, which is no Size of at least 1x1")
    return size


def _scale(
    op: ImageOp, sizes: Sequence[Size], output: Size, before: tuple[Fraction, Fraction] | None, size: Size
) -> tuple[Fraction, Fraction]:
    """Return the pixels of an operator's output per pixel of the pipeline's input, of `size`; `before` is that of its
    input."""
    if before is None:
        return Fraction(output.width, size.width), Fraction(output.height, size.height)
    if scales(op, sizes, output):
        across, down = (Fraction(new, old) for new, old in zip(output, sizes[0], strict=True))
        return across * before[0], down * before[1]
    matrix = op.placement(*sizes)
    if matrix is None:
        return before
    turned = abs(matrix.d) > abs(matrix.a)
    steps = (hypot(matrix.a, matrix.d), hypot(matrix.b, matrix.e))
    across, down = (Fraction(1 / max(step, 1e-3)).limit_denominator(1000) for step in steps)
    return (across * before[1], down * before[0]) if turned else (across * before[0], down * before[1])


def _with_stored(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Mark what the kind of its operator, or of an operator that reads it, requires to be held whole."""
    stages = with_stored_statistics(stages, [s for s in stages if s.op and s.op.facts.position_dependent])
    notes: dict[int, str] = {}
    for index, stage in enumerate(stages):
        if stage.label == SAVE:
            notes[index] = "stored: it is written to a file"
        if stage.extent is Extent.WHOLE:
            notes[index] = "stored: computed in one piece"
            for i in stage.inputs:
                notes.setdefault(i, f"stored: {stage.label} needs the whole image")
        elif stage.op and any(stage.op.geometry.periodic):
            for i in stage.inputs:
                notes.setdefault(i, f"stored: {stage.label} continues at the opposite border")
    stages = [replace(s, stored=True, note=notes[i]) if i in notes and i != INPUT else s for i, s in enumerate(stages)]
    return with_stored_statistics(stages, [stages[index] for index in cropped(stages)])
