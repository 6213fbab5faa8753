"""Planning: sizes, fused and stored stages, tiles and memory, before a pixel is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Any

import torch

from imgtk.diagram import DiagramNode, svg
from imgtk.engine.faults import blamed
from imgtk.engine.planes import alpha_need, scales, with_alpha
from imgtk.engine.region import needs, union
from imgtk.errors import MemoryLimitError
from imgtk.geometry import Affine, Box, Extent, Size
from imgtk.language.graph import INPUT
from imgtk.op import MEASURED_PIXELS, ImageOp

REPEATED = 1.5
"""A stage is materialised instead of fused when halos would have it compute more than this many times its pixels."""

SMALLEST_TILE = 16
"""Pixels of the smallest tile's side, on the input."""

AT_MOST = "its size is known only when it runs: at most this"


@dataclass(frozen=True)
class Stage:
    """One node of the graph, planned.

    Attributes:
        op: the operator; None for the input and for `save`.
        inputs: ids of the stages it reads.
        size: of its output.
        dtype: it computes in.
        who: the operator and the package that brought it, for messages.
        scale: pixels of its output per pixel of the pipeline's input, across and down.
        stored: whether its whole output is held: needed whole, saved, or cheaper than computing halos again.
        note: why it is stored, for users.
        backend: the runtime that computes it.
        pending: whether `op` stands for an adaptive operator, which no image has been shown to.
        at_most: whether that leaves the size open: it is the largest possible.
    """

    name: str
    label: str
    op: ImageOp | None
    inputs: tuple[int, ...]
    size: Size
    dtype: torch.dtype
    stored: bool = False
    note: str = ""
    backend: str = "torch"
    who: str = ""
    scale: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    pending: bool = False
    at_most: bool = False

    @property
    def extent(self) -> Extent:
        return self.op.geometry.extent if self.op else Extent.LOCAL


@dataclass(frozen=True)
class PlanRow:
    """One line of the table that `imgtk plan` prints; `bytes` is what the stage's output occupies while it runs."""

    stage: str
    op: str
    size: str
    extent: str
    halo: int
    tile: str
    device: str
    backend: str
    dtype: str
    bytes: int
    weights: str
    note: str


@dataclass(frozen=True)
class Plan:
    """Everything that rendering needs to know.

    Attributes:
        stages: in the order of the graph's nodes.
        output: id of the stage whose output is the result.
        tile: side of a tile in pixels of the input image; None when the whole image is one tile.
        device: of all stages.
        peak: estimated peak of bytes for one tile; None when it was not worth measuring.
        notes: remarks for the user.
    """

    stages: tuple[Stage, ...]
    output: int
    tile: int | None
    device: torch.device
    peak: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def input_size(self) -> Size:
        return self.stages[INPUT].size

    @property
    def output_size(self) -> Size:
        return self.stages[self.output].size

    @property
    def pending(self) -> bool:
        """Whether adaptive operators have yet to see an image: `resolved_plan` is for one."""
        return any(stage.pending for stage in self.stages)

    def tile_size(self, stage: Stage, tile: int | None = None) -> Size:
        """Return the sides of a tile in pixels of `stage`'s output."""
        tile = tile or self.tile
        if tile is None:
            return stage.size
        return Size(*(max(1, int(tile * scale)) for scale in stage.scale))

    def alphas(self, has_alpha: bool) -> list[bool]:
        """Return, for each stage, whether its output has alpha if the input has."""
        return with_alpha(((stage.op, stage.inputs) for stage in self.stages), has_alpha)

    def grays(self, gray: bool) -> list[bool]:
        """Return, for each stage, whether its output is gray if the input is."""
        found: list[bool] = []
        for index, stage in enumerate(self.stages):
            if index == INPUT:
                found.append(gray)
                continue
            inherited = bool(stage.inputs) and all(found[i] for i in stage.inputs)
            colours = stage.op is not None and stage.op.facts.may_add_colour
            found.append((stage.op is not None and stage.op.facts.gray) or (inherited and not colours))
        return found

    @property
    def placement(self) -> Affine | None:
        """Where the pixels of the result lie in the input; None if no matrix describes it."""
        found = Affine.scaling(1, 1)
        index = self.output
        while index != INPUT:
            stage = self.stages[index]
            if stage.op is not None:
                own = stage.op.placement(*(self.stages[i].size for i in stage.inputs)) if stage.inputs else None
                if own is None:
                    return None
                found = own @ found
            index = stage.inputs[0]
        return found

    @property
    def rows(self) -> list[PlanRow]:
        return list(self._rows())

    def _rows(self) -> Iterator[PlanRow]:
        for index, stage in enumerate(self.stages):
            tile = self.tile_size(stage)
            held = stage.size if stage.stored or index in (INPUT, self.output) else tile
            yield PlanRow(
                stage=stage.name,
                op=stage.label,
                size=str(stage.size),
                extent=stage.extent.value if stage.op else "",
                halo=stage.op.geometry.halo if stage.op else 0,
                tile=str(tile) if stage.op else "",
                device=str(self.device) if stage.op else "",
                backend=stage.backend if stage.op else "",
                dtype=str(stage.dtype).removeprefix("torch.") if stage.op else "",
                bytes=held.pixels * 3 * stage.dtype.itemsize,
                weights=", ".join(stage.op.summary().values()) if stage.op else "",
                note="; ".join(filter(None, (AT_MOST if stage.at_most else "", stage.note))),
            )

    def mermaid(self) -> str:
        """Return the stages as a Mermaid flow chart: operator and size of each, stored ones with a double border."""
        lines = ["flowchart LR"]
        for index, stage in enumerate(self.stages):
            text = f"{stage.label}<br>{stage.size}".replace('"', "#quot;")
            lines.append(f'  n{index}[["{text}"]]' if stage.stored else f'  n{index}["{text}"]')
            lines += [f"  n{source} --> n{index}" for source in stage.inputs]
        return "\n".join(lines) + "\n"

    def svg(self) -> str:
        """Return the stages as an SVG image: operator and size of each, stored ones with a double border."""
        return svg([DiagramNode((s.label, str(s.size)), tuple(s.inputs), stored=bool(s.stored)) for s in self.stages])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "input": list(self.input_size),
            "output": list(self.output_size),
            "output_at_most": self.stages[self.output].at_most,
            "tile": self.tile,
            "device": str(self.device),
            "peak_bytes": self.peak,
            "stages": [asdict(row) for row in self.rows],
        }


def with_stored_statistics(stages: Sequence[Stage], measured: Sequence[Stage]) -> tuple[Stage, ...]:
    """Store the small images that STATISTICS stages among `measured` take their statistics from."""
    stages = list(stages)
    for stage in measured:
        if stage.extent is Extent.STATISTICS:
            source = stage.inputs[0]
            if source != INPUT and stages[source].size.pixels <= MEASURED_PIXELS and not stages[source].stored:
                note = f"stored: {stage.label} takes statistics of the whole image"
                stages[source] = replace(stages[source], stored=True, note=note)
    return tuple(stages)


def with_stored_halos(plan: Plan, spare: int) -> Plan:
    """Store a stage where computing its halos again and again costs more than `REPEATED`, if it fits in `spare` bytes.

    Fusing is the rule: it needs no memory. The cost of a stage is the area it must give for one tile, over the area
    of its own tile.
    """
    stages = list(plan.stages)
    if plan.tile is None:
        return plan
    for index in range(plan.output - 1, INPUT, -1):
        stage = stages[index]
        if stage.stored or stage.op is None:
            continue
        middle = middle_tile(replace(plan, stages=tuple(stages)))
        demanded = demands(stages, plan.output, middle)[index]
        if demanded is None:
            continue
        repeated = demanded.size.pixels / plan.tile_size(stage).pixels
        cost = stage.size.pixels * 3 * stage.dtype.itemsize
        if repeated > REPEATED and cost <= spare:
            spare -= cost
            note = f"stored: fused, its halos would be computed {repeated:.1f} times"
            stages[index] = replace(stage, stored=True, note=note)
    return replace(plan, stages=tuple(stages))


def middle_tile(plan: Plan) -> Box:
    size, tile = plan.output_size, plan.tile_size(plan.stages[plan.output])
    left, top = (size.width - tile.width) // 2, (size.height - tile.height) // 2
    return Box(max(0, left), max(0, top), min(size.width, left + tile.width), min(size.height, top + tile.height))


def demands(stages: Sequence[Stage], target: int, box: Box, alphas: Sequence[bool] | None = None) -> list[Box | None]:
    """Return, for each stage, the region that it must provide for `box` of stage `target`; None where nothing is
    needed.

    A stored stage needs nothing of its inputs (unless it is the target itself).

    Args:
        alphas: for each stage, whether it has alpha, which may need a wider region than colour.
    """
    wanted: list[Box | None] = [None] * len(stages)
    wanted[target] = box
    for index in range(target, INPUT, -1):
        stage, region = stages[index], wanted[index]
        if region is None or (stage.stored and index != target):
            continue
        sizes = [stages[i].size for i in stage.inputs]
        if stage.op is None:
            asked = [region]
        else:
            with blamed(stage.who, "planning"):
                asked = [need.box for need in needs(stage.op, region, sizes, stage.size)[0]]
                if alphas and sizes and alphas[stage.inputs[0]] and scales(stage.op, sizes, stage.size):
                    asked[0] = union(asked[0], alpha_need(stage.op.geometry, region, sizes[0], stage.size))
        for i, part in zip(stage.inputs, asked, strict=True):
            if not part.empty:
                wanted[i] = union(wanted[i], part)
    return wanted


def cropped(stages: Sequence[Stage]) -> set[int]:
    """Return the STATISTICS stages of which others, computed as a whole, take a part only. It does not show what the
    whole image is like."""
    measured = [index for index, stage in enumerate(stages) if stage.extent is Extent.STATISTICS]
    read = {index for stage in stages for index in stage.inputs}
    targets = [index for index, stage in enumerate(stages) if stage.stored or index not in read]
    found: set[int] = set()
    for target in targets if measured else ():
        wanted = demands(stages, target, Box.of(stages[target].size))
        found.update(index for index in measured if wanted[index] not in (None, Box.of(stages[index].size)))
    return found


def stored_bytes(stages: Iterable[Stage]) -> int:
    """Return the bytes of stored stages."""
    return sum(stage.size.pixels * 3 * stage.dtype.itemsize for stage in stages if stage.stored)


def tiled(plan: Plan, side: int) -> Plan:
    """Return the plan in tiles of `side` pixels of the input."""
    return replace(plan, stages=with_stored_statistics(plan.stages, plan.stages), tile=side)


def pixels_read(plan: Plan) -> int:
    """Return the pixels of the input that one tile of the output reads, halos included."""
    box = middle_tile(plan)
    region = demands(plan.stages, plan.output, box)[INPUT]
    return region.size.pixels if region else box.size.pixels


def choose_tile(whole: Plan, fixed: float, per_pixel: float, budget: int) -> int | None:
    """Return the largest tile side, in pixels of the input of the untiled plan `whole`, whose peak memory stays below
    `budget` bytes; None for the whole image. The peak is taken as `fixed + per_pixel * pixels`, halos included.

    Raises:
        MemoryLimitError: if not even the smallest tile fits.
    """
    fitting = max(0.0, budget - fixed) / max(per_pixel, 1e-9)
    if pixels_read(whole) <= fitting:
        return None
    side = min(isqrt(int(fitting)), max(whole.input_size))
    while side >= SMALLEST_TILE:
        if pixels_read(tiled(whole, side)) <= fitting:
            return side
        side = side * 7 // 8
    least = fixed + per_pixel * pixels_read(tiled(whole, SMALLEST_TILE))
    raise MemoryLimitError(
        f"the smallest tile needs about {_told(least)}, more than the {_told(budget)} that may be used",
        hint="Raise --max-memory, or choose a smaller model.",
    )


def _told(amount: float) -> str:
    """Return an amount of memory as text. Few bytes are given exactly: somebody may have written 4 for 4G."""
    return f"{amount / 1e6:.1f} MB" if amount >= 100_000 else f"{amount:,.0f} bytes"
