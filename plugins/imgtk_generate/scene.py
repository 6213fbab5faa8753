"""`generate:landscape`, `generate:vae` and `generate:vaegan`: small scenes, from random numbers or of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imgtk.context import BuildContext
from imgtk.errors import ParameterError, ReadError
from imgtk.frame import frame_number
from imgtk.geometry import Box, Size, Window
from imgtk.image import Image
from imgtk.network_op import load_network
from imgtk.nn.resample import resample
from imgtk.op import Facts, ImageOp
from imgtk.training.sheets import middle
from imgtk.weights.architecture import described
from imgtk_generate.codes import between, check_frames, drawn, load_codes, mixed
from imgtk_generate.vae_network import Autoencoder

__all__ = ["Scene"]

KIND: type[nn.Module] = Autoencoder
FARTHEST = 6.0
"""Largest number of the code of an image, in deviations of those of all: where these hardly differ, nothing is seen."""


class Scene(ImageOp):
    """Makes one image, or a sheet of several, as a clip that leads from each to the next if `frames` says so.

    Images are random, or like one that is encoded.

    Args:
        size: width and height in pixels of each image. The network makes squares, which are enlarged and cut.
        seed: the first and the last of the seeds, one for each image.
        count: images, of the first seed and the next ones; None for as many as `seed` has.
        truncation: how far images go from the mean of all: 0 is that mean, 1 as far as in training.
        latents: file of codes that replace those of the seeds; None for none.
        frames: of the clip.
        image: file, whose middle square is encoded; None for random numbers.
        vary: how far each image goes from that one to a random one; 0 makes it again.
        model: name of shipped weights, or a file.
        context: of the pipeline that builds the operator.

    Raises:
        ParameterError: several seeds and a count, or a clip of fewer frames than images, or an image
            and a file of codes.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
        ReadError: the image or the file of codes cannot be read, when it is first needed.
    """

    def __init__(
        self,
        size: tuple[int, int],
        seed: tuple[int, int] | None,
        count: int | None,
        truncation: float,
        latents: Path | None,
        frames: int,
        image: Path | None,
        vary: float,
        model: str,
        *,
        context: BuildContext,
    ) -> None:
        first, last = (context.seed, context.seed) if seed is None else seed
        if count is not None and last > first:
            raise ParameterError(f"seed={first}..{last} and count={count} cannot be combined", hint="Leave one out.")
        if image and latents:
            raise ParameterError("image= and latents= cannot be combined", hint="Leave one out.")
        self.image, self.vary = image, vary
        self.size, self.truncation, self.latents, self.model = Size(*size), truncation, latents, model
        self.seeds = range(first, first + count if count else last + 1)
        self.frames = frames
        if frames > 1 and latents is None:
            check_frames(self.seeds, frames)
        self.path = context.locate(model, "imgtk_generate")
        self.architectures = context.architectures

    @property
    def facts(self) -> Facts:
        return Facts(
            needs_float32=True, position_dependent=True, seed=self.seeds[0], may_add_colour=True, frames=self.frames
        )

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    @cached_property
    def scenes(self) -> Any:
        """The network as stored."""
        return load_network(self.path, self.architectures, KIND, "which encodes no images").float()

    @cached_property
    def codes(self) -> Tensor:
        """The code of each image, (N, code)."""
        if self.latents is not None:
            return load_codes(self.latents, self.scenes.code)
        others = drawn(self.seeds, self.scenes.code)
        if self.image is None:
            return others
        with torch.inference_mode():
            mean, _ = self.scenes.encode(_middle(self.image, self.scenes.side))
            found = self.scenes.normal(mean).clamp(-FARTHEST, FARTHEST)
        return mixed(found.expand_as(others), others, self.vary)

    @cached_property
    def images(self) -> dict[int, Tensor]:
        """The images made so far as the network makes them, (1, 3, side, side), by their number on the sheet."""
        return {}

    def made(self, number: int) -> Tensor:
        """Return one image (1, 3, side, side). They are small, and computed one by one on the CPU, so that they are the
        same on all devices and sheets."""
        if self.frames > 1:
            return self._decoded(between(self.codes, frame_number(), self.frames))
        if number not in self.images:
            self.images[number] = self._decoded(self.codes[number : number + 1])
        return self.images[number]

    def _decoded(self, code: Tensor) -> Tensor:
        with torch.inference_mode():
            image: Tensor = self.scenes.truncated(code, self.truncation)
        return image.clone()

    @cached_property
    def columns(self) -> int:
        """Images side by side."""
        return ceil(sqrt(len(self.codes)))

    def output_size(self, *sizes: Size) -> Size:
        if self.frames > 1:
            return self.size
        return Size(self.columns * self.size.width, ceil(len(self.codes) / self.columns) * self.size.height)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        box = window.output
        output = torch.zeros(1, 3, box.size.height, box.size.width)
        for number in range(1 if self.frames > 1 else len(self.codes)):
            row, column = divmod(number, self.columns)
            left, top = column * self.size.width, row * self.size.height
            part = box.shifted(-left, -top).within(self.size)
            if not part.empty:
                inner = part.shifted(left - box.left, top - box.top)
                output[..., inner.top : inner.bottom, inner.left : inner.right] = self._enlarged(
                    self.made(number), part
                )
        return output.clamp(0, 1).to(self.device, self.dtype)

    def _enlarged(self, image: Tensor, part: Box) -> Tensor:
        """Return `part` of an image (1, 3, H, H) that is enlarged, and cut in the middle, to `size`."""
        side = max(self.size)
        left, top = (side - self.size.width) // 2, (side - self.size.height) // 2
        square = Size(image.shape[3], image.shape[2])
        window = Window(part.shifted(left, top), Size(side, side), Box.of(square), square)
        return resample(image, Size(side, side), kernel="lanczos", window=window)

    def summary(self) -> Mapping[str, str]:
        first, last = self.seeds[0], self.seeds[-1]
        told = str(self.latents) if self.latents else f"seed {first}" + (f" to {last}" if last > first else "")
        told = f"of {self.image}, varied by {self.vary:g}" if self.image else told
        return {"weights": self.model, "network": described(self.scenes), "codes": told}


def _middle(path: Path, side: int) -> Tensor:
    """Return the middle square of an image, shrunk to (1, 3, side, side), 0..1.

    Raises:
        ReadError: it cannot be read.
    """
    try:
        pixels = Image.open(path).tensor()
    except ReadError as error:
        raise ReadError(f"the image cannot be encoded: {error.message}", hint=error.hint) from None
    return resample(middle(pixels, min(pixels.shape[2:])), Size(side, side), kernel="area")
