"""`Pipeline`: text, YAML or a graph as a callable on images."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from imgtk.diagram import DiagramNode, svg
from imgtk.engine import Settings, from_disk
from imgtk.engine.from_disk import FileResult
from imgtk.engine.in_memory import blank, render_batches, render_images, resolved_for
from imgtk.engine.plan import Plan
from imgtk.engine.render import Progress
from imgtk.engine.saves import save_files
from imgtk.engine.session import Session
from imgtk.engine.settings import SettingsOptions
from imgtk.frame import frame_numbered
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import MAX_PIXELS
from imgtk.io.header import Header
from imgtk.io.options import WriteOptions
from imgtk.language import dump_yaml, load_yaml, parse, stage_lines, to_text
from imgtk.language.graph import Graph
from imgtk.registry import Registry, default

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Unpack

__all__ = ["FileResult", "Pipeline", "Progress"]


class Pipeline:
    """A chain or graph of operators, ready to run on images.

    Operators are built, and their weights loaded, on the first run, and kept for the next one. Several threads may call
    one pipeline; their images are computed one after the other.

    Args:
        pipeline: text in imgtk's language, or a `Graph`.
        settings: how to compute; None for the defaults.
        registry: where operators are looked up; None for all installed plugins.
        changes: fields of `Settings` that replace those of `settings`: `Pipeline(text, device="cpu")`.

    Raises:
        PipelineError: for a text that cannot be parsed, with a caret under the place.
        UsageError: for an invalid tile size.
        DeviceError: for a device that does not exist, or a number format that the backend does not support.
        BackendError: for a backend that is not installed, or not available for the device.

    >>> pipeline = Pipeline("generate:gradient 64x48 | upscale:bicubic x2", device="cpu")
    >>> print(pipeline().size)
    128x96
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
        self._session = Session(self.graph, self.registry, self.settings)

    @classmethod
    def from_yaml(
        cls,
        text: str,
        settings: Settings | None = None,
        *,
        registry: Registry | None = None,
        **changes: Unpack[SettingsOptions],
    ) -> Pipeline:
        """Return the pipeline of a YAML document, as `yaml` writes it; the rest as for the constructor."""
        registry = registry or default()
        return cls(load_yaml(text, registry), settings, registry=registry, **changes)

    @property
    def device(self) -> torch.device:
        """The device that computes."""
        return self._session.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format for 8-bit images."""
        return self._session.dtype

    def yaml(self) -> str:
        """Return the pipeline as a YAML document, with the versions of the plugins it uses."""
        return dump_yaml(self.graph, self.registry)

    def __str__(self) -> str:
        return to_text(self.graph, self.registry)

    def _repr_html_(self) -> str:
        """Return the graph as notebooks show it, an SVG image."""
        return svg([DiagramNode(stage_lines(node, self.registry), node.inputs) for node in self.graph.nodes])

    def __call__(
        self,
        source: str | Path | Image | np.ndarray | PIL.Image.Image | Tensor | None = None,
        progress: Callable[[Progress], None] | None = None,
        name: str | None = None,
        *,
        size: Size | tuple[int, int] | None = None,
        depth: Literal[8, 16] = 8,
        plan: Plan | None = None,
        frame: int = 0,
    ) -> Image:
        """Run on one image, or on none, if the pipeline makes its images from nothing.

        Args:
            source: whatever `Image.of` takes; None for a pipeline that starts with an operator such as generate:noise.
            progress: called after every tile, and about twice a second within one that takes longer, unless a single
                layer of a network does. What it raises cancels the run, and comes out of this call.
            name: what `{name}` means in the files of `save` stages; None for the name of the source's file.
            size, depth: without `source`: (width, height) for operators that are not told a size themselves, and bits
                per sample of the result.
            plan: what `plan_for` an image of this size and sample format gave, so that many are done in the same way.
            frame: number of the frame, for pipelines that make clips from nothing; see `frames`.

        Returns:
            The result, in the sample format of the source (uint8, uint16, float32), with what its file carried. Gray
            stays gray unless an operator brings colour. Its `notes` are remarks for the user.

        Raises:
            ReadError: for a source that cannot be read.
            MemoryLimitError: if there is not enough memory for the result, or for the smallest tile.
            ImgtkError: of other kinds, for errors during the run.
        """
        image = blank(self.canvas(size), depth) if source is None else Image.of(source)
        files = self.saves(name or (image.path.stem if image.path else None))
        with frame_numbered(frame):
            return render_images(self._session, [image], plan or self.plan_for(image), files, progress)[0]

    async def run_async(
        self,
        source: str | Path | Image | np.ndarray | PIL.Image.Image | Tensor,
        progress: Callable[[Progress], None] | None = None,
        name: str | None = None,
    ) -> Image:
        """Run on one image in a thread, and let other tasks go on meanwhile: `await pipeline.run_async("in.jpg")`.

        A task that is cancelled waits no longer; the thread still ends its image. Arguments and errors are those of a
        call; `progress` is called in the thread.
        """
        return await asyncio.to_thread(self, source, progress, name)

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
        return render_batches(self._session, images, plan or self.plan_for(images[0]), progress)

    def most_at_once(self, plan: Plan) -> int:
        """Return how many images can share a batch: more than one only if torch computes each in one piece."""
        return self._session.most_at_once(plan)

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
    ) -> FileResult:
        """Run from file to file with neither the image nor the result in memory. Meanwhile their pixels are beside
        `target`, uncompressed. Pages of a TIFF file are processed one by one.

        `save` stages are computed once more than in memory. Needs `imgtk[large]`.

        Args:
            source: a file.
            target, options: as for `imgtk.io.write`. TIFF is written in tiles.
            max_pixels: as for `imgtk.io.read`, for each page.
            resume: whether to keep computed pixels until the file is written, and to continue an earlier run of this
                pipeline. All pages, and what `save` stages write, are then on disk together.
            progress, name: as for a call.

        Raises:
            ReadError: if the source cannot be read, or only as a whole and is too large for that.
            WriteError: if the format cannot hold the result, or the disk has no space for it.
            MemoryLimitError: if an operator needs the whole image, and that does not fit into memory.
            ImgtkError: of other kinds, for errors during the run.
        """
        files, kept = self.saves(name or Path(source).stem), str(self) if resume else None
        return from_disk.render_file(
            self._session,
            Path(source),
            Path(target),
            files,
            options,
            max_pixels=max_pixels,
            kept=kept,
            progress=progress,
        )

    def exceeds_memory(self, image: Header) -> bool:
        """Return whether an image, its result and stored stages take more than half of the memory that may be used;
        tiles have the rest."""
        return from_disk.exceeds_memory(self._session, image)

    def check(self) -> None:
        """Build the operators now, and raise the errors of their parameters and weights."""
        _ = self._session.ops  # builds them

    def plan(self, size: Size | tuple[int, int]) -> Plan:
        """Return the plan for an 8-bit image of (width, height): sizes, tiles, memory.

        Raises:
            MemoryLimitError: if not even the smallest tile fits.
        """
        return self._session.plan(Size(*size), self.dtype)

    def plan_for(self, image: Image) -> Plan:
        """Return the plan for an image of this size and sample format. Raises as `plan` does."""
        return self._session.plan(image.size, self._session.dtype_of(8 * image.pixels.itemsize))

    def resolve(self, plan: Plan, image: Image) -> Plan:
        """Return a plan in which adaptive operators, such as trim, are what they become for `image`, so that others are
        done in the same way: the frames of a clip, for example.

        Raises:
            ImgtkError: as a call does.
        """
        return resolved_for(self._session, image, plan)

    def output_size(self, size: Size) -> Size:
        """Return the size of the result for an image of (width, height), the largest if it depends on pixels. Raises
        as `plan_stages` does."""
        return self._session.stages(size, self.dtype)[self.graph.output].size

    def sizes(self, size: Size) -> list[Size]:
        """Return the sizes of all stages for an image of (width, height), the result last. Raises as `plan_stages`
        does."""
        stages = self._session.stages(size, self.dtype)
        return [*(stage.size for stage in stages), stages[self.graph.output].size]

    @property
    def frames(self) -> int:
        """Frames of the clip that the pipeline makes from nothing; 1 for an image. Raises UsageError if its operators
        disagree."""
        return self._session.frames

    def output_alpha(self, has_alpha: bool) -> bool:
        """Return whether the result has alpha, for an image that has or has not."""
        return self._session.gives_alpha(has_alpha)

    def canvas(self, size: Size | tuple[int, int] | None = None) -> Size:
        """Return the size to plan for without input: `size`, or what the operators say that make images from nothing.

        Raises:
            UsageError: if the pipeline reads an input, or nothing tells the size.
        """
        return self._session.canvas(Size(*size) if size else None)

    def saves(self, name: str | None) -> dict[int, Path]:
        """Return the files that `save` stages write for an image of that name, by the stage's id.

        Raises:
            UsageError: if one of them has `{name}` in it, and there is no name.
        """
        return save_files(self.graph, name)

    def export_onnx(self, path: str | Path, *, dtype: str = "fp32", overwrite: bool = False) -> list[str]:
        """Write the network of the pipeline's only operator as an ONNX file; see `imgtk.engine.export.export`. Raises
        UsageError if there are several operators, or one without a network, and otherwise as `export` does."""
        from imgtk.engine.export import export, only_network

        with self._session.lent() as ops:
            return export(only_network(self.graph, ops), str(self), path, dtype=dtype, overwrite=overwrite)
