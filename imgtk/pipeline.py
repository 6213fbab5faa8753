"""`Pipeline`: the Python face of imgtk. Text, YAML or a graph in; a callable on images out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import lcm, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.device import available_memory, resolve_device, resolve_dtype
from imgtk.engine.backend import Backend, resolve_backend
from imgtk.engine.memory import probe
from imgtk.engine.pixels import (
    FAINT,
    alpha_region,
    quantised,
    read_regions,
    region_of,
    resized_alpha,
    shrunk,
)
from imgtk.engine.plan import (
    Plan,
    Stage,
    choose_tile,
    pixels_read,
    plan_stages,
    tiled,
    with_stored_halos,
)
from imgtk.engine.region import tiles
from imgtk.engine.render import Progress, Renderer, out_of_memory
from imgtk.engine.settings import Settings, SettingsOptions
from imgtk.errors import BackendError, MemoryLimitError, UsageError, WriteError
from imgtk.geometry import Box, Extent, Size, cut
from imgtk.image import Image
from imgtk.io import MAX_PIXELS, check_target
from imgtk.io.depth import to_depth
from imgtk.io.formats import TIFF, format_of
from imgtk.io.options import WriteOptions
from imgtk.io.read import Header, read_headers
from imgtk.io.write import natural_depth
from imgtk.language import dump_yaml, load_yaml, parse, to_text
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.op import MEASURED_PIXELS, ImageOp
from imgtk.registry import Registry, default

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Unpack

    from imgtk.io.large import DiskImage, Output

__all__ = ["Pipeline", "Progress"]

NAME = "{name}"
"""Stands for the image's name in the files of `save` stages."""

SHARE = 0.5
"""Share of the free memory that a run may use unless `max_memory` says otherwise."""

WORKING = 1 << 30
"""Bytes that a tile is given of it at most: larger tiles are no faster."""

LARGEST_GRAIN = 128
"""Images made for measuring are not enlarged to a multiple larger than this."""

AT_ONCE = 1 << 20
"""Pixels of a tile that are made whole numbers at a time on their way to the disk."""

UNPROBED = 1 << 21
"""Pixels of the largest stage up to which an image is rendered in one piece without measuring memory first."""


class Pipeline:
    """A chain or graph of operators, ready to run on images.

    Operators are built, and their weights loaded, on the first run; they are kept for the next one.

    Args:
        pipeline: text in imgtk's language, or a `Graph`.
        settings: how to compute; None for the defaults.
        registry: where operators are looked up; None for all installed plugins.
        changes: fields of `Settings`, which replace those of `settings`: `Pipeline(text, device="cpu")`.

    Raises:
        PipelineError: for a text that cannot be understood, with a caret under the place.
        UsageError: for a tile that is no size.
        DeviceError: for a device that is not there, or a number format that the backend does not compute in.
        BackendError: for a backend that is not installed, or not for the device.
    """

    def __init__(
        self,
        pipeline: str | Graph,
        settings: Settings | None = None,
        *,
        registry: Registry | None = None,
        **changes: Unpack[SettingsOptions],
    ) -> None:
        self.settings = replace(settings or Settings(), **changes)
        self.registry = registry or default()
        self.graph = parse(pipeline, self.registry) if isinstance(pipeline, str) else pipeline
        self.device = resolve_device(self.settings.device)
        self.backend = resolve_backend(self.settings.backend, self.device)
        self.dtype = resolve_dtype(self.settings.dtype, self.device)
        if self.backend and self.settings.backend != "auto":
            self.dtype = self.backend.dtype(self.settings.dtype, self.dtype)
        self.notes: list[str] = []
        self._ops: dict[int, ImageOp] = {}
        self._placed: dict[int, tuple[torch.dtype, Backend | None]] = {}
        self._placing_notes: list[str] = []
        self._costs: dict[torch.dtype, tuple[float, float]] = {}

    @classmethod
    def from_yaml(
        cls,
        text: str,
        settings: Settings | None = None,
        *,
        registry: Registry | None = None,
        **changes: Unpack[SettingsOptions],
    ) -> Pipeline:
        """The pipeline of a YAML document, as `yaml` writes it; the rest as for the constructor."""
        registry = registry or default()
        return cls(load_yaml(text, registry), settings, registry=registry, **changes)

    def yaml(self) -> str:
        """The pipeline as a YAML document, with the versions of the plugins it uses."""
        return dump_yaml(self.graph, self.registry)

    def __str__(self) -> str:
        return to_text(self.graph, self.registry)

    def __call__(
        self,
        source: str | Path | Image | np.ndarray | PIL.Image.Image | Tensor,
        progress: Callable[[Progress], None] | None = None,
        name: str | None = None,
        *,
        plan: Plan | None = None,
    ) -> Image:
        """Run on one image.

        Args:
            source: whatever `Image.of` takes.
            progress: called after every tile.
            name: what `{name}` means in the files of `save` stages; None for the name of the source's file.
            plan: what `plan_for` an image of this size and sample format gave, so that many are done in the same way.

        Returns:
            The result, in the sample format of the source (uint8, uint16, float32), with what its file carried. Gray
            stays gray unless an operator brings colour. `notes` says what was out of the ordinary.

        Raises:
            ReadError: for a source that cannot be read.
            MemoryLimitError: if there is not enough memory for the result, or for the smallest tile.
            ImgtkError: of other kinds, for what goes wrong on the way.
        """
        image = Image.of(source)
        files = self.saves(name or (image.path.stem if image.path else None))
        return self._rendered([image], self.plan_for(image) if plan is None else plan, files, progress)[0]

    def batch(
        self, images: Sequence[Image], plan: Plan | None = None, progress: Callable[[Progress], None] | None = None
    ) -> list[Image]:
        """Run on several images of one size and sample format, as often as possible at the same time.

        Their results may differ from those of calls in the last bit of a sample.

        Args:
            images: the images.
            plan, progress: as for a call.

        Raises:
            UsageError: for images of several kinds.
            ImgtkError: as a call does.
        """
        if len({(image.size, image.pixels.dtype) for image in images}) > 1:
            raise UsageError("a batch takes images of one size and sample format")
        plan = plan or self.plan_for(images[0])
        most = self.most_at_once(plan)
        results: list[Image] = []
        for start in range(0, len(images), most):
            part = images[start : start + most]
            files = self.saves(part[0].path.stem if part[0].path else None)
            results += self._rendered(part, plan, files, progress)
        return results

    def most_at_once(self, plan: Plan) -> int:
        """How many images can share a batch: as many as are small together, if torch computes each in one piece."""
        single = plan.tile is not None or self.settings.max_memory is not None
        for stage in plan.stages:
            single |= stage.stored or stage.backend != "torch" or not (stage.op is None or stage.op.batched)
        return 1 if single else max(1, UNPROBED // max(stage.size.pixels for stage in plan.stages))

    def _rendered(
        self,
        images: Sequence[Image],
        plan: Plan,
        files: Mapping[int, Path],
        progress: Callable[[Progress], None] | None,
    ) -> list[Image]:
        """The results of images of one size and sample format, computed at the same time; several only if there are
        no `files` to save."""
        image = images[0]
        plan = replace(plan, stages=self._place(plan.stages, self.backend))
        self._check_saves(plan, image.alpha is not None, image.pixels.dtype == np.uint16, files)
        self._check_memory(plan, image)
        opacity = FAINT if plan.output_size != image.size else 0.0
        opaque = [one.without_holes(opacity).pixels for one in images]
        with _told_of_memory(), torch.inference_mode():
            renderer = Renderer(plan, partial(read_regions, opaque), report=progress, count=len(images))
            if len(images) == 1:
                renderer.statistics.update(self._thumbnail_statistics(plan, partial(_shrunk, opaque[0])))
            self._store(renderer, lambda index, tensor: self._save(index, tensor, image, files[index]))
            pixels = self._collect(renderer, images)
        self.notes = [*self._placing_notes, *renderer.notes]
        self._placing_notes = []
        return [self._finished(one, result) for one, result in zip(images, pixels, strict=True)]

    def run_file(
        self,
        source: str | Path,
        target: str | Path,
        options: WriteOptions = WriteOptions(),
        *,
        max_pixels: int = MAX_PIXELS,
        resume: bool = False,
        progress: Callable[[Progress], None] | None = None,
        name: str | None = None,
    ) -> Size:
        """Run from file to file with neither the image nor the result in memory: their pixels lie beside `target`
        meanwhile, uncompressed. The pages of a TIFF file are done one by one.

        `save` stages are computed once more than they would be in memory. Needs `imgtk[large]`.

        Args:
            source: a file.
            target, options: as for `imgtk.io.write`. TIFF is written in tiles.
            max_pixels: as for `imgtk.io.read`, for each page.
            resume: whether to keep what is computed until the file is written, and to go on with what an earlier run of
                this pipeline has left. All pages, and what `save` stages write, are on the disk together then.
            progress, name: as for a call.

        Returns:
            The size of the (first) result.

        Raises:
            ReadError: if the source cannot be read, or only as a whole and is too large for that.
            WriteError: if the format cannot hold the result, or the disk has no space for it.
            MemoryLimitError: if an operator must see the whole image, and that does not fit into memory.
            ImgtkError: of other kinds, for what goes wrong on the way.
        """
        from imgtk.io.large import check_encoder, check_installed, drafts, opened, output

        check_installed(source)
        source, target = Path(source), Path(target)
        headers = read_headers(source, max_pixels=max_pixels)
        files = self.saves(name or source.stem)
        if len(headers) > 1 and format_of(target) is not TIFF:
            raise WriteError(
                f"cannot write {target}: {source} has {len(headers)} pages, which only TIFF holds",
                hint="Write .tif.",
            )
        if len(headers) > 1 and files:
            raise WriteError(
                f"{source} has {len(headers)} pages, and `save` stages would write them all to one file",
                hint="Leave out `save`.",
            )
        plans = [self._plan_in_pieces(header) for header in headers]
        total = 0
        for header, plan in zip(headers, plans, strict=True):
            sixteen_bit, size = header.depth == 16, plan.output_size
            channels = 3 + header.has_alpha if self._colours()[plan.output] else header.channels
            check_target(target, options, sixteen_bit=sixteen_bit, size=size)
            check_encoder(target, size, channels, self.memory)
            self._check_saves(plan, False, sixteen_bit, files)
            total += size.pixels * channels * (options.depth or header.depth) // 8
        self.notes = []
        made = (str(self), str(source), source.stat().st_mtime_ns, str(self.dtype), options.depth)
        with (
            drafts(target, repr(made) if resume else None) as kept,
            output(target, total, self.memory, kept, options) as result,
        ):
            for page, (header, plan) in enumerate(zip(headers, plans, strict=True)):
                with opened(source, header, page, target, self.memory) as image:
                    check_target(target, WriteOptions(overwrite=True), has_alpha=image.has_alpha)
                    self._check_saves(plan, image.has_alpha, False, files)
                    self._render_file(plan, image, result, options.depth, files, progress)
        return plans[0].output_size

    @property
    def memory(self) -> int:
        """Bytes that a run may use."""
        return self.settings.max_memory or int(SHARE * available_memory(torch.device("cpu")))

    def exceeds_memory(self, image: Header) -> bool:
        """Whether an image, its result and what is stored on the way take more than half of the `memory`; the tiles
        have the rest."""
        stages = plan_stages(self.graph, self._built(), image.size, self._dtype_of(image.depth))
        result = image.nbytes * stages[self.graph.output].size.pixels // image.size.pixels
        return image.nbytes + result + _stored_bytes(stages) > self.memory // 2

    def check(self) -> None:
        """Build the operators now. Raises what is wrong with their parameters or weights."""
        self._built()

    def plan(self, size: Size | tuple[int, int]) -> Plan:
        """What will be done with an 8-bit image of (width, height): sizes, tiles, memory.

        Raises:
            MemoryLimitError: if not even the smallest tile fits.
        """
        return self._plan(Size(*size), self.dtype)

    def plan_for(self, image: Image) -> Plan:
        """What will be done with an image of this size and sample format. Raises as `plan` does."""
        return self._plan(image.size, self._dtype_for(image))

    def output_size(self, size: Size) -> Size:
        """Of the result for an image of (width, height). Raises as `plan_stages` does."""
        return plan_stages(self.graph, self._built(), size, self.dtype)[self.graph.output].size

    def saves(self, name: str | None) -> dict[int, Path]:
        """The files that `save` stages write for an image of that name, by the stage's id.

        Raises:
            UsageError: if one of them has `{name}` in it, and there is no name.
        """
        files = {index: str(node.params["file"]) for index, node in enumerate(self.graph.nodes) if node.op == SAVE}
        if name is None and any(NAME in file for file in files.values()):
            raise UsageError(f"`save` needs a {NAME}, and the image has none", hint="Pass name= with the image.")
        return {index: Path(file.replace(NAME, name or "")) for index, file in files.items()}

    def export_onnx(self, path: str | Path, *, dtype: str = "fp32", overwrite: bool = False) -> list[str]:
        """Write the network of the pipeline's only operator as an ONNX file; see `imgtk.engine.export.export`.

        Raises:
            UsageError: if there are several operators, or one without a network.
            BackendError, WriteError: as `export` does.
        """
        from imgtk.engine.export import export

        ops = self._built()
        stages = [node.op for index, node in enumerate(self.graph.nodes) if index != INPUT]
        if len(stages) != 1 or len(ops) != 1:
            able = dict.fromkeys(self.graph.nodes[index].op for index, op in ops.items() if op.network is not None)
            raise UsageError(
                f"one operator can be exported at a time, and this pipeline has {', '.join(stages) or 'none'}",
                hint=f"Export by themselves: {', '.join(able)}." if able else "None of them has a network.",
            )
        (op,) = ops.values()
        self._placed.clear()  # it is tried on the CPU in float32
        return export(op, str(self), path, dtype=dtype, overwrite=overwrite)

    def _dtype_for(self, image: Image) -> torch.dtype:
        """Unless it was chosen: float32 for images of more than 8 bits, whose fine steps bf16 would merge."""
        return self._dtype_of(8 * image.pixels.itemsize)

    def _dtype_of(self, depth: int) -> torch.dtype:
        return torch.float32 if self.settings.dtype == "auto" and depth != 8 else self.dtype

    def _plan(self, size: Size, dtype: torch.dtype, budget: int | None = None) -> Plan:
        """The plan, for tiles that take at most `budget` bytes."""
        with torch.inference_mode():
            stages = plan_stages(self.graph, self._built(), size, dtype)
            for stage in stages:
                if stage.op is not None:
                    stage.op.check(stages[stage.inputs[0]].size)
            plan = self._with_tiles(Plan(stages, self.graph.output, None, self.device), dtype, budget)
            return replace(plan, stages=self._place(plan.stages, self.backend))

    def _plan_in_pieces(self, image: Header) -> Plan:
        """The plan for an image on the disk, where what is saved need not be stored. Tiles take at most half of the
        memory: libraries, and what is on its way from and to the disk, need some, too."""
        dtype = self._dtype_of(image.depth)
        self._check_whole(plan_stages(self.graph, self._built(), image.size, dtype))
        plan = self._plan(image.size, dtype, self.memory // 2)
        stages = (replace(stage, stored=False) if stage.label == SAVE else stage for stage in plan.stages)
        return replace(plan, stages=tuple(stages))

    def _check_whole(self, stages: Sequence[Stage]) -> None:
        """Raise MemoryLimitError where what operators must see as a whole does not fit into memory."""
        whole = [
            stage for stage in stages if stage.op and (stage.extent is Extent.WHOLE or any(stage.op.geometry.periodic))
        ]
        needed = _stored_bytes(stage for stage in stages if stage.label != SAVE)
        if any(INPUT in stage.inputs for stage in whole):
            needed += stages[INPUT].size.pixels * 3 * stages[INPUT].dtype.itemsize
        if whole and needed > self.memory:
            raise MemoryLimitError(
                f"{whole[0].label} must see the whole image at once, and that takes {needed / 1e9:.3g} GB; "
                f"{self.memory / 1e9:.3g} GB may be used",
                hint="Make the image smaller before this stage, raise --max-memory, or leave the stage out.",
            )

    def _with_tiles(self, whole: Plan, dtype: torch.dtype, budget: int | None) -> Plan:
        if self.settings.tile == "off":
            return whole
        if isinstance(self.settings.tile, int):
            return whole if self.settings.tile >= max(whole.input_size) else tiled(whole, self.settings.tile)
        if max(stage.size.pixels for stage in whole.stages) <= UNPROBED and self.settings.max_memory is None:
            return whole
        free = int(SHARE * available_memory(self.device))
        most = min(free, WORKING) if self.settings.max_memory is None else self.settings.max_memory
        budget = min(most, budget or most)
        fixed, per_pixel = self._memory_cost(dtype)
        side = choose_tile(whole, fixed, per_pixel, budget)
        plan = whole if side is None else tiled(whole, side)
        plan = replace(plan, peak=int(fixed + per_pixel * pixels_read(plan)))
        return with_stored_halos(plan, (free if self.settings.max_memory is None else budget) - (plan.peak or 0))

    def _built(self) -> dict[int, ImageOp]:
        """The operators by node id, built once."""
        if not self._ops:
            self._ops = {
                index: self.registry.spec(node.op).build(**node.params)
                for index, node in enumerate(self.graph.nodes)
                if index != INPUT and node.op != SAVE
            }
        return self._ops

    def _place(self, stages: Sequence[Stage], backend: Backend | None) -> tuple[Stage, ...]:
        """Move the operators to the device in the number formats of the plan, and their networks to the backend if it
        takes them, unless they are there. Gives the stages with what computes them."""
        placed = []
        for index, stage in enumerate(stages):
            if stage.op is not None:
                pixels = stages[stage.inputs[0]].size.pixels
                chosen = backend if backend and backend.takes(stage.op, stage.dtype, pixels) else None
                if self._placed.get(index) != (stage.dtype, chosen):
                    chosen = self._move(stage.op, stage, chosen)
                    self._placed[index] = (stage.dtype, chosen)
                stage = replace(stage, backend=chosen.name if chosen else "torch")
            placed.append(stage)
        return tuple(placed)

    def _move(self, op: ImageOp, stage: Stage, backend: Backend | None) -> Backend | None:
        """Move one operator; the backend that it is on then. One that fails leaves it to torch, with a note."""
        op.backend = backend
        try:
            op.to(self.device, stage.dtype)
        except BackendError as error:
            self._placing_notes.append(f"torch computes {stage.label}: {error.message}")
            return self._move(op, stage, None)
        return backend

    def _memory_cost(self, dtype: torch.dtype) -> tuple[float, float]:
        """Memory of a tile as (fixed, per pixel of the input), measured once, on a made-up image."""
        if dtype not in self._costs:
            side = self._grain()  # weights are loaded first: else only the small tile would seem to need them
            self._place(plan_stages(self.graph, self._ops, Size(side, side), dtype), None)
            self._costs[dtype] = probe(partial(self._probe_tile, dtype))  # in torch, which can be watched
        return self._costs[dtype]

    def _probe_tile(self, dtype: torch.dtype, side: int) -> int:
        """Render an image of about `side` x `side` pixels; how many it had. Operators that need the whole image
        are left out: they answer for their own memory, and would be slow to try."""
        grain = self._grain()
        side = -(-side // grain) * grain
        size = Size(side, side)
        stages = self._place(plan_stages(self.graph, self._ops, size, dtype), None)
        renderer = Renderer(Plan(stages, self.graph.output, None, self.device), partial(cut, _ramp(side)))
        for index, stage in enumerate(stages):
            if stage.op and stage.op.windowed and stage.extent is Extent.STATISTICS:  # as a tile has them
                part = -(-side // 4 // stage.op.geometry.multiple) * stage.op.geometry.multiple
                renderer.statistics[index] = stage.op.measure(_ramp(part).to(self.device, stage.dtype))
            if stage.extent is Extent.WHOLE:
                shape = (1, 3, stage.size.height, stage.size.width)
                renderer.stored[index] = torch.full(shape, 0.5, dtype=stage.dtype, device=self.device)
            elif stage.stored or index == self.graph.output:
                renderer.store(index)
        return size.pixels

    def _grain(self) -> int:
        """Images whose sides are multiples of this go through fractional scales without rounding, so that branches
        which meet in a large image also meet in a small one."""
        grain = prod(op.geometry.scale.denominator for op in self._ops.values())
        return grain if grain <= LARGEST_GRAIN else 1

    def _thumbnail_statistics(self, plan: Plan, shrunk: Callable[[Size], np.ndarray]) -> dict[int, Any]:
        """Of the whole image, for the STATISTICS stages whose input is too large to be seen at once. `shrunk` gives
        the image at a smaller size, (H, W, 1|3).

        They are taken from a run of the same pipeline on a thumbnail of the image (URST, Chen et al. 2021).
        """
        inputs = {i: stage.inputs[0] for i, stage in enumerate(plan.stages) if stage.extent is Extent.STATISTICS}
        large = {i: plan.stages[source].size.pixels for i, source in inputs.items()}
        large = {i: pixels for i, pixels in large.items() if pixels > MEASURED_PIXELS}
        if not large:
            return {}
        factor = (MEASURED_PIXELS / max(large.values())) ** 0.5
        multiples = (self._ops[i].geometry.multiple for i in large)  # so that nothing is mirrored at its ends
        grain = lcm(self._grain(), *multiples)
        small = Size(*(max(1, round(side * factor / grain)) * grain for side in plan.input_size))
        pixels = shrunk(small)
        dtype = max((s.dtype for s in plan.stages if s.op), key=lambda d: d != torch.float32)
        stages = plan_stages(self.graph, self._ops, small, dtype)
        renderer = Renderer(Plan(stages, plan.output, None, self.device), partial(read_regions, [pixels]))
        for index in range(1, max(large)):
            if stages[index].stored or index in (inputs[i] for i in large):
                renderer.store(index)
        return {index: renderer.measure(index) for index in large}

    def _store(self, renderer: Renderer, save: Callable[[int, Tensor], None]) -> None:
        """Compute the stored stages in order; `save` those of that name; measure what tiles need to know."""
        for index, stage in enumerate(renderer.plan.stages):
            tiled = renderer.plan.tile is not None
            if stage.extent is Extent.STATISTICS and tiled and index not in renderer.statistics:
                renderer.statistics[index] = renderer.measure(index)
            if stage.stored:
                pixels = renderer.store(index)
                if stage.label == SAVE:
                    save(index, pixels)

    def _collect(self, renderer: Renderer, images: Sequence[Image]) -> list[np.ndarray]:
        """The output's pixels (H, W, 1|3) of each image, in its sample format."""
        plan, dtype = renderer.plan, images[0].pixels.dtype
        grays = [image.gray and not self._colours()[plan.output] for image in images]
        if plan.output in renderer.stored:
            return [quantised(renderer.stored[plan.output], dtype, grays[0])]
        size = plan.output_size
        results: list[np.ndarray] = []
        for box, tile in renderer.stream(plan.output):
            parts = [quantised(tile[i : i + 1], dtype, gray) for i, gray in enumerate(grays)]
            if box == Box.of(size):
                return parts
            results = results or [np.empty((size.height, size.width, part.shape[2]), dtype) for part in parts]
            for result, part in zip(results, parts, strict=True):
                result[box.top : box.bottom, box.left : box.right] = part
        return results

    def _render_file(
        self,
        plan: Plan,
        image: DiskImage,
        result: Output,
        depth: int | None,
        files: Mapping[int, Path],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """Render an image on the disk into `result`, and what `save` stages name into `files`."""
        from imgtk.io.large import output

        opacity = FAINT if plan.output_size != image.size else 0.0
        with _told_of_memory(), torch.inference_mode():
            renderer = Renderer(plan, partial(region_of, image, opacity), report=progress)
            renderer.statistics.update(self._thumbnail_statistics(plan, partial(shrunk, image, opacity)))
            self._store(renderer, lambda index, tensor: None)
            for index, file in files.items():
                size = plan.stages[index].size.pixels * 3 * image.dtype.itemsize
                with output(file, size, self.memory, result.drafts) as saved:
                    self._render_stage(renderer, image, index, saved, None)
            self._render_stage(renderer, image, plan.output, result, depth)
        self.notes += [*self._placing_notes, *renderer.notes]
        self._placing_notes = []

    def _render_stage(
        self, renderer: Renderer, image: DiskImage, index: int, result: Output, depth: int | None
    ) -> None:
        """Render a stage of an image on the disk into `result`, with `depth` bits per sample."""
        size = renderer.plan.stages[index].size
        gray = image.channels == 1 and not self._colours()[index]
        depth = depth or natural_depth(image.dtype, result.format)
        whole_alpha = None  # what lies at the opposite border is not in a region
        if image.has_alpha and any(self._periodic):
            whole_alpha = resized_alpha(image.read(Box.of(image.size))[..., -1], size, self._periodic)
        shape = (size.height, size.width, (1 if gray else 3) + image.has_alpha)
        dtype = to_depth(np.empty(0, image.dtype), depth).dtype
        with result.draft(shape, dtype) as samples:
            if samples.done:
                self.notes.append(f"{samples.done} of {size.height} rows were there from an earlier run")
            for box, tile in renderer.stream(index, below=samples.done):
                rows = max(1, AT_ONCE // box.size.width)
                for band in tiles(box.size, Size(box.size.width, rows)):
                    pixels, place = quantised(cut(tile, band), image.dtype, gray), band.shifted(box.left, box.top)
                    if pixels.dtype.kind == "f" and np.isnan(pixels).any():
                        raise WriteError(f"cannot write {result.path}: some values of the image are not numbers")
                    if whole_alpha is not None:
                        alpha = whole_alpha[place.top : place.bottom, place.left : place.right]
                        pixels = np.dstack([pixels, alpha])
                    elif image.has_alpha:
                        pixels = np.dstack([pixels, alpha_region(image, place, size)])
                    samples.write(place, to_depth(pixels, depth))
            result.add(samples, image.metadata)

    def _colours(self) -> list[bool]:
        """For each node, whether its image may be in colour although the input is gray."""
        found: list[bool] = []
        for index, node in enumerate(self.graph.nodes):
            own = index != INPUT and node.op != SAVE and self.registry.spec(node.op).colours
            found.append(own or any(found[i] for i in node.inputs))
        return found

    def _finished(self, image: Image, pixels: np.ndarray) -> Image:
        alpha = image.alpha
        if alpha is not None:
            alpha = resized_alpha(alpha, Size(pixels.shape[1], pixels.shape[0]), self._periodic)
        return Image(pixels, alpha, image.metadata, image.path)

    @property
    def _periodic(self) -> tuple[bool, bool]:
        """On which axes an operator takes the image as periodic."""
        axes = [op.geometry.periodic for op in self._ops.values()]
        return any(across for across, _ in axes), any(down for _, down in axes)

    def _save(self, index: int, pixels: Tensor, image: Image, file: Path) -> None:
        gray = image.gray and not self._colours()[index]
        finished = self._finished(image, quantised(pixels, image.pixels.dtype, gray))
        finished.save(file, overwrite=self.settings.overwrite)

    def _check_saves(self, plan: Plan, has_alpha: bool, sixteen_bit: bool, files: Mapping[int, Path]) -> None:
        """Find what would keep `save` stages from writing, before anything is computed."""
        taken: set[Path] = set()
        for index, file in files.items():
            path = check_target(
                file,
                WriteOptions(overwrite=self.settings.overwrite),
                has_alpha=has_alpha,
                sixteen_bit=sixteen_bit,
                size=plan.stages[index].size,
            ).resolve()
            if path in taken:
                raise UsageError(f"two save stages would write {path}", hint="Give each a file of its own.")
            taken.add(path)

    @staticmethod
    def _check_memory(plan: Plan, image: Image) -> None:
        """Find out before computing whether the result, and what is stored on the way, fit into memory at all."""
        needed = plan.output_size.pixels * 3 * image.pixels.itemsize + _stored_bytes(plan.stages)
        free = available_memory(torch.device("cpu"))
        if needed > free:
            raise MemoryLimitError(
                f"the result of {plan.output_size} pixels and what is stored on the way need {needed / 1e9:.1f} GB; "
                f"{free / 1e9:.1f} GB are free",
                hint="Choose a smaller scale, or install what keeps pixels on the disk: pip install 'imgtk[large]'",
            )


def _stored_bytes(stages: Iterable[Stage]) -> int:
    """Bytes of what is stored on the way."""
    return sum(stage.size.pixels * 3 * stage.dtype.itemsize for stage in stages if stage.stored)


@contextmanager
def _told_of_memory() -> Iterator[None]:
    """Turns what torch raises when there is no memory into a MemoryLimitError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryLimitError(f"out of memory: {error}", hint="Try a smaller --tile or --max-memory.") from None


def _shrunk(pixels: np.ndarray, size: Size) -> np.ndarray:
    """(H, W, C) at a smaller size."""
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size.height, size.width, -1)


def _ramp(side: int) -> Tensor:
    """An image (1, 3, side, side) of all grays."""
    return torch.linspace(0, 1, side * side).reshape(1, 1, side, side).expand(1, 3, -1, -1)
