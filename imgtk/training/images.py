"""Training images: decoded once, held as uint8 in memory (or on the GPU), with crops that favour detail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from imgtk.errors import ImgtkError, TrainingError
from imgtk.io import read

__all__ = ["CropSampler", "held_out_tensor", "image_files", "load_held_out", "load_image", "shrink"]

SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp"))
STRIDE = 64
"""Pixels between the crop positions among which a draw chooses; a random offset below it is added."""


def image_files(folder: Path) -> list[Path]:
    """Return the images below `folder`, sorted by path. Raises TrainingError if there are none."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise TrainingError(f"no images in {folder}", hint=f"Looked for {', '.join(sorted(SUFFIXES))} below it.")
    return files


def load_image(path: Path, max_side: int = 0) -> np.ndarray:
    """Return (H, W, 3) uint8 of a file, shrunk by area averaging until its longer side is at most `max_side` (0: as it
    is)."""
    image = read(path)
    pixels = image.pixels if image.pixels.dtype == np.uint8 else _to_uint8(image.pixels)
    if image.gray:
        pixels = np.repeat(pixels, 3, axis=2)
    return shrink(pixels, max_side / max(image.size)) if max_side and max(image.size) > max_side else pixels


def held_out_tensor(pixels: np.ndarray, multiple: int, file: Path) -> Tensor:
    """Bring an image to validate on, (H, W, C) uint8, to (1, C, H', W'), 0..1.

    Args:
        pixels: the image; rows at the bottom and columns at the right are cut off.
        multiple: what the sides of the result are multiples of.
        file: where the image is from, for the message.

    Raises:
        TrainingError: nothing would be left of it.
    """
    height, width = (side - side % multiple for side in pixels.shape[:2])
    if not (height and width):
        raise TrainingError(
            f"{file} is too small to validate on", hint=f"Both sides must have at least {multiple} pixels."
        )
    return torch.tensor(pixels[:height, :width]).permute(2, 0, 1)[None].float() / 255


def load_held_out(files: Iterable[Path], max_side: int, multiple: int) -> list[Tensor]:
    """Load images to validate on: (1, 3, H, W), 0..1, shrunk to `max_side` and cut to sides that are multiples.

    Raises:
        ReadError: one cannot be read.
        TrainingError: one is too small.
    """
    return [held_out_tensor(load_image(file, max_side), multiple, file) for file in files]


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return (np.clip(pixels / top, 0, 1) * 255 + 0.5).astype(np.uint8)


def shrink(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Return (H, W, 3), or several such images as (H, W, 3 n), times `factor` < 1, by area averaging."""
    height, width, channels = pixels.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    images = np.split(pixels, channels // 3, axis=2)
    return np.concatenate([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images], 2)


class CropSampler:
    """A pool of images from which batches of crops are drawn.

    The probability of a crop grows with the square root of its mean gradient, so that flat skies do not fill the
    batches.

    Args:
        files: the image files; unreadable ones are left out and listed in `failures`.
        crop: side of a crop; smaller images are left out, too.
        shrink_by: each image is also held at these factors of its size: reduced versions show more detail per pixel.
        turns: whether crops are also rotated by quarter turns, besides flipped horizontally; not if up and down matter.
        device: where the pool is held and crops are cut.

    Raises:
        TrainingError: if no image is left.
    """

    def __init__(
        self,
        files: Sequence[Path],
        crop: int,
        *,
        shrink_by: Sequence[float] = (),
        max_side: int = 0,
        turns: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.crop, self.turns = crop, turns
        self.failures: list[str] = []
        self.tensors: list[Tensor] = []
        with ThreadPoolExecutor() as pool:
            for path, loaded in zip(files, pool.map(lambda p: self._load(p, max_side), files), strict=True):
                if isinstance(loaded, ImgtkError):
                    self.failures.append(f"{path.name}: {loaded.message}")
                    continue
                for pixels in (loaded, *(shrink(loaded, factor) for factor in shrink_by)):
                    if min(pixels.shape[:2]) >= crop:
                        tensor = torch.tensor(pixels.transpose(2, 0, 1))
                        self.tensors.append(tensor.to(device))
        if not self.tensors:
            raise TrainingError(
                f"none of the {len(files)} images is readable and at least {crop}x{crop} pixels large",
                hint="Give larger images, or a smaller crop with --set crop=N.",
            )
        places = [self._places(tensor) for tensor in self.tensors]
        self._image = torch.cat([torch.full((len(p),), i) for i, (p, _) in enumerate(places)])
        self._corner = torch.cat([p for p, _ in places])
        self._chance = torch.cat([w for _, w in places]).cumsum(0)

    @property
    def weight(self) -> float:
        """The sum of the weights of all possible crops. Two pools have equal sums only if their images are equal."""
        return float(self._chance[-1])

    def _load(self, path: Path, max_side: int) -> np.ndarray | ImgtkError:
        try:
            return load_image(path, max_side)
        except ImgtkError as error:
            return error

    def _places(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return corners (N, 2) of possible crops as (top, left), and the weight of each (N,)."""
        gray = image.float().mean(0, keepdim=True)
        gradient = gray.new_zeros(gray.shape)
        gradient[:, :-1] += (gray[:, 1:] - gray[:, :-1]).abs()
        gradient[:, :, :-1] += (gray[:, :, 1:] - gray[:, :, :-1]).abs()
        detail = avg_pool2d(gradient[None], self.crop, STRIDE)[0, 0]
        rows, columns = torch.meshgrid(*(torch.arange(n) for n in detail.shape), indexing="ij")
        corners = torch.stack([rows, columns], -1).reshape(-1, 2) * STRIDE
        return corners, (detail.flatten().double() + 0.1).sqrt().cpu()

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return `count` random crops, each flipped, and turned, at random: (N, 3, crop, crop), float32, 0..1.

        All randomness comes from `generator`, a CPU generator.
        """
        picks = torch.rand(count, generator=generator, dtype=torch.float64) * self._chance[-1]
        places = torch.searchsorted(self._chance, picks, right=True).clamp_(max=len(self._chance) - 1)
        offsets = torch.randint(0, STRIDE, (count, 2), generator=generator)
        turns = torch.randint(0, 8, (count,), generator=generator).tolist()
        crops = []
        for place, offset, turn in zip(places.tolist(), offsets, turns, strict=True):
            image = self.tensors[int(self._image[place])]
            last = torch.tensor(image.shape[1:]) - self.crop
            top, left = torch.minimum(self._corner[place] + offset, last).tolist()
            crop = image[:, top : top + self.crop, left : left + self.crop]
            crop = crop.flip(2) if turn >= 4 else crop
            crops.append(torch.rot90(crop, turn % 4, (1, 2)) if self.turns else crop)
        return torch.stack(crops).float().div_(255)
