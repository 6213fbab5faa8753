"""Planning: sizes, what is fused and what is materialised, tiles and memory, before a pixel is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isqrt
from typing import Any

import torch

from imgtk.engine.region import need, union
from imgtk.errors import MemoryLimitError, UsageError
from imgtk.geometry import Box, Extent, Size
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.op import MEASURED_PIXELS, ImageOp

REPEATED = 1.5
"""A stage is materialised instead of fused when halos would have it compute more than this many times its pixels."""

SMALLEST_TILE = 16
"""Pixels of the smallest tile's side, on the input."""


@dataclass(frozen=True)
class Stage:
    """One node of the graph, planned.

    Attributes:
        op: the operator; None for the input and for `save`.
        inputs: ids of the stages it reads.
        size: of its output.
        dtype: it computes in.
        stored: whether its whole output is held: needed whole, saved, or cheaper than computing halos again.
        note: why it is stored, for people.
        backend: the runtime that computes it.
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
    """All that rendering needs to know.

    Attributes:
        stages: in the order of the graph's nodes.
        output: id of the stage whose output is the result.
        tile: side of a tile in pixels of the input image; None when the whole image is one tile.
        device: all stages run on it.
        peak: bytes that one tile is expected to need at its peak; None when it was not worth measuring.
        notes: what the user should know of it.
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

    def tile_size(self, stage: Stage, tile: int | None = None) -> Size:
        """Sides of a tile in pixels of `stage`'s output."""
        tile = tile or self.tile
        if tile is None:
            return stage.size
        scaled = (max(1, tile * out // length) for out, length in zip(stage.size, self.input_size, strict=True))
        return Size(*scaled)

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
                note=stage.note,
            )

    def mermaid(self) -> str:
        """The stages as a Mermaid flow chart: operator and size of each, stored ones with a double border."""
        lines = ["flowchart LR"]
        for index, stage in enumerate(self.stages):
            text = f"{stage.label}<br>{stage.size}".replace('"', "#quot;")
            lines.append(f'  n{index}[["{text}"]]' if stage.stored else f'  n{index}["{text}"]')
            lines += [f"  n{source} --> n{index}" for source in stage.inputs]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "input": list(self.input_size),
            "output": list(self.output_size),
            "tile": self.tile,
            "device": str(self.device),
            "peak_bytes": self.peak,
            "stages": [asdict(row) for row in self.rows],
        }


def plan_stages(graph: Graph, ops: Mapping[int, ImageOp], size: Size, dtype: torch.dtype) -> tuple[Stage, ...]:
    """The stages of `graph` for an input of `size`: their sizes, and which must be stored.

    Raises:
        UsageError: if an operator gets images of different sizes.
    """
    stages: list[Stage] = []
    for index, node in enumerate(graph.nodes):
        op = ops.get(index)
        first = size if index == INPUT else stages[node.inputs[0]].size
        others = [stages[i].size for i in node.inputs[1:]]
        if any(other != first for other in others):
            sizes = " and ".join(map(str, (first, *others)))
            raise UsageError(
                f"{node.op} needs images of one size, but gets {sizes}",
                hint="Put a resize or upscale into one of the branches.",
            )
        if op is not None:
            own = torch.float32 if op.needs_float32 else dtype
        else:  # `save` hands on what it gets; the input is held as the file had it, and read as float32
            own = torch.float32 if index == INPUT else stages[node.inputs[0]].dtype
        label = "@in" if index == INPUT else node.op
        stages.append(
            Stage(
                name=node.name or str(index),
                label=label,
                op=op,
                inputs=node.inputs,
                size=op.output_size(first) if op else first,
                dtype=own,
            )
        )
    return _with_stored(stages)


def _with_stored(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Mark what the kind of its operator, or of an operator that reads it, requires to be held whole."""
    stages = _with_stored_statistics(stages, [s for s in stages if s.op and s.op.position_dependent])
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
                notes.setdefault(i, f"stored: {stage.label} goes on at the opposite border")
    return tuple(
        replace(s, stored=True, note=notes[i]) if i in notes and i != INPUT else s for i, s in enumerate(stages)
    )


def _with_stored_statistics(stages: Sequence[Stage], measured: Sequence[Stage]) -> tuple[Stage, ...]:
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
        middle = _middle_tile(replace(plan, stages=tuple(stages)))
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


def _middle_tile(plan: Plan) -> Box:
    size, tile = plan.output_size, plan.tile_size(plan.stages[plan.output])
    left, top = (size.width - tile.width) // 2, (size.height - tile.height) // 2
    return Box(max(0, left), max(0, top), min(size.width, left + tile.width), min(size.height, top + tile.height))


def demands(stages: Sequence[Stage], target: int, box: Box) -> list[Box | None]:
    """For each stage, the region that giving `box` of stage `target` asks of it; None where nothing is asked.

    A stored stage asks nothing of its inputs (unless it is the target itself).
    """
    wanted: list[Box | None] = [None] * len(stages)
    wanted[target] = box
    for index in range(target, INPUT, -1):
        stage, region = stages[index], wanted[index]
        if region is None or (stage.stored and index != target):
            continue
        for i in stage.inputs:
            asked = need(stage.op, region, stages[i].size, stage.size).box if stage.op else region
            if stage.extent is Extent.WHOLE:
                asked = Box.of(stages[i].size)
            wanted[i] = union(wanted[i], asked)
    return wanted


def stored_bytes(stages: Iterable[Stage]) -> int:
    """Bytes of what is stored on the way."""
    return sum(stage.size.pixels * 3 * stage.dtype.itemsize for stage in stages if stage.stored)


def tiled(plan: Plan, side: int) -> Plan:
    """The plan in tiles of `side` pixels of the input."""
    return replace(plan, stages=_with_stored_statistics(plan.stages, plan.stages), tile=side)


def pixels_read(plan: Plan) -> int:
    """Pixels of the input that one tile of the output reads, halos included."""
    if plan.tile is None:
        return plan.input_size.pixels
    region = demands(plan.stages, plan.output, _middle_tile(plan))[INPUT]
    return region.size.pixels if region else min(plan.input_size.pixels, plan.tile**2)


def choose_tile(whole: Plan, fixed: float, per_pixel: float, budget: int) -> int | None:
    """The largest tile side, in pixels of the input of the untiled plan `whole`, whose peak memory stays below `budget`
    bytes; None for the whole image. The peak is taken as `fixed + per_pixel * pixels`, halos included.

    Raises:
        MemoryLimitError: if not even the smallest tile fits.
    """
    fitting = max(0.0, budget - fixed) / max(per_pixel, 1e-9)
    if whole.input_size.pixels <= fitting:
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
    """Of memory. Few bytes are told as such: somebody may have written 4 for 4G."""
    return f"{amount / 1e6:.1f} MB" if amount >= 100_000 else f"{amount:,.0f} bytes"
