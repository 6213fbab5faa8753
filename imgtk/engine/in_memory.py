"""Runs whose images and results are in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.device import available_memory
from imgtk.engine.pixels import FAINT, quantised, read_regions, resized_alpha
from imgtk.engine.plan import Plan, stored_bytes
from imgtk.engine.render import Progress, Renderer, memory_errors
from imgtk.engine.saves import check_saves
from imgtk.engine.session import Session
from imgtk.engine.statistics import thumbnail_statistics
from imgtk.errors import MemoryLimitError
from imgtk.geometry import Box, Size
from imgtk.image import Image

__all__ = ["render_images"]


def render_images(
    session: Session,
    images: Sequence[Image],
    plan: Plan,
    files: Mapping[int, Path],
    progress: Callable[[Progress], None] | None = None,
) -> list[Image]:
    """The results of images of one size and sample format, computed at the same time.

    Args:
        files: what `save` stages write, by their ids. Several images can be given only if there are none.
        progress: called after every tile.

    Raises:
        MemoryLimitError: if there is not enough memory for the result, or for the smallest tile.
        ImgtkError: of other kinds, for what goes wrong on the way.
    """
    image = images[0]
    overwrite, has_alpha = session.settings.overwrite, image.alpha is not None
    opacity = FAINT if plan.output_size != image.size else 0.0
    opaque = [one.without_holes(opacity).pixels for one in images]

    def save(index: int, tensor: Tensor) -> None:
        gray = image.gray and not session.in_colour[index]
        pixels = quantised(tensor, image.pixels.dtype, gray)
        _finished(session, image, pixels, ()).save(files[index], overwrite=overwrite)

    with session.lock, memory_errors(), torch.inference_mode():
        plan = session.placed(plan)
        sixteen_bit = image.pixels.dtype == np.uint16
        check_saves(plan, files, overwrite=overwrite, has_alpha=has_alpha, sixteen_bit=sixteen_bit)
        _check_memory(plan, image)
        renderer = Renderer(plan, partial(read_regions, opaque), report=progress, count=len(images))
        if len(images) == 1:
            renderer.statistics.update(thumbnail_statistics(session, plan, partial(_shrunk, opaque[0])))
        renderer.store_all(save)
        pixels = _collected(session, renderer, images)
    notes = (*plan.notes, *renderer.notes)
    return [_finished(session, one, result, notes) for one, result in zip(images, pixels, strict=True)]


def _check_memory(plan: Plan, image: Image) -> None:
    """Find out before computing whether the result, and what is stored on the way, fit into memory at all."""
    needed = plan.output_size.pixels * 3 * image.pixels.itemsize + stored_bytes(plan.stages)
    free = available_memory(torch.device("cpu"))
    if needed > free:
        raise MemoryLimitError(
            f"the result of {plan.output_size} pixels and what is stored on the way need {needed / 1e9:.1f} GB; "
            f"{free / 1e9:.1f} GB are free",
            hint="Choose a smaller scale, or install what keeps pixels on the disk: pip install 'imgtk[large]'",
        )


def _collected(session: Session, renderer: Renderer, images: Sequence[Image]) -> list[np.ndarray]:
    """The output's pixels (H, W, 1|3) of each image, in its sample format."""
    plan, dtype = renderer.plan, images[0].pixels.dtype
    grays = [image.gray and not session.in_colour[plan.output] for image in images]
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


def _finished(session: Session, image: Image, pixels: np.ndarray, notes: tuple[str, ...]) -> Image:
    """The result for `image`, with all that its file carried."""
    alpha = image.alpha
    if alpha is not None:
        alpha = resized_alpha(alpha, Size(pixels.shape[1], pixels.shape[0]), session.periodic)
    return Image(pixels, alpha, image.metadata, image.path, notes)


def _shrunk(pixels: np.ndarray, size: Size) -> np.ndarray:
    """(H, W, C) at a smaller size."""
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size.height, size.width, -1)
