"""Runs whose images and results are in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from imgtk.device import available_memory
from imgtk.engine.adaptive import resolved_plan
from imgtk.engine.faults import caught
from imgtk.engine.pixels import opacity_trusted, quantised, read_regions
from imgtk.engine.plan import Plan, stored_bytes
from imgtk.engine.planes import Pixels
from imgtk.engine.render import Progress, Renderer
from imgtk.engine.saves import check_saves, save_files
from imgtk.engine.session import Session
from imgtk.engine.statistics import thumbnail_statistics
from imgtk.errors import MemoryLimitError, UsageError
from imgtk.geometry import Box, Size
from imgtk.image import Image
from imgtk.io.carried import moved

__all__ = ["blank", "render_batches", "render_images", "resolved_for"]

Samples = tuple[np.ndarray, np.ndarray | None]
"""Colours (H, W, 1|3) and alpha (H, W)."""


def blank(size: Size, depth: Literal[8, 16]) -> Image:
    """Return what stands for the input of a pipeline that reads none: size and bits per sample, without pixels."""
    sample = np.zeros((1, 1, 3), np.uint16 if depth == 16 else np.uint8)
    return Image(np.broadcast_to(sample, (size.height, size.width, 3)))


def render_images(
    session: Session,
    images: Sequence[Image],
    plan: Plan,
    files: Mapping[int, Path],
    progress: Callable[[Progress], None] | None = None,
) -> list[Image]:
    """Return the results of images of one size and sample format, computed at the same time.

    Args:
        files: what `save` stages write, by their ids. Several images can be given only if there are none.
        progress: called after every tile.

    Raises:
        MemoryLimitError: if there is not enough memory for the result, or for the smallest tile.
        ImgtkError: of other kinds, for errors during the run.
    """
    image = images[0]
    plan = resolved_for(session, image, plan, progress)
    overwrite, has_alpha = session.settings.overwrite, any(image.alpha is not None for image in images)
    opacity = opacity_trusted(plan)
    opaque = images if opacity is None else [one.without_holes(opacity) for one in images]

    def save(index: int, pixels: Pixels) -> None:
        shown = replace(plan, output=index)
        _finished(shown, image, _samples(pixels, image, shown), ()).save(files[index], overwrite=overwrite)

    with session.lock, caught(), torch.no_grad():
        plan = session.placed(plan)
        sixteen_bit = image.pixels.dtype == np.uint16
        check_saves(plan, files, overwrite=overwrite, has_alpha=has_alpha, sixteen_bit=sixteen_bit)
        _check_memory(plan, image)
        source = partial(read_regions, opaque)
        renderer = Renderer(plan, source, report=progress, count=len(images), has_alpha=has_alpha)
        if len(images) == 1:
            renderer.statistics.update(thumbnail_statistics(session, renderer, partial(_shrunk, opaque[0])))
        renderer.store_all(save)
        results = _collected(renderer, images)
    notes = (*plan.notes, *renderer.notes)
    return [_finished(plan, one, result, notes) for one, result in zip(images, results, strict=True)]


def render_batches(
    session: Session, images: Sequence[Image], plan: Plan, progress: Callable[[Progress], None] | None = None
) -> list[Image]:
    """Return the results of any number of images of one size and sample format, as many at the same time as can be.

    Raises:
        UsageError: for images of several kinds.
        ImgtkError: as `render_images` does.
    """
    if len({(image.size, image.pixels.dtype) for image in images}) > 1:
        raise UsageError("a batch takes images of one size and sample format")
    most = session.most_at_once(plan)
    results: list[Image] = []
    for start in range(0, len(images), most):
        part = images[start : start + most]
        files = save_files(session.graph, part[0].path.stem if part[0].path else None)
        results += render_images(session, part, plan, files, progress)
    return results


def resolved_for(
    session: Session, image: Image, plan: Plan, progress: Callable[[Progress], None] | None = None
) -> Plan:
    """Return a plan in which adaptive operators are what they become for an image; the plan itself if it has none."""
    if not plan.pending:
        return plan
    opacity = opacity_trusted(plan)
    opaque = image if opacity is None else image.without_holes(opacity)
    with session.lock, caught(), torch.no_grad():
        return resolved_plan(
            session,
            partial(session.plan, image.size, session.dtype_of(8 * image.pixels.itemsize)),
            partial(read_regions, [opaque]),
            partial(_shrunk, opaque),
            has_alpha=image.alpha is not None,
            progress=progress,
        )


def _check_memory(plan: Plan, image: Image) -> None:
    """Check, before computing, that the result and the stored stages fit into memory."""
    needed = plan.output_size.pixels * 3 * image.pixels.itemsize + stored_bytes(plan.stages)
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise MemoryLimitError(
            f"the result of {plan.output_size} pixels and the stored stages need {needed / 1e9:.1f} GB; "
            f"{free / 1e9:.1f} GB are free",
            hint="Choose a smaller scale, or keep pixels on disk: pip install 'imgtk[large]'",
        )


def _samples(pixels: Pixels, image: Image, plan: Plan) -> Samples:
    """Return the pixels of one image in its sample format."""
    dtype = image.pixels.dtype
    colour = quantised(pixels.colour, dtype, plan.grays(image.gray)[plan.output])
    return colour, None if pixels.alpha is None else quantised(pixels.alpha, dtype, gray=False)[..., 0]


def _collected(renderer: Renderer, images: Sequence[Image]) -> list[Samples]:
    """Return the output's samples of each image."""
    plan, dtype = renderer.plan, images[0].pixels.dtype
    if plan.output in renderer.stored:
        return [_samples(renderer.stored[plan.output], images[0], plan)]
    size = plan.output_size
    results: list[Samples] = []
    for box, tile in renderer.stream(plan.output):
        parts = [_samples(one, image, plan) for one, image in zip(tile.split(), images, strict=True)]
        if box == Box.of(size):
            results = parts  # as they are; the renderer still reports
            continue
        for colour, alpha in parts[len(results) :]:
            whole = np.empty((size.height, size.width, colour.shape[2]), dtype)
            results.append((whole, None if alpha is None else np.empty(whole.shape[:2], dtype)))
        for result, part in zip(results, parts, strict=True):
            for plane, piece in zip(result, part, strict=True):
                if plane is not None and piece is not None:
                    plane[box.top : box.bottom, box.left : box.right] = piece
    return results


def _finished(plan: Plan, image: Image, samples: Samples, notes: tuple[str, ...]) -> Image:
    """Return the result for `image`, with all that its file carried."""
    pixels, alpha = samples
    if image.alpha is None and not plan.alphas(False)[plan.output]:
        alpha = None  # it shared a batch with one that has
    metadata = moved(image.metadata, plan.placement, Size(pixels.shape[1], pixels.shape[0]))
    return Image(pixels, alpha, metadata, image.path, notes)


def _shrunk(image: Image, size: Size) -> Image:
    """Return an image at a smaller size; its alpha is left out."""
    pixels = cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA).reshape(size.height, size.width, -1)
    return Image(pixels)
