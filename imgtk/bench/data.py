"""Which images a super-resolution benchmark takes: benchmark folders as they are handed round, any folder of
images, or those that scikit-image bundles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imgtk.bench.protocol import CROP, SMALLEST, crop_to_multiple, degrade, downsample
from imgtk.bench.published import known_name, rank
from imgtk.errors import ReadError, UsageError
from imgtk.geometry import Size
from imgtk.io import read_size
from imgtk.io.formats import readable
from imgtk.training.images import load_image

__all__ = ["BUILTIN", "BenchSet", "Pair", "builtin", "find_sets"]

BUILTIN = ("astronaut", "camera", "chelsea", "coffee", "coins", "page", "rocket", "text")
"""Functions of `skimage.data` whose images come with every scikit-image: a portrait, an animal, things, print."""


@dataclass(frozen=True)
class Pair:
    """An image and its small version.

    Attributes:
        name: of the image.
        target: its file, or its pixels (H, W) or (H, W, 3), uint8.
        source: the file of the small version; None if it is made from `target`.
        multiple: to what the sides of `target` are cropped before.
        degraded: whether the small version that is made is also blurred, noisy and compressed.
    """

    name: str
    target: Path | np.ndarray = field(repr=False)
    source: Path | None
    multiple: int
    degraded: bool = False

    def check(self, scale: int) -> None:
        """Check that the pair can be used, without decoding it.

        Raises:
            ReadError: if a file cannot be read, or the sizes do not fit `scale`.
        """
        size = read_size(self.target) if isinstance(self.target, Path) else Size(*self.target.shape[1::-1])
        cropped = self._cropped(size, scale)
        smallest = SMALLEST + 2 * scale
        if min(cropped) < smallest:
            raise ReadError(
                f"{self._place} is too small to be scored at x{scale}: {size}",
                hint=f"Sides must be {smallest} pixels or more after cropping to multiples of {self.multiple}.",
            )

    def load(self, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the small version (h, w, 3) and the image (h * scale, w * scale, 3), uint8. Gray is repeated, more
        than 8 bits are rounded, and transparency is ignored.

        Raises:
            ReadError: if a file cannot be read.
        """
        target = load_image(self.target) if isinstance(self.target, Path) else self.target
        if target.ndim == 2:
            target = np.repeat(target[..., None], 3, axis=2)
        if self.source is None:
            target = crop_to_multiple(target, self.multiple)
            return (degrade if self.degraded else downsample)(target, scale), target
        source = load_image(self.source)
        return source, target[: source.shape[0] * scale, : source.shape[1] * scale]

    @property
    def _place(self) -> str:
        return str(self.target) if isinstance(self.target, Path) else self.name

    def _cropped(self, size: Size, scale: int) -> Size:
        """Return the size of the target after cropping."""
        if self.source is None:
            return Size(*(side // self.multiple * self.multiple for side in size))
        small = read_size(self.source)
        wanted = Size(*(side * scale for side in small))
        if not all(0 <= have - want < self.multiple for have, want in zip(size, wanted, strict=True)):
            raise ReadError(
                f"{self.source} is {small}, which times {scale} is {wanted}, but {self._place} is {size}",
                hint=f"Is it for another scale? --make-lr makes the inputs at x{scale} instead.",
            )
        return wanted


@dataclass(frozen=True)
class BenchSet:
    """Images that are averaged over.

    Attributes:
        name: as it is known ("Set5"), else of the folder.
        pairs: the images.
    """

    name: str
    pairs: tuple[Pair, ...]

    @property
    def inputs(self) -> str:
        """Where the small images come from: "files", "made", or "degraded"."""
        first = self.pairs[0]
        return "degraded" if first.degraded else "made" if first.source is None else "files"

    def degrade(self) -> BenchSet:
        """Return the set with inputs that are made, and degraded (see `imgtk.bench.protocol.degrade`)."""
        return BenchSet(
            f"{self.name}, degraded", tuple(replace(pair, source=None, degraded=True) for pair in self.pairs)
        )


def builtin(scale: int, crop: int | None = None) -> BenchSet:
    """Return the images of `BUILTIN`.

    Raises:
        UsageError: if scikit-image is not installed, or `crop` is no multiple of `scale`.
    """
    try:
        from skimage import data
    except ImportError:
        raise UsageError(
            "the built-in images are scikit-image's, which is not installed",
            hint="Install it: pip install 'imgtk[demo]', or give a folder of images with --data.",
        ) from None
    multiple = _multiple(scale, crop, CROP)
    return BenchSet("builtin", tuple(Pair(name, getattr(data, name)(), None, multiple) for name in BUILTIN))


def find_sets(
    folder: Path, scale: int, *, lr: Path | None = None, make_lr: bool = False, crop: int | None = None
) -> list[BenchSet]:
    """Return the benchmark sets in a folder.

    Args:
        folder: images; or pairs NAME_HR.png and NAME_LR.png, also in a folder `image_SRF_{scale}` in it; or folders
            of these, each of which is a set. The literature's sets come first, in its order.
        scale: how much smaller the inputs are.
        lr: folder of the inputs, with the images' names: NAME, NAMEx4 or NAME_LR.
        make_lr: make the inputs although there are files.
        crop: images whose input is made are cropped to multiples of this; by default 12, or `scale` if they are of
            pairs, because such files were cropped before.

    Raises:
        ReadError: if there are no images, or an image and its input do not fit; everything is checked but damage.
        UsageError: if `crop` is no multiple of `scale`, or there are several sets for one `lr`.
    """
    if not folder.is_dir():
        raise ReadError(f"there is no folder {folder}", hint="Give a folder of images, or builtin.")
    found = _set_of(folder, scale, lr, make_lr, crop)
    if found is not None:
        sets = [found]
    else:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
        if lr is not None and inner:
            raise UsageError(f"{folder} has no images in it", hint="With --lr, --data is the folder of one set.")
        sets = [found for path in inner if (found := _set_of(path, scale, lr, make_lr, crop)) is not None]
        sets.sort(key=lambda one: (rank(one.name), one.name))
    if not sets:
        raise ReadError(
            f"there are no images for x{scale} in {folder}",
            hint=f"It may hold images, pairs NAME_HR.png and NAME_LR.png, image_SRF_{scale}, or folders of these.",
        )
    for pair in (pair for one in sets for pair in one.pairs):
        pair.check(scale)
    return sets


def _set_of(folder: Path, scale: int, lr: Path | None, make_lr: bool, crop: int | None) -> BenchSet | None:
    """Return the one set whose files lie in `folder`; None if none do."""
    inner = folder / f"image_SRF_{scale}"
    files = _images(inner if inner.is_dir() else folder)
    if not files:
        return None
    stems = [file.stem for file in files]
    if twice := next((file for file in files if stems.count(file.stem) > 1), None):
        raise ReadError(f"several images in {twice.parent} are called {twice.stem}", hint="Give each its own name.")
    name = _set_name(folder)
    if lr is not None:
        return BenchSet(name, tuple(_with_inputs(files, lr, scale)))
    if not any(file.stem.endswith("_HR") for file in files):
        multiple = _multiple(scale, crop, CROP)
        return BenchSet(name, tuple(Pair(file.stem, file, None, multiple) for file in files))
    multiple = _multiple(scale, crop, scale)
    pairs = tuple(
        Pair(stem.removesuffix(f"_SRF_{scale}"), high, None if make_lr else low, multiple)
        for stem, high, low in _pairs(files, required=not make_lr)
    )
    return BenchSet(name, pairs)


def _set_name(folder: Path) -> str:
    """Return what the images in a folder are called: by the folder, or the one around it, as in Set5/image_SRF_4, where
    that is a set that the literature knows."""
    folder = folder.resolve()
    if re.fullmatch(r"image_SRF_\d+", folder.name):
        folder = folder.parent
    return known_name(folder.name) or known_name(folder.parent.name) or folder.name


def _pairs(files: Sequence[Path], *, required: bool) -> list[tuple[str, Path, Path | None]]:
    """Return NAME, image and input of each NAME_HR among `files`; the input may only be missing if it is not
    `required`."""
    by_stem = {file.stem: file for file in files}
    pairs = []
    for file in files:
        name, _, role = file.stem.rpartition("_")
        other = by_stem.get(f"{name}_LR" if role == "HR" else f"{name}_HR")
        if role not in ("HR", "LR"):
            raise ReadError(f"{file} is neither _HR nor _LR, as the other images beside it are")
        if other is None and (required or role == "LR"):
            missing = f"{name}_{'LR' if role == 'HR' else 'HR'}{file.suffix}"
            hint = "Add it, or make the inputs from the images: --make-lr." if role == "HR" else "Add it."
            raise ReadError(f"{file} has no {missing} beside it", hint=hint)
        if role == "HR":
            pairs.append((name, file, other))
    return pairs


def _with_inputs(files: Sequence[Path], lr: Path, scale: int) -> list[Pair]:
    """Return each image with the file of the folder `lr` that is named like it."""
    if not lr.is_dir():
        raise ReadError(f"there is no folder {lr}", hint="--lr is the folder of the small versions.")
    inputs = {file.stem: file for file in _images(lr)}
    pairs = []
    for file in files:
        if file.stem.endswith("_LR"):
            continue
        name = file.stem.removesuffix("_HR")
        candidates = (name, f"{name}x{scale}", f"{name}_x{scale}", f"{name}_LR")
        source = next((inputs[c] for c in candidates if c in inputs), None)
        if source is None:
            raise ReadError(f"{file} has no small version in {lr}", hint=f"Looked for {', '.join(candidates)}.")
        pairs.append(Pair(name, file, source, CROP))
    return pairs


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in readable() and file.is_file())


def _multiple(scale: int, crop: int | None, default: int) -> int:
    """Return what sides are cropped to multiples of: `crop`, else `default`, or `scale` if that does not divide it."""
    if crop is None:
        return default if default % scale == 0 else scale
    if crop % scale:
        raise UsageError(f"images cropped to multiples of {crop} cannot be shrunk by {scale}")
    return crop
