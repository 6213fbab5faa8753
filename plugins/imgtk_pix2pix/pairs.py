"""Pairs of images from two folders: inputs, and their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from imgtk.errors import ImgtkError, TrainingError
from imgtk.training.images import CropSampler, image_files, load_image

__all__ = ["Pairs", "load_pair", "partners"]


def partners(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Return, for each of `files`, the image below `folder` of the same name; the format may differ.

    Raises:
        TrainingError: there are no images, or some have no partner or several.
    """
    named: dict[str, list[Path]] = {}
    for path in image_files(folder):
        named.setdefault(path.stem, []).append(path)
    wrong = [path for path in files if len(named.get(path.stem, [])) != 1]
    if wrong:
        names = ", ".join(path.name for path in wrong[:3])
        raise TrainingError(
            f"{len(wrong)} of {len(files)} images have no single partner in {folder}: {names}",
            hint="Both images of a pair need the same name, which no other image of their folder has.",
        )
    return {path: named[path.stem][0] for path in files}


def load_pair(source: Path, target: Path, max_side: int) -> np.ndarray:
    """Return (H, W, 6) uint8 of two files of equal size, shrunk until the longer side is at most `max_side`.

    Raises:
        TrainingError: the images differ in size.
        ImgtkError: one of them cannot be read.
    """
    ours, theirs = (load_image(path, max_side) for path in (source, target))
    if ours.shape != theirs.shape:
        sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (ours, theirs)]
        raise TrainingError(
            f"{source} and its partner {target} differ in size ({sizes[0]} and {sizes[1]} pixels)",
            hint="Both images of a pair must show the same things in the same places.",
        )
    return np.concatenate([ours, theirs], 2)


class Pairs(CropSampler):
    """A `CropSampler` whose crops are (6, crop, crop): input, and target.

    Args:
        files: the target of each input.
        options: of `CropSampler`.
    """

    def __init__(
        self,
        files: Mapping[Path, Path],
        crop: int,
        *,
        shrink_by: Sequence[float] = (),
        max_side: int = 0,
        turns: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.partners = files
        super().__init__(list(files), crop, shrink_by=shrink_by, max_side=max_side, turns=turns, device=device)

    def _load(self, path: Path, max_side: int) -> np.ndarray | ImgtkError:
        try:
            return load_pair(path, self.partners[path], max_side)
        except TrainingError:
            raise
        except ImgtkError as error:
            return error
