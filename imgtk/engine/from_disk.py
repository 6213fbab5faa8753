"""Runs from file to file, with neither the image nor the result in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from imgtk.engine.adaptive import resolved_plan
from imgtk.engine.faults import caught
from imgtk.engine.pixels import opacity_trusted, quantised, region_of, shrunk
from imgtk.engine.plan import Plan, Stage, stored_bytes
from imgtk.engine.region import tiles
from imgtk.engine.render import Progress, Renderer
from imgtk.engine.saves import check_saves
from imgtk.engine.session import Session
from imgtk.engine.statistics import thumbnail_statistics
from imgtk.errors import MemoryLimitError, WriteError
from imgtk.geometry import Extent, Size
from imgtk.io import check_target
from imgtk.io.carried import moved
from imgtk.io.depth import to_depth
from imgtk.io.formats import TIFF, format_of
from imgtk.io.header import Header
from imgtk.io.options import WriteOptions
from imgtk.io.read import read_headers
from imgtk.io.write import natural_depth
from imgtk.language.graph import INPUT, SAVE
from imgtk.op import ImageOp

if TYPE_CHECKING:
    from imgtk.io.large import DiskImage, Output

__all__ = ["FileResult", "exceeds_memory", "render_file"]

AT_ONCE = 1 << 20
"""Pixels of a tile that are made whole numbers at a time on their way to the disk."""


@dataclass(frozen=True)
class FileResult:
    """The result of a run from file to file.

    Attributes:
        path: the file that was written.
        size: of its (first) image.
        notes: remarks for the user.
    """

    path: Path
    size: Size
    notes: tuple[str, ...] = ()


def exceeds_memory(session: Session, image: Header) -> bool:
    """Return whether an image, its result and stored stages take more than half of the session's memory; tiles have the
    rest."""
    stages = session.stages(image.size, session.dtype_of(image.depth))
    result = image.nbytes * stages[session.graph.output].size.pixels // image.size.pixels
    return image.nbytes + result + stored_bytes(stages) > session.memory // 2


def render_file(
    session: Session,
    source: Path,
    target: Path,
    files: Mapping[int, Path],
    options: WriteOptions,
    *,
    max_pixels: int,
    kept: str | None,
    progress: Callable[[Progress], None] | None,
) -> FileResult:
    """Render the pages of `source` one by one into `target`. Needs `imgtk[large]`.

    Args:
        files: what `save` stages write, by their ids.
        options: as for `imgtk.io.write`.
        max_pixels: as for `imgtk.io.read`, for each page.
        kept: text of the pipeline: what is computed is kept until the file is written, and a later run of the same
            pipeline on the same file continues it. None to keep nothing.
        progress: called after every tile.

    Raises:
        ReadError: if the source cannot be read, or only as a whole and is too large for that.
        WriteError: if the format cannot hold the result, or the disk has no space for it.
        MemoryLimitError: if an operator must see the whole image, and that does not fit into memory.
        ImgtkError: of other kinds, for errors during the run.
    """
    from imgtk.io.large import check_encoder, check_installed, drafts, opened, output

    check_installed(source)
    headers = read_headers(source, max_pixels=max_pixels)
    seed, dtype = session.settings.seed, str(session.dtype)
    made = repr((kept, str(source), source.stat().st_mtime_ns, dtype, seed, options.depth)) if kept else None
    _check_pages(source, len(headers), target, files)
    plans = [_plan_in_pieces(session, header) for header in headers]
    replacing = session.settings.overwrite
    total = 0
    for header, plan in zip(headers, plans, strict=True):
        sixteen_bit, size = header.depth == 16, plan.output_size
        gray, has_alpha = _layout(plan, header.channels < 3, header.has_alpha)
        channels = (1 if gray else 3) + has_alpha
        check_target(target, options, sixteen_bit=sixteen_bit, size=size)
        check_encoder(target, size, channels, session.memory)
        check_saves(plan, files, overwrite=replacing, has_alpha=False, sixteen_bit=sixteen_bit)
        total += size.pixels * channels * (options.depth or header.depth) // 8
    notes: list[str] = []
    sizes: list[Size] = []
    with drafts(target, made) as folder, output(target, total, session.memory, folder, options) as result:
        for page, (header, plan) in enumerate(zip(headers, plans, strict=True)):
            with opened(source, header, page, target, session.memory) as image:
                _, has_alpha = _layout(plan, image.channels == 1, image.has_alpha)
                check_target(target, WriteOptions(overwrite=True), has_alpha=has_alpha)
                check_saves(plan, files, overwrite=replacing, has_alpha=image.has_alpha, sixteen_bit=False)
                if plan.pending:
                    plan = _resolved(session, plan, header, image, progress)
                notes += _render_page(session, plan, image, result, options, files, progress)
                sizes.append(plan.output_size)
    return FileResult(target, sizes[0], tuple(notes))


def _check_pages(source: Path, pages: int, target: Path, files: Mapping[int, Path]) -> None:
    """Raise WriteError where a file of several pages cannot be written as such."""
    if pages > 1 and format_of(target) is not TIFF:
        raise WriteError(
            f"cannot write {target}: {source} has {pages} pages, which only TIFF holds",
            hint="Write .tif.",
        )
    if pages > 1 and files:
        raise WriteError(
            f"{source} has {pages} pages, and `save` stages would write them all to one file",
            hint="Leave out `save`.",
        )


def _plan_in_pieces(
    session: Session, image: Header, resolved: dict[int, ImageOp] | None = None, last: int | None = None
) -> Plan:
    """Return the plan for an image on disk, where what is saved need not be stored. Tiles take at most half of the
    memory: libraries, and what is on its way from and to the disk, need some, too."""
    dtype = session.dtype_of(image.depth)
    _check_whole(session.stages(image.size, dtype, resolved, last), session.memory)
    plan = session.plan(image.size, dtype, session.memory // 2, resolved, last)
    stages = (replace(stage, stored=False) if stage.label == SAVE else stage for stage in plan.stages)
    return replace(plan, stages=tuple(stages))


def _resolved(
    session: Session, plan: Plan, header: Header, image: DiskImage, progress: Callable[[Progress], None] | None
) -> Plan:
    """Return the plan for an image on disk in which adaptive operators are what they become for it."""
    opacity = opacity_trusted(plan)
    with session.lock, caught(), torch.no_grad():
        return resolved_plan(
            session,
            partial(_plan_in_pieces, session, header),
            partial(region_of, image, opacity),
            partial(shrunk, image, opacity),
            has_alpha=image.has_alpha,
            progress=progress,
        )


def _check_whole(stages: Sequence[Stage], memory: int) -> None:
    """Raise MemoryLimitError where what operators must see as a whole does not fit into `memory` bytes."""
    whole = [
        stage for stage in stages if stage.op and (stage.extent is Extent.WHOLE or any(stage.op.geometry.periodic))
    ]
    needed = stored_bytes(stage for stage in stages if stage.label != SAVE)
    if any(INPUT in stage.inputs for stage in whole):
        needed += stages[INPUT].size.pixels * 3 * stages[INPUT].dtype.itemsize
    if whole and needed > memory:
        raise MemoryLimitError(
            f"{whole[0].label} needs the whole image at once, which takes {needed / 1e9:.3g} GB; "
            f"{memory / 1e9:.3g} GB may be used",
            hint="Make the image smaller before this stage, raise --max-memory, or leave the stage out.",
        )


def _render_page(
    session: Session,
    plan: Plan,
    image: DiskImage,
    result: Output,
    options: WriteOptions,
    files: Mapping[int, Path],
    progress: Callable[[Progress], None] | None,
) -> list[str]:
    """Render an image on disk into `result`, and what `save` stages name into `files`; return notes."""
    from imgtk.io.large import output

    opacity = opacity_trusted(plan)
    notes: list[str] = []
    with session.lock, caught(), torch.no_grad():
        plan = session.placed(plan)
        renderer = Renderer(plan, partial(region_of, image, opacity), report=progress, has_alpha=image.has_alpha)
        renderer.statistics.update(thumbnail_statistics(session, renderer, partial(shrunk, image, opacity)))
        renderer.store_all(lambda index, pixels: None)
        for index, file in files.items():
            size = plan.stages[index].size.pixels * 3 * image.dtype.itemsize
            how = WriteOptions(metadata=options.metadata)
            with output(file, size, session.memory, result.drafts, how) as saved:
                notes += _render_stage(renderer, image, index, saved, None)
        notes += _render_stage(renderer, image, plan.output, result, options.depth)
    return [*notes, *plan.notes, *renderer.notes]


def _layout(plan: Plan, gray: bool, has_alpha: bool) -> tuple[bool, bool]:
    """Return whether the result is gray, and whether it has alpha, if the image is so."""
    return plan.grays(gray)[plan.output], plan.alphas(has_alpha)[plan.output]


def _render_stage(renderer: Renderer, image: DiskImage, index: int, result: Output, depth: int | None) -> list[str]:
    """Render a stage of an image on disk into `result`, with `depth` bits per sample; return notes."""
    plan = replace(renderer.plan, output=index)
    size = plan.output_size
    gray, has_alpha = _layout(plan, image.channels == 1, image.has_alpha)
    depth = depth or natural_depth(image.dtype, result.format)
    shape = (size.height, size.width, (1 if gray else 3) + has_alpha)
    dtype = to_depth(np.empty(0, image.dtype), depth).dtype
    with result.draft(shape, dtype) as samples:
        notes = [f"{samples.done} of {size.height} rows were there from an earlier run"] if samples.done else []
        for box, tile in renderer.stream(index, below=samples.done):
            rows = max(1, AT_ONCE // box.size.width)
            for band in tiles(box.size, Size(box.size.width, rows)):
                part = tile.cut(band)
                pixels = quantised(part.colour, image.dtype, gray)
                if pixels.dtype.kind == "f" and np.isnan(pixels).any():
                    raise WriteError(f"cannot write {result.path}: some values of the image are not numbers")
                if part.alpha is not None:
                    pixels = np.dstack([pixels, quantised(part.alpha, image.dtype, gray=False)])
                samples.write(band.shifted(box.left, box.top), to_depth(pixels, depth))
        result.add(samples, moved(image.metadata, plan.placement, size))
    return notes
