"""Trainer of the style networks (Johnson et al. 2016): Gram distance to one image, content distance to the photo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from imgtk.errors import ImgtkError, TrainingError
from imgtk.image import Image
from imgtk.nn.losses import total_variation
from imgtk.nn.normalise import Source
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.nn.resample import with_longest_side
from imgtk.painting.base_trainer import PaintingRecipe, PaintingTrainer, means, style_figures
from imgtk.painting.network import StyleNetwork
from imgtk.painting.objective import FRAME, SHIFT, PaletteObjective, StyleObjective, shift_together
from imgtk.painting.op import paint
from imgtk.painting.trainer import fresh_noise, last_smoothed, periodic_borders, repetition_of_last
from imgtk.training import CropSampler
from imgtk.training.images import load_held_out
from imgtk.training.sheets import beside, stacked
from imgtk.training.weights import load_init

PHOTO_SIDE = 800
"""Longest side of the training photos, which are also used at half of it: crops then show things, not textures."""


@dataclass(frozen=True)
class StyleRecipe(PaintingRecipe):
    """Settings of a style network's training. `crop` should be a multiple of 128: see `draw_coarse`.

    Attributes:
        style: file of the style image, or several separated by commas. Smooth or shrink scans that show canvas.
        artwork: what it shows, for the card: painter, title, year.
        style_side: longest side in pixels to which style images are brought; it sets the size of the strokes, which
            should be 8 to 20 pixels wide.
        style_denoise: strength of the non-local means by which canvas grain is taken from style images, in 8-bit steps;
            0 for none.
        scales: at how many sizes of the image, each half of the one before, the style is compared.
        style_weight, content_weight, tv_weight, palette_weight: of normalised Gram distance, normalised content
            distance, total variation, and `PaletteObjective`; large weights of the last flatten strokes.
        repetition_weight: of the `repetition_loss` of what is painted over a blurred photo, which then is the last one
            of each batch; 0 for none.
        width, blocks: of the network. With `init` they must be those of the network to start from.
    """

    name: str = "style"
    steps: int = 2000
    batch: int = 3
    crop: int = 256
    warmup: int = 30
    ema: float = 0.99
    lr: float = 2e-3
    style: str = ""
    artwork: str = ""
    style_side: int = 1100
    style_denoise: float = 0.0
    scales: int = 3
    style_weight: float = 10.0
    content_weight: float = 4.0
    tv_weight: float = 30.0
    palette_weight: float = 0.3
    repetition_weight: float = 10.0
    width: int = 48
    blocks: int = 4


class StyleTrainer(PaintingTrainer[StyleRecipe]):
    """Plain outputs, several scales, random shifts: see `StyleObjective`. Crops are painted as periodic images, with
    fresh noise at each step. `init` starts from another style's network, which takes a third of the steps.

    Raises:
        TrainingError: no style image is given, or it cannot be read.
    """

    recipe_type = StyleRecipe
    metric = "gram_ratio"

    def __init__(self, recipe: StyleRecipe) -> None:
        super().__init__(recipe)
        if not recipe.style:
            raise TrainingError("no style image to train on", hint="Name it: --set style=FILE")
        try:
            images = [smoothed(Image.open(name.strip()), recipe.style_denoise) for name in recipe.style.split(",")]
        except ImgtkError as error:
            raise TrainingError(f"the style image cannot be used: {error.message}") from None
        self.images = [with_longest_side(image.contiguous(), recipe.style_side) for image in images]
        network = StyleNetwork(recipe.width, recipe.blocks)
        load_init(network, recipe.init, "imgtk_gramstyle", settings="width and blocks")
        self.networks = {"generator": network}

    def prepare(self) -> None:
        styles = [image.to(self.device) for image in self.images]
        self.objective = StyleObjective(self.features, styles, [1.0] * len(styles), self.recipe.scales)
        self.palette = PaletteObjective(styles)

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        return CropSampler(files, self.recipe.crop, shrink_by=(0.5,), max_side=PHOTO_SIDE, device=device)

    def load_validation(self, files: list[Path]) -> None:
        photos = load_held_out(files, 512, StyleNetwork.multiple)
        self.held_out = [photo.to(self.device, memory_format=torch.channels_last) for photo in photos]

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe = self.recipe
        batch = last_smoothed(batch, recipe.repetition_weight)
        with periodic_borders(networks["generator"]):
            painted = networks["generator"](batch, Source(noise=fresh_noise(batch)))
        inner = slice(FRAME, -FRAME)
        seen = [painted[..., inner, inner], batch[..., inner, inner]]
        style, content = self.objective(*shift_together(seen, SHIFT))
        yield (
            "generator",
            {
                "style": recipe.style_weight * style,
                "content": recipe.content_weight * content,
                "tv": recipe.tv_weight * total_variation(painted),
                "palette": recipe.palette_weight * self.palette(painted),
                **repetition_of_last(painted[..., inner, inner], recipe.repetition_weight),
            },
        )

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return `gram_ratio` and `content`, as `style_figures`: means over the held-out photos. `regularity`: of what
        is painted over a smooth image (see `imgtk.nn.regularity`)."""
        style = self.objective.targets[0]
        figures = [style_figures(self.features, photo, paint(generator, photo), style) for photo in self.held_out]
        smooth = smooth_image().to(self.device, memory_format=torch.channels_last)
        return {**means(figures), "regularity": regularity(paint(generator, smooth).cpu())}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of photo and painting."""
        return stacked([beside([photo[0], paint(generator, photo)[0].float()]) for photo in self.held_out[:3]])

    @property
    def sources(self) -> list[str]:
        return [self.recipe.artwork, *super().sources]


def smoothed(image: Image, strength: float) -> Tensor:
    """Return the colours of an image, (1, 3, H, W), 0..1, without grain: what networks see of a canvas, they paint."""
    if not strength:
        return image.tensor()
    pixels = (image.tensor()[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    pixels = cv2.fastNlMeansDenoisingColored(pixels, None, strength, strength, 5, 15)
    return Image.of(pixels).tensor()
