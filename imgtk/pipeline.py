"""`Pipeline`: the Python face of imgtk. Text, YAML or a graph in; a callable on pictures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.engine.device import available_memory, resolve_device, resolve_dtype
from imgtk.engine.memory import probe
from imgtk.engine.plan import (
    SMALL,
    Plan,
    Stage,
    choose_tile,
    plan_stages,
    with_stored_halos,
    with_stored_statistics,
)
from imgtk.engine.render import Progress, Renderer
from imgtk.errors import UsageError
from imgtk.geometry import Box, Extent, Size
from imgtk.image import Image
from imgtk.language import dump_yaml, load_yaml, parse, to_text
from imgtk.language.graph import INPUT, SAVE, Graph
from imgtk.nn.resample import resample
from imgtk.op import ImageOp
from imgtk.registry import Registry, default

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["Pipeline", "Progress"]

SHARE = 0.5
"""Share of the free memory that a run may use unless `max_memory` says otherwise."""

WORKING = 2 << 30
"""Bytes that a tile is given of it at most: larger tiles are no faster."""

UNPROBED = 1 << 21
"""Pixels of the largest stage up to which a picture is rendered in one piece without measuring memory first."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in gray (ITU-R BT.601)."""


class Pipeline:
    """A chain or graph of operators, ready to run on pictures.

    Operators are built, and their weights loaded, on the first run; they are kept for the next one.

    Args:
        pipeline: text in imgtk's language, or a `Graph`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto", "fp32", "bf16", "fp16".
        tile: side of a tile in pixels of the input picture; "off" for the whole picture at once; None to choose by
            memory.
        max_memory: bytes that tiles may use; None for half of what is free.
        registry: where operators are looked up; None for all installed plugins.
        overwrite: whether `save` stages may replace files.

    Raises:
        PipelineError: for a text that cannot be understood, with a caret under the place.
        DeviceError: for a device that is not there.
    """

    def __init__(
        self,
        pipeline: str | Graph,
        *,
        device: str = "auto",
        dtype: str = "auto",
        tile: int | str | None = None,
        max_memory: int | None = None,
        registry: Registry | None = None,
        overwrite: bool = False,
    ) -> None:
        if tile not in (None, "off") and not (isinstance(tile, int) and tile >= 1):
            raise UsageError(f"tile must be a number of pixels or 'off', got {tile!r}")
        self.registry = registry or default()
        self.graph = parse(pipeline, self.registry) if isinstance(pipeline, str) else pipeline
        self.device = resolve_device(device)
        self.dtype = resolve_dtype(dtype, self.device)
        self.tile, self.max_memory, self.overwrite = tile, max_memory, overwrite
        self.notes: list[str] = []
        self._ops: dict[int, ImageOp] = {}
        self._placed: set[int] = set()
        self._cost: tuple[float, float] | None = None

    @classmethod
    def from_yaml(cls, text: str, *, registry: Registry | None = None, **settings: Any) -> Pipeline:
        """The pipeline of a YAML document, as `yaml` writes it; `settings` as for the constructor."""
        registry = registry or default()
        return cls(load_yaml(text, registry), registry=registry, **settings)

    def yaml(self) -> str:
        """The pipeline as a YAML document, with the versions of the plugins it uses."""
        return dump_yaml(self.graph, self.registry)

    def __str__(self) -> str:
        return to_text(self.graph, self.registry)

    def __call__(
        self,
        source: str | Path | Image | np.ndarray | PIL.Image.Image | Tensor,
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        """Run on one picture.

        Args:
            source: whatever `Image.of` takes.
            progress: called after every tile.

        Returns:
            The result, in the sample format of the source (uint8, uint16, float32), with what its file carried. Gray
            stays gray unless an operator brings colour. `notes` says what was out of the ordinary.

        Raises:
            ReadError: for a source that cannot be read.
            ImgtkError: of other kinds, for what goes wrong on the way.
        """
        image = Image.of(source)
        plan = self.plan(image.size)
        self._check_saves(plan, image)
        opaque = _without_holes(image)
        read = partial(_read_region, opaque.pixels)
        with torch.inference_mode():
            renderer = Renderer(plan, read, self._statistics(plan, opaque), progress)
            self._store(renderer, image)
            pixels = self._collect(renderer, image)
        self.notes = renderer.notes
        return self._finished(image, pixels, self.graph.output)

    def plan(self, size: Size | tuple[int, int]) -> Plan:
        """What will be done with a picture of (width, height): sizes, tiles, memory.

        Raises:
            MemoryLimitError: if not even the smallest tile fits.
        """
        size = Size(*size)
        with torch.inference_mode():
            stages = plan_stages(self.graph, self._built(), size, self.dtype, self.device)
            self._place(stages)
            whole = Plan(stages, self.graph.output, None, self.device)
            if self.tile == "off":
                return whole
            if isinstance(self.tile, int):
                side: int | None = self.tile if self.tile < max(size) else None
                return whole if side is None else replace(whole, stages=with_stored_statistics(stages), tile=side)
            if max(stage.size.pixels for stage in stages) <= UNPROBED and self.max_memory is None:
                return whole
            budget = self.max_memory or int(SHARE * available_memory(self.device))
            fixed, per_pixel = self._memory_cost(whole)
            side = choose_tile(size, fixed, per_pixel, self.max_memory or min(budget, WORKING))
            if side is None:
                return replace(whole, peak=int(fixed + per_pixel * size.pixels))
            peak = fixed + per_pixel * side * side
            tiled = Plan(with_stored_statistics(stages), self.graph.output, side, self.device, int(peak))
            return with_stored_halos(tiled, int(budget - peak))

    def _built(self) -> dict[int, ImageOp]:
        """The operators by node id, built once."""
        if not self._ops:
            for index, node in enumerate(self.graph.nodes):
                if index != INPUT and node.op != SAVE:
                    self._ops[index] = self.registry.spec(node.op).build(**node.params)
        return self._ops

    def _place(self, stages: Sequence[Stage]) -> None:
        """Move the operators to the device, once."""
        for index, stage in enumerate(stages):
            if stage.op is not None and index not in self._placed:
                stage.op.to(self.device, stage.dtype)
                self._placed.add(index)

    def _memory_cost(self, whole: Plan) -> tuple[float, float]:
        """Memory of a tile as (fixed, per pixel of the input), measured once, on a gray picture.

        Operators that need the whole picture answer for their own memory: they would be slow to try.
        """
        if self._cost is None:
            tiled = all(stage.extent is not Extent.WHOLE for stage in whole.stages)
            self._cost = probe(self._probe_tile) if tiled else (0.0, 0.0)
        return self._cost

    def _probe_tile(self, pixels: int) -> int:
        side = int(pixels**0.5)
        size = Size(side, side)
        stages = plan_stages(self.graph, self._ops, size, self.dtype, self.device)
        gray = torch.full((1, 3, side, side), 0.5)
        renderer = Renderer(Plan(stages, self.graph.output, None, self.device), lambda box: gray)
        for index, stage in enumerate(stages):
            if stage.stored or index == self.graph.output:
                renderer.store(index)
        return side * side

    def _statistics(self, plan: Plan, image: Image) -> dict[int, Any]:
        """Of the whole picture, for the STATISTICS stages of a tiled plan whose input is too large to be stored.

        They are taken from a run of the same pipeline on a thumbnail of the picture (URST, Chen et al. 2021).
        """
        stages = [i for i, s in enumerate(plan.stages) if s.extent is Extent.STATISTICS]
        large = [i for i in stages if plan.stages[plan.stages[i].inputs[0]].size.pixels > SMALL]
        if not large:
            return {}
        largest = max(plan.stages[plan.stages[i].inputs[0]].size.pixels for i in large)
        factor = (SMALL / largest) ** 0.5
        small = Size(*(max(1, int(side * factor)) for side in image.size))
        pixels = cv2.resize(image.pixels, small, interpolation=cv2.INTER_AREA).reshape(small.height, small.width, -1)
        thumbnail = Plan(
            plan_stages(self.graph, self._ops, small, self.dtype, self.device), self.graph.output, None, self.device
        )
        renderer = Renderer(thumbnail, partial(_read_region, pixels))
        found = {}
        for index in large:
            source = thumbnail.stages[index].inputs[0]
            if source != INPUT:
                renderer.store(source)
            found[index] = renderer.measure(index)
        return found

    def _store(self, renderer: Renderer, image: Image) -> None:
        """Compute the stored stages in order; write those that `save` names; measure what needs all of them."""
        plan = renderer.plan
        statistics = dict(renderer.statistics)
        renderer.statistics = statistics
        for index, stage in enumerate(plan.stages):
            small = stage.extent is Extent.STATISTICS and index not in statistics
            if small and plan.tile is not None:
                statistics[index] = renderer.measure(index)
            if stage.stored and index != plan.output:
                pixels = renderer.store(index)
                if stage.label == SAVE:
                    self._save(index, pixels, image)
        if plan.stages[plan.output].stored:
            renderer.store(plan.output)

    def _collect(self, renderer: Renderer, image: Image) -> np.ndarray:
        """The output's pixels (H, W, 1|3) in the sample format of `image`."""
        plan = renderer.plan
        gray = image.gray and not self._brings_colour(plan.output)
        if plan.output in renderer.stored:
            pixels = _quantised(renderer.stored[plan.output], image.pixels.dtype, gray)
            if plan.stages[plan.output].label == SAVE:
                self._save(plan.output, renderer.stored[plan.output], image)
            return pixels
        size = plan.output_size
        result: np.ndarray | None = None
        for box, tile in renderer.stream(plan.output):
            pixels = _quantised(tile, image.pixels.dtype, gray)
            if box == Box.of(size):
                return pixels
            if result is None:
                result = np.empty((size.height, size.width, pixels.shape[2]), image.pixels.dtype)
            result[box.top : box.bottom, box.left : box.right] = pixels
        assert result is not None
        return result

    def _brings_colour(self, index: int) -> bool:
        """Whether the output of a node may be in colour although the input is gray."""
        node = self.graph.nodes[index]
        own = index != INPUT and node.op != SAVE and self.registry.spec(node.op).colours
        return own or any(map(self._brings_colour, node.inputs))

    def _finished(self, image: Image, pixels: np.ndarray, index: int) -> Image:
        alpha = None if image.alpha is None else _resized_alpha(image.alpha, Size(pixels.shape[1], pixels.shape[0]))
        return Image(pixels, alpha, image.metadata, image.path)

    def _save(self, index: int, pixels: Tensor, image: Image) -> None:
        gray = image.gray and not self._brings_colour(index)
        picture = self._finished(image, _quantised(pixels, image.pixels.dtype, gray), index)
        picture.save(self.graph.nodes[index].params["file"], overwrite=self.overwrite)

    def _check_saves(self, plan: Plan, image: Image) -> None:
        """Find what would keep `save` stages from writing, before anything is computed."""
        from imgtk.io import check_target

        for node, stage in zip(self.graph.nodes, plan.stages, strict=True):
            if node.op == SAVE:
                check_target(
                    node.params["file"],
                    overwrite=self.overwrite,
                    has_alpha=image.alpha is not None,
                    sixteen_bit=image.pixels.dtype == np.uint16,
                    size=stage.size,
                )


def _read_region(pixels: np.ndarray, box: Box) -> Tensor:
    """Region `box` of (H, W, 1|3) pixels as (1, 3, h, w), float32, 0..1. Float pixels are not copied."""
    region = pixels[box.top : box.bottom, box.left : box.right]
    if pixels.dtype != np.float32:
        region = region.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    tensor = torch.from_numpy(region).permute(2, 0, 1)[None]
    return tensor if tensor.shape[1] == 3 else tensor.expand(-1, 3, -1, -1)


def _quantised(tensor: Tensor, dtype: np.dtype[Any], gray: bool) -> np.ndarray:
    """(1, 3, H, W) as (H, W, 1|3) of `dtype`; integers are clipped and rounded, float32 is left as it is."""
    tensor = tensor.float()
    if gray:
        tensor = (tensor * torch.tensor(LUMA, device=tensor.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if dtype.kind != "f":
        top = float(np.iinfo(dtype).max)
        tensor = tensor.mul(top).round_().clamp_(0, top)
        tensor = tensor.to(torch.uint8) if dtype == np.uint8 else tensor.to(torch.int32)
    pixels = tensor[0].permute(1, 2, 0).cpu().numpy()
    return pixels if pixels.dtype == dtype else pixels.astype(dtype)


def _without_holes(image: Image) -> Image:
    """The picture with the colours of fully transparent pixels replaced by those of the nearest visible ones, so that
    what hides there cannot bleed into the edges."""
    if image.alpha is None or not (hidden := image.alpha == 0).any() or hidden.all():
        return image
    mask = hidden.astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    visible = ~hidden
    colours = np.zeros((int(labels.max()) + 1, image.pixels.shape[2]), image.pixels.dtype)
    colours[labels[visible]] = image.pixels[visible]
    pixels = np.where(hidden[..., None], colours[labels], image.pixels)
    return replace(image, pixels=pixels)


def _resized_alpha(alpha: np.ndarray, size: Size) -> np.ndarray:
    if (alpha.shape[1], alpha.shape[0]) == size:
        return alpha
    plane = _read_region(alpha[..., None], Box(0, 0, alpha.shape[1], alpha.shape[0]))[:, :1]
    resized = resample(plane, size).clamp(0, 1)
    return _quantised(resized, alpha.dtype, gray=False)[..., 0]
