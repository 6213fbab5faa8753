"""Rendering: regions flow through the graph, tile by tile, and only tiles and stored stages are ever in memory."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from imgtk.engine.plan import SMALLEST_TILE, Plan, Stage, demands
from imgtk.engine.region import need, tiles
from imgtk.errors import ImgtkError, MemoryLimitError
from imgtk.geometry import Box, Extent, Size, cut
from imgtk.language.graph import INPUT, SAVE

Source = Callable[[Box], Tensor]
"""Gives a region of the input images as (N, 3, H, W), float32, 0..1, on the CPU."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: tiles done and in all, the stage being computed, and bytes it occupies by estimate."""

    done: int
    total: int
    stage: str
    bytes: int


@dataclass
class Renderer:
    """Renders the stages of a plan.

    Attributes:
        plan, source: what to render, from what.
        count: of the images that are rendered at the same time, N.
        statistics: of the whole image, by stage id, for STATISTICS stages that are tiled or position-dependent.
        report: called after every tile.
        notes: what happened on the way that the user should know of (smaller tiles, recomputed tiles).
    """

    plan: Plan
    source: Source
    statistics: dict[int, Any] = field(default_factory=dict)
    report: Callable[[Progress], None] | None = None
    count: int = 1
    notes: list[str] = field(default_factory=list)
    stored: dict[int, Tensor] = field(default_factory=dict)
    _done: int = 0

    def store(self, index: int) -> Tensor:
        """Compute all of stage `index` and hold it; (N, 3, H, W) on the plan's device."""
        stage = self.plan.stages[index]
        whole = Box.of(stage.size)
        if stage.extent is Extent.WHOLE:
            result = self._stage(index, whole, {i: (self.stored_or_input(i), whole) for i in stage.inputs})
        else:
            result = torch.empty(
                (self.count, 3, stage.size.height, stage.size.width), dtype=stage.dtype, device=self.plan.device
            ).contiguous(memory_format=torch.channels_last)
            for box, tile in self.stream(index):
                cut(result, box).copy_(tile)
        self.stored[index] = result
        return result

    def store_all(self, save: Callable[[int, Tensor], None]) -> None:
        """Compute the stages that are to be stored, in order; `save` those of that name; measure what tiles need."""
        for index, stage in enumerate(self.plan.stages):
            if stage.extent is Extent.STATISTICS and self.plan.tile is not None and index not in self.statistics:
                self.statistics[index] = self.measure(index)
            if stage.stored:
                pixels = self.store(index)
                if stage.label == SAVE:
                    save(index, pixels)

    def stored_or_input(self, index: int) -> Tensor:
        """All of a stage that was stored, or of the input image."""
        if index in self.stored:
            return self.stored[index]
        stage = self.plan.stages[index]
        assert index == INPUT, f"stage {stage.label} was not stored"
        return self.source(Box.of(stage.size)).to(self.plan.device)

    def measure(self, index: int) -> Any:
        """The statistics that STATISTICS stage `index` takes of its whole input, which is stored or `INPUT`."""
        stage = self.plan.stages[index]
        assert stage.op is not None
        image = self.stored_or_input(stage.inputs[0])
        covers = Box.of(self.plan.stages[stage.inputs[0]].size)
        needed = need(stage.op, Box.of(stage.size), covers.size, stage.size)
        return stage.op.measure(_prepared(needed.take(image, covers), stage.dtype))

    def stream(self, index: int, *, below: int = 0) -> Iterator[tuple[Box, Tensor]]:
        """All tiles of stage `index` that reach below row `below`: their boxes, and (N, 3, H, W) in the stage's dtype.

        When memory runs out the tile is halved and the run goes on.
        """
        stage = self.plan.stages[index]
        side = self.plan.tile_size(stage)
        queue = deque(box for box in tiles(stage.size, side) if box.bottom > below)
        total = self._done + len(queue)
        while queue:
            box = queue.popleft()
            try:
                tile = self._tile(index, box)
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
            if self.report:
                self.report(Progress(self._done, total, stage.label, tile.numel() * tile.element_size()))

    def _halved(self, box: Box, stage: Stage) -> Size:
        """The side of tiles half as large as `box`; raises MemoryLimitError where that would be too small."""
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
        """Before an image that was to be computed at once is tiled after all: statistics of the whole of it."""
        for index, stage in enumerate(self.plan.stages[: target + 1]):
            if stage.extent is Extent.STATISTICS:
                self._measured(index)

    def _measured(self, index: int) -> Any:
        """The statistics of STATISTICS stage `index`, which are taken if they are not there."""
        if index not in self.statistics:
            source = self.plan.stages[index].inputs[0]
            if source not in (INPUT, *self.stored):
                self.store(source)
            self.statistics[index] = self.measure(index)
        return self.statistics[index]

    def _tile(self, index: int, box: Box) -> Tensor:
        """Region `box` of a stage; in float32 if the stages' own number formats were too narrow."""
        try:
            return self._compute(index, box, None)
        except _OverflowAt as overflow:
            self.notes.append(f"{overflow.label} overflowed in tile {tuple(box)}, which was computed in float32")
        try:
            return self._compute(index, box, torch.float32)
        except _OverflowAt as overflow:
            raise ImgtkError(
                f"{overflow.label} gave NaN or infinity in tile {tuple(box)}, in float32 too",
                hint="The weights or the image hold such values: check the model with `imgtk models`.",
            ) from None

    def _compute(self, target: int, box: Box, dtype: torch.dtype | None) -> Tensor:
        """Region `box` of stage `target`: first what each stage must give, backwards; then the pixels, forwards, each
        stage once. `dtype` overrides the stages' own.

        Raises:
            _OverflowAt: if a stage gave NaN or infinity, and either computes in reduced precision or was overridden.
        """
        stages = self.plan.stages
        wanted = demands(stages, target, box)
        remaining = _readers(stages, target, wanted)
        pixels: dict[int, tuple[Tensor, Box]] = {}
        for index, region in enumerate(wanted):
            if region is None:
                continue
            if index in self.stored and index != target:
                pixels[index] = (self.stored[index], Box.of(stages[index].size))
            elif index == INPUT:
                pixels[index] = (self.source(region).to(self.plan.device), region)
            else:
                result = self._stage(index, region, pixels, dtype)
                suspect = dtype is not None or stages[index].dtype != torch.float32
                if suspect and not torch.isfinite(result).all():
                    raise _OverflowAt(stages[index].label)
                pixels[index] = (result, region)
                for i in stages[index].inputs:
                    remaining[i] -= 1
                    if not remaining[i]:
                        pixels.pop(i, None)
        result, covers = pixels[target]
        return cut(result, box.shifted(-covers.left, -covers.top))

    def _report_step(self, stage: Stage, done: int, total: int) -> None:
        """Progress within an operator that computes the whole image at once."""
        assert self.report is not None
        self.report(Progress(done, total, stage.label, stage.size.pixels * 3 * stage.dtype.itemsize))

    def _stage(
        self, index: int, region: Box, pixels: Mapping[int, tuple[Tensor, Box]], dtype: torch.dtype | None = None
    ) -> Tensor:
        """Region `region` of stage `index`, of its inputs' `pixels` and the boxes that they cover."""
        stage = self.plan.stages[index]
        if stage.op is None:
            tensor, covers = pixels[stage.inputs[0]]
            return cut(tensor, region.shifted(-covers.left, -covers.top))
        override = dtype is not None and dtype != stage.dtype
        dtype = dtype or stage.dtype
        needed = need(stage.op, region, self.plan.stages[stage.inputs[0]].size, stage.size)
        inputs = [_prepared(needed.take(*pixels[i]), dtype) for i in stage.inputs]
        if override:
            stage.op.to(self.plan.device, dtype)
        try:
            if stage.op.position_dependent:
                known = {"statistics": self._measured(index)} if stage.extent is Extent.STATISTICS else {}
                return stage.op.render(*inputs, window=needed.window, **known)
            if stage.extent is Extent.WHOLE:
                stage.op.on_step = partial(self._report_step, stage) if self.report else None
            if index in self.statistics:
                result = stage.op.apply(inputs[0], self.statistics[index])
            else:
                result = stage.op(*inputs)
        finally:
            if override:
                stage.op.to(self.plan.device, stage.dtype)
        return cut(result, needed.crop)


class _OverflowAt(Exception):  # noqa: N818 - a signal within this module
    """A stage gave NaN or infinity."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def _at_most(box: Box, side: Size) -> list[Box]:
    """`box` in tiles of at most `side`."""
    return [part.shifted(box.left, box.top) for part in tiles(box.size, side)]


def _prepared(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def _readers(stages: tuple[Stage, ...], target: int, wanted: list[Box | None]) -> dict[int, int]:
    """How many stages of this tile read each stage, so that pixels can go as soon as nobody needs them."""
    readers = dict.fromkeys(range(len(stages)), 0)
    for index, region in enumerate(wanted):
        if region is not None and index != INPUT and (index == target or not stages[index].stored):
            for i in stages[index].inputs:
                readers[i] += 1
    readers[target] += 1
    return readers


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn what torch raises when memory runs out into a MemoryLimitError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryLimitError(f"out of memory: {error}", hint="Try a smaller --tile or --max-memory.") from None


def out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory ran out: torch's own kind on GPUs, a plain RuntimeError on the CPU."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
