"""Learning from a teacher: pairs of inputs and the outputs of another network.

The output of a network is a function of its input. So an L1 loss towards it does not average over many plausible
answers, as it does towards photos, and a small network can copy the look of a large one (Hinton et al. 2015,
"Distilling the knowledge in a neural network").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import platformdirs
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from imgtk.errors import ImgtkError, TrainingError
from imgtk.training.images import load_image
from imgtk.upscaling.network import UpscalingNetwork

__all__ = ["SIDE", "TeacherPairs", "make_pairs", "pairs_folder", "split", "taught"]

SIDE = 96
"""Side of the inputs in pixels."""
CHUNK = 100
"""Pairs in a file of the cache."""
LARGEST_REDUCTION = 4.0
"""Inputs are photographs made 1 to so many times smaller, by chance: of everything between detail and whole scenes."""
FLAT = 12 / 255
"""Standard deviation below which a crop is mostly skipped: skies teach little."""

log = logging.getLogger(__name__)

Degrade = Callable[[Tensor, Generator], Tensor]


class TeacherPairs:
    """Draws crops of inputs and of the teacher's outputs.

    Args:
        inputs: (N, 3, SIDE, SIDE), uint8.
        targets: (N, 3, SIDE * scale, SIDE * scale), uint8.
        crop: side of a crop of the target, a multiple of the scale.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, crop: int) -> None:
        self.inputs, self.targets = inputs, targets
        self.scale = targets.shape[2] // inputs.shape[2]
        self.crop = crop // self.scale
        if not 0 < self.crop <= inputs.shape[2]:
            raise TrainingError(
                f"crops of {crop} pixels do not fit the teacher's images of {targets.shape[2]} pixels",
                hint=f"Choose a crop from {self.scale} to {targets.shape[2]}.",
            )

    @property
    def weight(self) -> float:
        """A figure that is equal only if the pairs are."""
        return float(self.inputs[:, :, ::8, ::8].sum(dtype=torch.int64))

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Return random crops, each flipped and turned at random: (count, 3 + 3 * scale ** 2, crop, crop), float32,
        0..1, the input and the folded target; see `split`."""
        picks = torch.randint(len(self.inputs), (count,), generator=generator).tolist()
        corners = torch.randint(self.inputs.shape[2] - self.crop + 1, (count, 2), generator=generator).tolist()
        turns = torch.randint(8, (count,), generator=generator).tolist()
        drawn = []
        for pick, (top, left), turn in zip(picks, corners, turns, strict=True):
            pair = []
            for pool, scale in ((self.inputs, 1), (self.targets, self.scale)):
                rows, columns = (slice(scale * start, scale * (start + self.crop)) for start in (top, left))
                crop = pool[pick, :, rows, columns]
                pair.append(torch.rot90(crop.flip(2) if turn >= 4 else crop, turn % 4, (1, 2)))
            drawn.append(torch.cat([pair[0], pixel_unshuffle(pair[1], self.scale)]))
        return torch.stack(drawn).float().div_(255)


def split(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Return inputs (N, 3, h, w) and targets (N, 3, h * scale, w * scale) of what `TeacherPairs.draw` gave."""
    inputs, folded = batch[:, :3], batch[:, 3:]
    return inputs, pixel_shuffle(folded, round((folded.shape[1] // 3) ** 0.5))


def pairs_folder(teacher: str, files: Sequence[Path], degradation: str, seed: int) -> Path:
    """Return where pairs are kept: one folder for each teacher (the digest of its file), data set, degradation and
    seed."""
    key = "\n".join([teacher, degradation, str(seed), str(SIDE), *(file.name for file in files)])
    cache = platformdirs.user_cache_path("imgtk", appauthor=False)
    return cache / "teacher-pairs" / sha256(key.encode()).hexdigest()[:16]


def make_pairs(
    teacher: UpscalingNetwork, files: Sequence[Path], degrade: Degrade, count: int, seed: int, folder: Path
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets for `TeacherPairs`, at least `count` of each.

    They are written into `folder` in chunks, and read from there the next time: teachers are slow.

    Args:
        teacher: the network, in evaluation mode, in the dtype and on the device in which it is to run.
        degrade: makes inputs (1, 3, H, W), 0..1, from images of their own size.

    Raises:
        TrainingError: if none of the files is an image large enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:04d}.safetensors" for index in range(-(-count // CHUNK))]
    for index, path in enumerate(paths):
        if not path.exists():
            log.info("making teacher pairs %d to %d of %d", index * CHUNK + 1, (index + 1) * CHUNK, count)
            inputs = _inputs(files, degrade, Generator().manual_seed(seed + index))
            part = path.with_suffix(".part")
            save_file({"inputs": inputs, "targets": taught(teacher, inputs.float() / 255)}, part)
            part.replace(path)
    chunks = [load_file(path) for path in paths]
    inputs, targets = (torch.cat([chunk[name] for chunk in chunks]) for name in ("inputs", "targets"))
    return inputs, targets


@torch.no_grad()
def taught(teacher: UpscalingNetwork, inputs: Tensor) -> Tensor:
    """Return the teacher's outputs for inputs (N, 3, H, W), 0..1, one after the other: (N, 3, H * s, W * s), uint8, on
    the CPU."""
    like = next(teacher.parameters())
    results = []
    for image in inputs:
        x = image[None].to(like.device, like.dtype).contiguous(memory_format=torch.channels_last)
        results.append(teacher(x).float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))
    return torch.cat(results).contiguous()


def _inputs(files: Sequence[Path], degrade: Degrade, generator: Generator) -> Tensor:
    """Return one chunk of inputs."""
    found: list[Tensor] = []
    failures = 0
    while len(found) < CHUNK:
        file = files[int(torch.randint(len(files), (1,), generator=generator))]
        crop = _crop(file, generator)
        if crop is None:
            failures += 1
            if failures > 20 * CHUNK:
                raise TrainingError(
                    f"the images are unreadable, smaller than {SIDE}x{SIDE} pixels, or flat",
                    hint="Name a folder of photographs with --data.",
                )
            continue
        found.append(degrade(crop, generator).mul(255).round().to(torch.uint8))
    return torch.cat(found).contiguous()


def _crop(file: Path, generator: Generator) -> Tensor | None:
    """Return a random part of a photograph, reduced to (1, 3, SIDE, SIDE), 0..1; None if there is nothing to
    see in it."""
    try:
        pixels = load_image(file, 0)
    except ImgtkError:
        return None
    height, width = pixels.shape[:2]
    if min(height, width) < SIDE:
        return None
    reduction, chance, *place = torch.rand(4, generator=generator).tolist()
    side = min(int(SIDE * (1 + (LARGEST_REDUCTION - 1) * reduction)), height, width)
    top, left = (int(share * (length - side + 1)) for share, length in zip(place, (height, width), strict=True))
    crop = torch.tensor(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None].float() / 255
    if crop.std() < FLAT and chance < 0.85:
        return None
    return interpolate(crop, size=(SIDE, SIDE), mode="bilinear", antialias=True).clamp(0, 1)
