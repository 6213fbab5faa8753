"""Rendering: regions flow through the graph, tile by tile, and only tiles and stored stages are ever in memory."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from imgtk.adaptive_op import View
from imgtk.engine.door import measured, rendered
from imgtk.engine.faults import Interrupted, out_of_memory
from imgtk.engine.heartbeat import heartbeat
from imgtk.engine.plan import SMALLEST_TILE, Plan, Stage, cropped, demands
from imgtk.engine.planes import Pixels
from imgtk.engine.region import tiles
from imgtk.errors import ImgtkError, MemoryLimitError
from imgtk.geometry import NOTHING, NOWHERE, Box, Extent, Size
from imgtk.language.graph import INPUT, SAVE
from imgtk.op import MEASURED_PIXELS
from imgtk.steps import steps_reported

Source = Callable[[Box], Pixels]
"""Gives a region of the input images: colour as (N, 3, H, W), float32, 0..1, on the CPU."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: tiles done and in all, the stage being computed, bytes it occupies by estimate, and the share
    of all that is done, 0..1, also by estimate: it grows within a tile, too."""

    done: int
    total: int
    stage: str
    bytes: int
    share: float = 0.0


@dataclass
class Renderer:
    """Renders the stages of a plan.

    Attributes:
        plan, source: what to render, from what.
        count: of the images that are rendered at the same time, N.
        has_alpha: whether the source gives alpha.
        statistics: of the whole image, by stage id, for STATISTICS stages that do not see all of it at once, or whose
            result depends on the position.
        report: called after every tile, and within one that takes long. What it raises ends the run.
        notes: what happened on the way that the user should know of (smaller tiles, recomputed tiles).
    """

    plan: Plan
    source: Source
    statistics: dict[int, Any] = field(default_factory=dict)
    report: Callable[[Progress], None] | None = None
    count: int = 1
    has_alpha: bool = False
    notes: list[str] = field(default_factory=list)
    stored: dict[int, Pixels] = field(default_factory=dict)
    _done: int = 0
    _calls: int = 0

    @cached_property
    def alphas(self) -> list[bool]:
        """For each stage, whether it has alpha."""
        return self.plan.alphas(self.has_alpha)

    @cached_property
    def cropped(self) -> set[int]:
        """The STATISTICS stages of which others take a part only."""
        return cropped(self.plan.stages)

    def store(self, index: int) -> Pixels:
        """Compute all of stage `index` and hold it, on the plan's device."""
        stage = self.plan.stages[index]
        whole = Box.of(stage.size)
        if stage.extent is Extent.WHOLE:
            with heartbeat(self._told(stage, 1)):
                result = self.tile(index, whole)
        else:
            result = self._empty(index, stage.size)
            for box, tile in self.stream(index):
                part = result.cut(box)
                part.colour.copy_(tile.colour)
                if part.alpha is not None and tile.alpha is not None:
                    part.alpha.copy_(tile.alpha)
        self.stored[index] = result
        return result

    def store_all(self, save: Callable[[int, Pixels], None]) -> None:
        """Compute the stages that are to be stored, in order; `save` those of that name; measure what tiles need."""
        for index, stage in enumerate(self.plan.stages):
            if stage.extent is Extent.STATISTICS and self.plan.tile is not None and index not in self.statistics:
                self.statistics[index] = self.measure(index)
            if stage.stored:
                pixels = self.store(index)
                if stage.label == SAVE:
                    save(index, pixels)

    def stored_or_input(self, index: int) -> Pixels:
        """Return the whole output of a stored stage, or the input image."""
        if index in self.stored:
            return self.stored[index]
        stage = self.plan.stages[index]
        assert index == INPUT, f"stage {stage.label} was not stored"
        return self.source(Box.of(stage.size)).to(self.plan.device)

    def measure(self, index: int) -> Any:
        """Return the statistics that STATISTICS stage `index` takes of its whole input, which is stored or `INPUT`."""
        stage, source = self.plan.stages[index], self.plan.stages[index].inputs[0]
        assert stage.op is not None
        size = self.plan.stages[source].size
        with heartbeat(self._told(stage, 1)):
            if source != INPUT and source not in self.stored and size.pixels > MEASURED_PIXELS:
                small = smaller(size, size, stage.op.geometry.multiple)
                view = View(size, lambda box: self.tile(source, box).colour.float())
                pixels, size, output = Pixels(view.reduced(small)), small, stage.op.output_size(small)
            else:
                pixels, output = self.stored_or_input(source), stage.size
            return measured(stage.op, stage.who, (pixels, Box.of(size)), size, output, stage.dtype)

    def region(self, index: int, box: Box) -> Pixels:
        """Return region `box` of a stage, which may be stored, or the input image."""
        if index in self.stored:
            return self.stored[index].cut(box)
        with heartbeat(self._told(self.plan.stages[index], 1)):
            return self.tile(index, box)

    def stream(self, index: int, *, below: int = 0) -> Iterator[tuple[Box, Pixels]]:
        """Yield all tiles of stage `index` that reach below row `below`: their boxes, and pixels in the stage's dtype.

        When memory runs out the tile is halved and the run goes on.
        """
        stage = self.plan.stages[index]
        side = self.plan.tile_size(stage)
        queue = deque(box for box in tiles(stage.size, side) if box.bottom > below)
        total = self._done + len(queue)
        while queue:
            box = queue.popleft()
            try:
                with heartbeat(self._told(stage, total)):
                    tile = self.tile(index, box)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                side = self._halved(box, stage)
                queue = deque(part for whole in (box, *queue) for part in _at_most(whole, side))
                total = self._done + len(queue)
                self._measure_all(index)
                continue
            yield box, tile
            self._done += 1
            size = tile.colour.numel() * tile.colour.element_size()
            self._report(Progress(self._done, total, stage.label, size, self._done / total))

    def _report(self, progress: Progress) -> None:
        """Tell the caller. Raises Interrupted if it has had enough."""
        if self.report:
            try:
                self.report(progress)
            except BaseException as cause:
                raise Interrupted(cause) from None

    def _told(self, stage: Stage, total: int) -> Callable[[int], None] | None:
        """Return what tells the caller, within a tile of `stage`, how far it is, from how many modules of networks were
        called; one of `total` tiles."""
        if not self.report:
            return None
        networks = (getattr(one.op, "forward_fn", None) for one in self.plan.stages)
        modules = sum(len(list(network.modules())) for network in networks if isinstance(network, nn.Module))

        def tell(calls: int) -> None:
            within = min(0.99, calls / max(1, modules))
            share = min(0.99, (self._done + within) / total)
            size = stage.size.pixels * 3 * stage.dtype.itemsize
            self._report(Progress(min(self._done, total), total, stage.label, size, share))

        return tell

    def _halved(self, box: Box, stage: Stage) -> Size:
        """Return the side of tiles half as large as `box`; raises MemoryLimitError where that would be too small."""
        gc.collect()
        if self.plan.device.type == "cuda":
            torch.cuda.empty_cache()
        half = Size(-(-box.size.width // 2), -(-box.size.height // 2))
        smallest = self.plan.tile_size(stage, SMALLEST_TILE)
        if half == box.size or (half.width < smallest.width and half.height < smallest.height):
            raise MemoryLimitError(
                f"out of memory on {self.plan.device} at {stage.label}, even with a tile of {box.size} pixels",
                hint="Close other programs, choose a smaller model, or another --device.",
            ) from None
        self.notes.append(f"out of memory: tiles of {stage.label} were halved to {half}")
        return half

    def _measure_all(self, target: int) -> None:
        """Measure the statistics of the whole image before it is tiled although it was to be computed at once."""
        for index, stage in enumerate(self.plan.stages[: target + 1]):
            if stage.extent is Extent.STATISTICS:
                self._measured(index)

    def _measured(self, index: int) -> Any:
        """Return the statistics of STATISTICS stage `index`, which are taken if they are not there."""
        if index not in self.statistics:
            source = self.plan.stages[index].inputs[0]
            if source not in (INPUT, *self.stored) and self.plan.stages[source].size.pixels <= MEASURED_PIXELS:
                self.store(source)
            self.statistics[index] = self.measure(index)
        return self.statistics[index]

    def tile(self, index: int, box: Box) -> Pixels:
        """Return region `box` of a stage; in float32 if the stages' own number formats were too narrow."""
        stages = self.plan.stages
        exact = all(stage.dtype == torch.float32 for stage in stages if stage.op)
        try:
            return self._compute(index, box, None)
        except _OverflowAt as overflow:
            if exact:
                raise overflow.told(box) from None
            self.notes.append(f"{overflow.label} overflowed in tile {tuple(box)}, which was computed in float32")
        try:
            return self._compute(index, box, torch.float32)
        except _OverflowAt as overflow:
            raise overflow.told(box) from None

    def _compute(self, target: int, box: Box, dtype: torch.dtype | None) -> Pixels:
        """Return region `box` of stage `target`: first what each stage must give, backwards; then the pixels, forwards,
        each stage once. `dtype` overrides the stages' own.

        Raises:
            _OverflowAt: if a stage gave NaN or infinity.
        """
        stages = self.plan.stages
        wanted = demands(stages, target, box, self.alphas)
        remaining = _readers(stages, target, wanted)
        pixels: dict[int, tuple[Pixels, Box]] = {}
        for index, region in enumerate(wanted):
            if region is None:
                continue
            if index in self.stored and index != target:
                pixels[index] = (self.stored[index], Box.of(stages[index].size))
            elif index == INPUT:
                pixels[index] = (self.source(region).to(self.plan.device), region)
            else:
                result = self._stage(index, region, pixels, dtype)
                if stages[index].op is not None and not _finite(result.colour):
                    raise _OverflowAt(stages[index].label)
                pixels[index] = (result, region)
                for i in stages[index].inputs:
                    remaining[i] -= 1
                    if not remaining[i]:
                        pixels.pop(i, None)
        result, covers = pixels[target]
        return result.cut(box.shifted(-covers.left, -covers.top))

    def _report_step(self, stage: Stage, done: int, total: int) -> None:
        """Report progress within an operator that computes the whole image at once."""
        self._report(Progress(done, total, stage.label, stage.size.pixels * 3 * stage.dtype.itemsize, done / total))

    def _stage(
        self, index: int, region: Box, pixels: Mapping[int, tuple[Pixels, Box]], dtype: torch.dtype | None = None
    ) -> Pixels:
        """Return region `region` of stage `index`, of its inputs' `pixels` and the boxes that they cover."""
        stage = self.plan.stages[index]
        if stage.op is None:
            given, covers = pixels[stage.inputs[0]]
            return given.cut(region.shifted(-covers.left, -covers.top))
        override = dtype is not None and dtype != stage.dtype
        dtype = dtype or stage.dtype
        inputs = [pixels[i] if i in pixels else (self._empty(i, NOTHING), NOWHERE) for i in stage.inputs]
        running = vars(stage.op).get("forward_fn")
        if override:
            stage.op.to(self.plan.device, dtype)
        try:
            statistics = self.statistics.get(index)
            if stage.extent is Extent.STATISTICS and (stage.op.facts.position_dependent or index in self.cropped):
                statistics = self._measured(index)
            whole = stage.extent is Extent.WHOLE
            with steps_reported(partial(self._report_step, stage) if whole and self.report else None):
                return rendered(
                    stage.op,
                    stage.who,
                    region,
                    inputs,
                    [self.plan.stages[i].size for i in stage.inputs],
                    stage.size,
                    torch.empty(self.count, 0, dtype=dtype, device=self.plan.device),
                    statistics,
                )
        finally:
            if override:
                stage.op.to(self.plan.device, stage.dtype)
                if running is not None:  # perhaps by another runtime
                    stage.op.forward_fn = running

    def _empty(self, index: int, size: Size) -> Pixels:
        """Return the room for pixels of a stage."""
        stage, device = self.plan.stages[index], self.plan.device
        colour = torch.empty((self.count, 3, size.height, size.width), dtype=stage.dtype, device=device)
        colour = colour.contiguous(memory_format=torch.channels_last)
        return Pixels(
            colour, colour.new_empty((self.count, 1, *size[::-1]), dtype=torch.float32) if self.alphas[index] else None
        )


class _OverflowAt(Exception):  # noqa: N818 - a signal within this module
    """A stage gave NaN or infinity."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label

    def told(self, box: Box) -> ImgtkError:
        """Return what to tell the user, if float32 does not help."""
        return ImgtkError(
            f"{self.label} gave NaN or infinity in tile {tuple(box)}, in float32 too",
            hint="The weights or the image hold such values: check the model with `imgtk models`.",
        )


def _finite(x: Tensor) -> bool:
    """Return whether all values are finite. A sum tells, in one pass, unless finite values add up to infinity."""
    return bool(torch.isfinite(x.sum(dtype=torch.float32))) or bool(torch.isfinite(x).all())


def smaller(size: Size, largest: Size, grain: int) -> Size:
    """Return `size`, so much smaller that `largest` would become one that is measured, in multiples of `grain`."""
    factor = (MEASURED_PIXELS / largest.pixels) ** 0.5
    return Size(*(max(1, round(side * factor / grain)) * grain for side in size))


def _at_most(box: Box, side: Size) -> list[Box]:
    """Return `box` in tiles of at most `side`."""
    return [part.shifted(box.left, box.top) for part in tiles(box.size, side)]


def _readers(stages: tuple[Stage, ...], target: int, wanted: list[Box | None]) -> dict[int, int]:
    """Return how many stages of this tile read each stage, so that pixels can go as soon as nobody needs them."""
    readers = dict.fromkeys(range(len(stages)), 0)
    for index, region in enumerate(wanted):
        if region is not None and index != INPUT and (index == target or not stages[index].stored):
            for i in stages[index].inputs:
                readers[i] += 1
    readers[target] += 1
    return readers
