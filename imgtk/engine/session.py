"""`Session`: the operators of a graph on one device, and plans for running them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from math import prod
from threading import RLock

import torch
from torch import Tensor

from imgtk.device import available_memory, resolve_device, resolve_dtype
from imgtk.engine.backend import Backend, resolve_backend
from imgtk.engine.memory import probe
from imgtk.engine.plan import Plan, Stage, choose_tile, pixels_read, plan_stages, tiled, with_stored_halos
from imgtk.engine.render import Renderer
from imgtk.engine.settings import Settings
from imgtk.errors import BackendError
from imgtk.geometry import Extent, Size, cut
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.op import ImageOp
from imgtk.registry import Registry

__all__ = ["Session"]

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
        self._placed: dict[int, tuple[torch.dtype, Backend | None]] = {}
        self._costs: dict[torch.dtype, tuple[float, float]] = {}

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
        """The operators, for a caller that moves them by itself; nobody else uses them meanwhile."""
        with self.lock:
            self._placed.clear()
            yield self.ops
            self._placed.clear()

    @property
    def memory(self) -> int:
        """Bytes that a run may use."""
        return self.settings.max_memory or int(SHARE * available_memory(torch.device("cpu")))

    @cached_property
    def in_colour(self) -> Sequence[bool]:
        """For each node, whether its image may be in colour although the input is gray."""
        found: list[bool] = []
        for index, node in enumerate(self.graph.nodes):
            own = index != INPUT and node.op != SAVE and self.registry.spec(node.op).may_add_colour
            found.append(own or any(found[i] for i in node.inputs))
        return found

    @property
    def periodic(self) -> tuple[bool, bool]:
        """On which axes (across, down) an operator takes the image as periodic."""
        axes = [op.geometry.periodic for op in self.ops.values()]
        return any(across for across, _ in axes), any(down for _, down in axes)

    @property
    def grain(self) -> int:
        """Images whose sides are multiples of this go through fractional scales without rounding, so that branches
        which meet in a large image also meet in a small one."""
        grain = prod(op.geometry.scale.denominator for op in self.ops.values())
        return grain if grain <= LARGEST_GRAIN else 1

    def dtype_of(self, depth: int) -> torch.dtype:
        """The number format for images of `depth` bits per sample. Unless it was chosen, that is float32 for more than
        8 bits, whose fine steps bf16 would merge."""
        return torch.float32 if self.settings.dtype == "auto" and depth != 8 else self.dtype

    def stages(self, size: Size, dtype: torch.dtype) -> tuple[Stage, ...]:
        """The stages for an image of `size`; see `plan_stages`."""
        with self._building:  # operators load their weights when they are first asked for their geometry
            return plan_stages(self.graph, self.ops, size, dtype)

    def plan(self, size: Size, dtype: torch.dtype, budget: int | None = None) -> Plan:
        """The plan for an image of `size`, with tiles that take at most `budget` bytes.

        Raises:
            UsageError: as `plan_stages`, or as `ImageOp.check`.
            MemoryLimitError: if not even the smallest tile fits.
        """
        with self.lock, torch.inference_mode():
            stages = self.stages(size, dtype)
            for stage in stages:
                if stage.op is not None:
                    stage.op.check(stages[stage.inputs[0]].size)
            whole = Plan(stages, self.graph.output, None, self.device)
            return self.placed(self._with_tiles(whole, dtype, budget))

    def most_at_once(self, plan: Plan) -> int:
        """How many images can share a batch: as many as are small together, if torch computes each in one piece."""
        single = plan.tile is not None or self.settings.max_memory is not None
        for stage in plan.stages:
            single |= stage.stored or stage.backend != "torch" or not (stage.op is None or stage.op.batched)
        return 1 if single else max(1, UNPROBED // max(stage.size.pixels for stage in plan.stages))

    def placed(self, plan: Plan) -> Plan:
        """The plan with its operators on the device in its number formats, and their networks on the backend that takes
        them. A network on which the backend fails is left to torch, which `Plan.notes` tells."""
        stages, notes = self._place(plan.stages, self.backend)
        return replace(plan, stages=stages, notes=(*plan.notes, *notes))

    def _place(self, stages: Sequence[Stage], backend: Backend | None) -> tuple[tuple[Stage, ...], Sequence[str]]:
        """Move what is not where it should be. Gives the stages with what computes them, and notes."""
        placed, notes = [], []
        for index, stage in enumerate(stages):
            if stage.op is not None:
                pixels = stages[stage.inputs[0]].size.pixels
                chosen = backend if backend and backend.takes(stage.op, stage.dtype, pixels) else None
                if self._placed.get(index) != (stage.dtype, chosen):
                    self._placed.pop(index, None)
                    try:
                        self._move(stage.op, stage.dtype, chosen)
                    except BackendError as error:
                        notes.append(f"torch computes {stage.label}: {error.message}")
                        chosen = None
                        self._move(stage.op, stage.dtype, chosen)
                    self._placed[index] = (stage.dtype, chosen)
                stage = replace(stage, backend=chosen.name if chosen else "torch")
            placed.append(stage)
        return tuple(placed), notes

    def _move(self, op: ImageOp, dtype: torch.dtype, backend: Backend | None) -> None:
        op.backend = backend
        op.to(self.device, dtype)

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
        fixed, per_pixel = self._memory_cost(dtype)
        side = choose_tile(whole, fixed, per_pixel, budget)
        plan = whole if side is None else tiled(whole, side)
        plan = replace(plan, peak=int(fixed + per_pixel * pixels_read(plan)))
        return with_stored_halos(plan, (free if limit is None else budget) - (plan.peak or 0))

    def _memory_cost(self, dtype: torch.dtype) -> tuple[float, float]:
        """Memory of a tile as (fixed, per pixel of the input), measured once, on a made-up image."""
        if dtype not in self._costs:
            side = self.grain  # weights are loaded first: else only the small tile would seem to need them
            self._place(self.stages(Size(side, side), dtype), None)
            self._costs[dtype] = probe(partial(self._probe_tile, dtype))  # in torch, which can be watched
        return self._costs[dtype]

    def _probe_tile(self, dtype: torch.dtype, side: int) -> int:
        """Render an image of about `side` x `side` pixels; how many it had. Operators that need the whole image
        are left out: they answer for their own memory, and would be slow to try."""
        side = -(-side // self.grain) * self.grain
        size = Size(side, side)
        stages, _ = self._place(self.stages(size, dtype), None)
        renderer = Renderer(Plan(stages, self.graph.output, None, self.device), partial(cut, _ramp(side)))
        for index, stage in enumerate(stages):
            if stage.op and stage.op.position_dependent and stage.extent is Extent.STATISTICS:  # as a tile has them
                part = -(-side // 4 // stage.op.geometry.multiple) * stage.op.geometry.multiple
                renderer.statistics[index] = stage.op.measure(_ramp(part).to(self.device, stage.dtype))
            if stage.extent is Extent.WHOLE:
                shape = (1, 3, stage.size.height, stage.size.width)
                renderer.stored[index] = torch.full(shape, 0.5, dtype=stage.dtype, device=self.device)
            elif stage.stored or index == self.graph.output:
                renderer.store(index)
        return size.pixels


def _ramp(side: int) -> Tensor:
    """An image (1, 3, side, side) of all grays."""
    return torch.linspace(0, 1, side * side).reshape(1, 1, side, side).expand(1, 3, -1, -1)
