"""`Session`: the operators of a graph on one device, and plans for running them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from math import prod
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from imgtk.adaptive_op import AdaptiveOp
from imgtk.device import available_memory, resolve_device, resolve_dtype
from imgtk.engine.backend import Backend, resolve_backend
from imgtk.engine.faults import blamed
from imgtk.engine.memory import probe
from imgtk.engine.plan import Plan, Stage, choose_tile, middle_tile, pixels_read, tiled, with_stored_halos
from imgtk.engine.planes import Pixels, with_alpha
from imgtk.engine.render import Renderer
from imgtk.engine.settings import Settings
from imgtk.engine.stages import plan_stages
from imgtk.errors import BackendError, UsageError
from imgtk.geometry import Extent, Size
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.op import ImageOp
from imgtk.registry import Registry

__all__ = ["Session"]

logger = logging.getLogger(__name__)

SHARE = 0.5
"""Share of the free memory that a run may use unless `Settings.max_memory` says otherwise."""

WORKING = 1 << 30
"""Bytes that a tile is given of it at most: larger tiles are no faster."""

LARGEST_GRAIN = 128
"""Images made for measuring are not enlarged to a multiple larger than this."""

UNPROBED = 1 << 21
"""Pixels of the largest stage up to which an image is rendered in one piece without measuring memory first."""


class Session:
    """The operators of a graph: built, with their weights loaded, on a device, and what their tiles cost.

    Operators are built when they are first needed, and kept. Moving them to a number format changes them for everyone,
    so whoever computes with them holds `lock`, and runs of several threads come one after the other. What only asks
    for sizes waits for no run.

    Attributes:
        lock: held by the run that computes.
        dtype: the number format for 8-bit images.

    Raises:
        DeviceError: for a device that is not there, or a number format that the backend does not compute in.
        BackendError: for a backend that is not installed, or not for the device.
    """

    def __init__(self, graph: Graph, registry: Registry, settings: Settings) -> None:
        self.graph, self.registry, self.settings = graph, registry, settings
        self.device = resolve_device(settings.device)
        self.backend = resolve_backend(settings.backend, self.device)
        self.dtype = resolve_dtype(settings.dtype, self.device)
        if self.backend and settings.backend != "auto":
            self.dtype = self.backend.dtype(settings.dtype, self.dtype)
        self.lock = RLock()
        self._building = RLock()
        self._ops: dict[int, ImageOp] = {}
        self._placed: dict[int, tuple[ImageOp, torch.dtype, Backend | None]] = {}
        self._costs: dict[tuple[Any, ...], tuple[float, float]] = {}

    @property
    def ops(self) -> Mapping[int, ImageOp]:
        """The operators by node id. Raises what is wrong with their parameters or weights."""
        with self._building:
            if not self._ops:
                context = self.registry.context(self.settings.seed)
                self._ops = {
                    index: self.registry.spec(node.op).build(context, **node.params)
                    for index, node in enumerate(self.graph.nodes)
                    if index != INPUT and node.op != SAVE
                }
            return self._ops

    @contextmanager
    def lent(self) -> Iterator[Mapping[int, ImageOp]]:
        """Lend the operators to a caller that moves them; nobody else uses them meanwhile."""
        with self.lock:
            self._placed.clear()
            yield self.ops
            self._placed.clear()

    @property
    def memory(self) -> int:
        """Bytes that a run may use."""
        return self.settings.max_memory or int(SHARE * available_memory(torch.device("cpu")))

    @cached_property
    def who(self) -> Mapping[int, str]:
        """The operators in words, by node id: with the packages that provide them."""
        return {index: self.registry.told(node.op) for index, node in enumerate(self.graph.nodes) if index in self.ops}

    @property
    def in_place(self) -> bool:
        """Whether the operators only scale, so that they work for small images as for large ones."""
        return all(
            self.graph.nodes[i].inputs
            and not isinstance(op, AdaptiveOp)
            and type(op).regions is ImageOp.regions
            and type(op).placement is ImageOp.placement
            for i, op in self.ops.items()
        )

    def gives_alpha(self, has_alpha: bool) -> bool:
        """Return whether the result has alpha, if the input has or not."""
        stages = ((self.ops.get(index), node.inputs) for index, node in enumerate(self.graph.nodes))
        return with_alpha(stages, has_alpha)[self.graph.output]

    def canvas(self, size: Size | None) -> Size:
        """Return the size to plan for where there is no input: `size`, or that of the first image that is made of
        nothing.

        Raises:
            UsageError: if an input is needed, or nothing tells the size.
        """
        if self.graph.reads_input:
            raise UsageError("this pipeline needs an image", hint="Name one after the pipeline.")
        maker = next(i for i, node in enumerate(self.graph.nodes) if i != INPUT and not node.inputs)
        if size is not None:
            return size
        try:
            return self.ops[maker].output_size()
        except UsageError as error:
            raise UsageError(f"{self.graph.nodes[maker].op}: {error.message}", hint=error.hint) from None

    @property
    def frames(self) -> int:
        """Frames of the clip that the operators make from nothing; 1 for an image.

        Raises:
            UsageError: if their numbers differ.
        """
        counts = {op.facts.frames for op in self.ops.values()} - {1}
        if len(counts) > 1:
            several = " and ".join(map(str, sorted(counts)))
            raise UsageError(f"the pipeline makes clips of {several} frames", hint="Give all of them the same number.")
        return counts.pop() if counts else 1

    @property
    def grain(self) -> int:
        """Images whose sides are multiples of this go through fractional scales without rounding, so that branches
        which meet in a large image also meet in a small one."""
        grain = prod(op.geometry.scale.denominator for op in self.ops.values())
        return grain if grain <= LARGEST_GRAIN else 1

    def dtype_of(self, depth: int) -> torch.dtype:
        """Return the number format for images of `depth` bits per sample. Unless it was chosen, that is float32 for
        more than 8 bits, whose fine steps bf16 would merge."""
        return torch.float32 if self.settings.dtype == "auto" and depth != 8 else self.dtype

    def stages(
        self, size: Size, dtype: torch.dtype, resolved: Mapping[int, ImageOp] | None = None, last: int | None = None
    ) -> tuple[Stage, ...]:
        """Return the stages for an image of `size`; see `plan_stages`. `resolved` are operators, by node id, that take
        the place of adaptive ones."""
        with self._building:  # operators load their weights when they are first asked for their geometry
            return plan_stages(self.graph, {**self.ops, **(resolved or {})}, size, dtype, self.who, last)

    def plan(
        self,
        size: Size,
        dtype: torch.dtype,
        budget: int | None = None,
        resolved: Mapping[int, ImageOp] | None = None,
        last: int | None = None,
    ) -> Plan:
        """Return the plan for an image of `size`, with tiles that take at most `budget` bytes.

        Args:
            resolved: as for `stages`.
            last: the stage whose output is the result; None for the graph's.

        Raises:
            UsageError: as `plan_stages`, or as `ImageOp.check`.
            MemoryLimitError: if not even the smallest tile fits.
        """
        with self.lock, torch.no_grad():
            stages = self.stages(size, dtype, resolved, last)
            for stage in stages:
                if stage.op is not None and stage.inputs:
                    with blamed(stage.who, "checking the size of an image"):
                        stage.op.check(stages[stage.inputs[0]].size)
            whole = Plan(stages, self.graph.output if last is None else last, None, self.device)
            planned = self.placed(self._with_tiles(whole, dtype, budget))
        tile = f"tiles of {planned.tile}" if planned.tile else "one piece"
        logger.info("%s pixels on %s, %s, in %s", size, self.device, dtype, tile)
        return planned

    def most_at_once(self, plan: Plan) -> int:
        """Return how many images can share a batch: those that are small together, if torch computes each in one
        piece."""
        single = plan.pending or plan.tile is not None or self.settings.max_memory is not None
        for stage in plan.stages:
            single |= stage.stored or stage.backend != "torch" or not (stage.op is None or stage.op.facts.batched)
        return 1 if single else max(1, UNPROBED // max(stage.size.pixels for stage in plan.stages))

    def placed(self, plan: Plan) -> Plan:
        """Return the plan with its operators on the device in its number formats, and their networks on the backend
        that takes them. A network on which the backend fails is left to torch, which `Plan.notes` tells."""
        stages, notes = self._place(plan.stages, self.backend)
        return replace(plan, stages=stages, notes=(*plan.notes, *notes))

    def _place(self, stages: Sequence[Stage], backend: Backend | None) -> tuple[tuple[Stage, ...], Sequence[str]]:
        """Move what is not where it should be. Gives the stages with what computes them, and notes."""
        placed, notes = [], []
        for index, stage in enumerate(stages):
            if stage.op is not None:
                pixels = stages[stage.inputs[0]].size.pixels if stage.inputs else 0
                chosen = backend if backend and backend.takes(stage.op, stage.dtype, pixels) else None
                held = self._placed.get(index)
                if held is None or held[0] is not stage.op or held[1:] != (stage.dtype, chosen):
                    self._placed.pop(index, None)
                    try:
                        self._move(stage, chosen)
                    except BackendError as error:
                        notes.append(f"torch computes {stage.label}: {error.message}")
                        chosen = None
                        self._move(stage, chosen)
                    self._placed[index] = (stage.op, stage.dtype, chosen)
                stage = replace(stage, backend=chosen.name if chosen else "torch")
            placed.append(stage)
        return tuple(placed), notes

    def _move(self, stage: Stage, backend: Backend | None) -> None:
        assert stage.op is not None
        with blamed(stage.who, "loading"):
            stage.op.to(self.device, stage.dtype)
            network = stage.op.network
        if backend and network is not None:
            stage.op.forward_fn = backend(network, self.device, stage.dtype)

    def _with_tiles(self, whole: Plan, dtype: torch.dtype, budget: int | None) -> Plan:
        tile, limit = self.settings.tile, self.settings.max_memory
        if tile == "off":
            return whole
        if tile is not None:
            return whole if tile >= max(whole.input_size) else tiled(whole, tile)
        if max(stage.size.pixels for stage in whole.stages) <= UNPROBED and limit is None:
            return whole
        free = int(SHARE * available_memory(self.device))
        most = min(free, WORKING) if limit is None else limit
        budget = min(most, budget or most)
        fixed, per_pixel = self._memory_cost(whole, dtype)
        side = choose_tile(whole, fixed, per_pixel, budget)
        plan = whole if side is None else tiled(whole, side)
        plan = replace(plan, peak=int(fixed + per_pixel * pixels_read(plan)))
        return with_stored_halos(plan, (free if limit is None else budget) - (plan.peak or 0))

    def _memory_cost(self, whole: Plan, dtype: torch.dtype) -> tuple[float, float]:
        """Return the memory of a tile as (fixed, per pixel that it reads), measured once for each number format, on a
        synthetic image; for each size, too, if operators move pixels, which not every size suits."""
        key = (dtype,) if self.in_place else (dtype, whole.input_size, whole.output)
        if key not in self._costs:
            stages = whole.stages
            if self.in_place:
                stages = self.stages(Size(self.grain, self.grain), dtype)
            self._place(stages, None)  # weights are loaded first: else only the small tile would seem to need them
            probed = partial(self._probe_image, dtype) if self.in_place else partial(self._probe_tile, whole)
            self._costs[key] = probe(probed)  # in torch, which can be watched
        return self._costs[key]

    def _probe_image(self, dtype: torch.dtype, side: int) -> int:
        """Render an image of about `side` x `side` pixels; how many it had. Operators that need the whole image
        are left out: they answer for their own memory, and would be slow to try."""
        side = -(-side // self.grain) * self.grain
        size = Size(side, side)
        stages, _ = self._place(self.stages(size, dtype), None)
        renderer = self._probing(Plan(stages, self.graph.output, None, self.device), side)
        for index, stage in enumerate(stages):
            if stage.extent is Extent.WHOLE:
                renderer.stored[index] = _gray(stage, self.device)
            elif stage.stored or index == self.graph.output:
                renderer.store(index)
        return size.pixels

    def _probe_tile(self, whole: Plan, side: int) -> int:
        """Render a tile of about `side` x `side` pixels in the middle of an image; how many it reads."""
        stages, _ = self._place(whole.stages, None)
        plan = replace(whole, stages=stages, tile=side)
        renderer = self._probing(plan, side)
        renderer.stored = {i: _gray(stage, self.device) for i, stage in enumerate(stages) if stage.stored}
        if plan.output not in renderer.stored:
            renderer.tile(plan.output, middle_tile(plan))
        return pixels_read(plan)

    def _probing(self, plan: Plan, side: int) -> Renderer:
        """Return what renders a synthetic image, with the statistics that tiles have."""
        renderer = Renderer(plan, lambda box: Pixels(_ramp(box.size).contiguous()))  # as large as pixels that are read
        for index, stage in enumerate(plan.stages):
            if stage.op and stage.op.facts.position_dependent and stage.extent is Extent.STATISTICS:
                part = -(-side // 4 // stage.op.geometry.multiple) * stage.op.geometry.multiple
                small = _ramp(Size(part, part)).to(self.device, stage.dtype)
                renderer.statistics[index] = stage.op.measure(small)
        return renderer


def _ramp(size: Size) -> Tensor:
    """Return an image (1, 3, H, W) of all grays."""
    return torch.linspace(0, 1, size.pixels).reshape(1, 1, size.height, size.width).expand(1, 3, -1, -1)


def _gray(stage: Stage, device: torch.device) -> Pixels:
    """Return a stage that was stored, all gray, in next to no memory."""
    return Pixels(torch.full((1, 1, 1, 1), 0.5, dtype=stage.dtype, device=device).expand(1, 3, *stage.size[::-1]))
