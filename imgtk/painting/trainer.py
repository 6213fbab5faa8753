"""A base for trainers that learn from two domains without pairs, such as photos and paintings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.metrics import kid
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.discriminators import FeatureDiscriminator, spectrally_normalised
from imgtk.nn.losses import content_distance
from imgtk.nn.noise import Noise, draw_coarse, draw_white
from imgtk.nn.regularity import regularity, repetition_loss, smooth_image
from imgtk.painting.base_trainer import PaintingRecipe, PaintingTrainer
from imgtk.painting.objective import SMALLEST
from imgtk.training.adversary import Adversary, AdversarySettings, Discriminator, shifted
from imgtk.training.domains import Domains, target_files
from imgtk.training.images import CropSampler, load_held_out
from imgtk.training.processes import on_whole_batch
from imgtk.training.recipe import Recipe
from imgtk.training.sheets import beside, stacked

__all__ = [
    "DomainsRecipe",
    "DomainsTrainer",
    "corners",
    "fresh_noise",
    "last_smoothed",
    "periodic_borders",
    "repetition_of_last",
    "smoothed_photos",
    "split",
]

EVERY = 10
"""One of so many target images is held out for validation."""
DISCRIMINATORS = ("features", "pixels")
SMOOTHING = 12.0
"""Standard deviation in pixels of the blur of `smoothed_photos`."""
GRAIN = 0.8 / 255
SMOOTHED = 0.25
"""Share of the steps in which the photos are smoothed, if repetition counts."""
VIEW = 192
"""Side in pixels of the parts of images whose features are compared."""


@dataclass(frozen=True)
class DomainsRecipe(AdversarySettings, PaintingRecipe):
    """Settings of a training on two domains, each of which has a discriminator. The defaults suit small networks that
    are rated by features, and an hour of one CPU core.

    Attributes:
        target: folder of images of the second domain (`--data` has the first). Every tenth, by name, is held out.
        side: longest side in pixels to which the images of both domains are shrunk: crops should show things.
        discriminator: what discriminators look at: "features" of the backbone (`FeatureDiscriminator`), with which
            small networks become painters within minutes, or "pixels", as in the papers.
        discriminator_features: channels of the first layer of each discriminator.
        content: weight of `kept_content`, the distance between what images show and what is made of them.
        repetition: weight of the `repetition_loss` of what is painted over smoothed photos, which then are a share of
            `SMOOTHED` of all photos; 0 for none.
    """

    steps: int = 4500
    batch: int = 1
    crop: int = 160
    lr: float = 1e-3
    ema: float = 0.99
    gan: str = "hinge"
    spectral_norm: bool = True
    discriminator_lr: float = 1e-3
    target: str = ""
    side: int = 640
    discriminator: str = "features"
    discriminator_features: int = 64
    content: float = 1.0
    repetition: float = 10.0


R = TypeVar("R", bound=DomainsRecipe)


class DomainsTrainer(PaintingTrainer[R]):
    """Photos and paintings without pairs; judged by distances between sets of images.

    Subclasses say how a photo is painted (`painted`), and which discriminator looks at pixels (`pixel_discriminator`).

    Attributes:
        noun: what the target images are, for messages.

    Raises:
        TrainingError: no target images are given, or too few to hold some out; the crops are too small for the
            content loss; the discriminator is unknown; or as `Adversary`.
    """

    recipe_type: ClassVar[type[Recipe]] = DomainsRecipe
    metric = "kid"
    betas = (0.5, 0.999)  # of the discriminators, as CycleGAN has them
    noun: ClassVar[str] = "paintings"

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        self.targets, self.held_out_targets = split(target_files(recipe.target, self.noun))
        if len(self.held_out_targets) < 2:
            raise TrainingError(
                f"{len(self.targets) + 1} {self.noun} are too few", hint=f"There must be more than {EVERY} of them."
            )
        if recipe.discriminator not in DISCRIMINATORS:
            raise TrainingError(
                f"unknown discriminator {recipe.discriminator!r}", hint=f"Available: {', '.join(DISCRIMINATORS)}."
            )
        if recipe.content and recipe.crop < SMALLEST:
            raise TrainingError(
                f"crops of {recipe.crop} pixels are too small to show objects", hint=f"Use at least {SMALLEST}."
            )
        self.adversary = Adversary(recipe)

    def history(self, trained: str) -> str:
        return f"{super().history(trained)}, {len(self.targets)} {self.noun}"

    @abstractmethod
    def pixel_discriminator(self) -> nn.Module:
        """Return a discriminator of images (N, 3, H, W), with logits as `Adversary` takes them."""

    @abstractmethod
    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        """Return the generator's output for a photo: (1, 3, H, W) to the same, 0..1, sides multiples of 32."""

    def discriminator(self) -> nn.Module:
        """Build a discriminator by the recipe's `discriminator` and `spectral_norm`. Call it through `looking`."""
        if self.recipe.discriminator == "pixels":
            discriminator = self.pixel_discriminator()
        else:
            seen = self.features(torch.zeros(1, 3, 32, 32)).values()
            discriminator = FeatureDiscriminator([layer.shape[1] for layer in seen], self.recipe.discriminator_features)
        return spectrally_normalised(discriminator) if self.recipe.spectral_norm else discriminator

    def looking(self, discriminator: nn.Module) -> Discriminator:
        """Return the discriminator's logits for images (N, 3, H, W), which it sees `shifted`."""
        if self.recipe.discriminator == "pixels":
            return lambda images: discriminator(shifted(images))
        return lambda images: discriminator(list(self.features(shifted(images)).values()))

    def some_smoothed(self, photos: Tensor) -> tuple[Tensor, bool]:
        """Return the photos (N, 3, H, W) of a step, and whether they are `smoothed_photos`."""
        smooth = bool(self.recipe.repetition) and torch.rand(()).item() < SMOOTHED
        return (smoothed_photos(photos) if smooth else photos), smooth

    def load_images(self, files: list[Path], device: torch.device) -> Domains:  # type: ignore[override]
        pools = [
            CropSampler(images, self.recipe.crop, max_side=self.recipe.side, turns=False, device=device)
            for images in (files, self.targets)
        ]
        return Domains(*pools)

    def load_validation(self, files: list[Path]) -> None:
        """Keep images at the size at which is trained."""
        self.held_out = load_held_out(files, self.recipe.side, 32)
        self.held_out_paintings = load_held_out(self.held_out_targets, self.recipe.side, 32)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return `kid`: kernel distance on our features (not Inception's, so no figures of papers compare) between
        painted photos and held-out paintings, times 1000, and `kid_photos`, the same for the photos as they are.
        `content`: normalised content distance between photos and what was painted of them. `regularity`: of what is
        painted over a smooth image (see `imgtk.nn.regularity`)."""
        painted = [self.painted(generator, photo.to(self.device)).float().clamp(0, 1) for photo in self.held_out]
        contents = []
        layer = self.features.content_layers[1]
        for photo, result in zip(self.held_out, painted, strict=True):
            before, after = self.features(photo.to(self.device), [layer]), self.features(result, [layer])
            contents.append(content_distance(after, before).item())
        paintings = self._embedded(self.held_out_paintings)
        return {
            "kid": 1000 * kid(self._embedded(painted), paintings),
            "kid_photos": 1000 * kid(self._embedded(self.held_out), paintings),
            "content": sum(contents) / len(contents),
            "regularity": regularity(self.painted(generator, smooth_image().to(self.device)).float().cpu()),
        }

    def _embedded(self, images: Sequence[Tensor]) -> Tensor:
        parts = [part for image in images for part in corners(image.to(self.device), VIEW)]
        return torch.cat([self.features.embed(part) for part in parts])

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of photo and painting."""
        rows = [
            beside([photo[0], self.painted(generator, photo.to(self.device)).float()[0].cpu()])
            for photo in self.held_out[:4]
        ]
        return stacked(rows)


def fresh_noise(batch: Tensor) -> Noise:
    """Return the noise for a training step: another one for each of the images (N, 3, H, W)."""
    height, width = batch.shape[2:]
    one_each = batch[:, :1, :1, :1]
    white = on_whole_batch(one_each, lambda whole: draw_white(len(whole), height, width))
    coarse = on_whole_batch(one_each, lambda whole: draw_coarse(len(whole), height, width))
    return Noise(white, coarse).to(batch.device, batch.dtype)


@contextmanager
def periodic_borders(network: nn.Module) -> Iterator[None]:
    """Let convolutions continue images at the opposite border while the context lasts.

    Networks learn where the borders of a crop are, and hide there, as a frame, what the losses cannot see well. On a
    periodic image no place is a border.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    modes = [convolution.padding_mode for convolution in convolutions]
    try:
        for convolution in convolutions:
            convolution.padding_mode = "circular"
        yield
    finally:
        for convolution, mode in zip(convolutions, modes, strict=True):
            convolution.padding_mode = mode


def smoothed_photos(photos: Tensor) -> Tensor:
    """Return photos (N, 3, H, W), 0..1, without their details, but with noise of 0.8 8-bit steps: what weaves
    show on."""
    return (gaussian_blur(photos, SMOOTHING) + GRAIN * torch.randn_like(photos)).clamp(0, 1)


def last_smoothed(photos: Tensor, weight: float) -> Tensor:
    """Return photos (N, 3, H, W), 0..1, with the last one as `smoothed_photos` makes it.

    Args:
        photos: a batch.
        weight: that `repetition_of_last` will be given; with 0 no photo is changed.
    """
    return torch.cat([photos[:-1], smoothed_photos(photos[-1:])]) if weight else photos


def repetition_of_last(painted: Tensor, weight: float) -> dict[str, Tensor]:
    """Return the weighted `repetition_loss` of the last of the images (N, 3, H, W), by its name in the log; nothing if
    `weight` is 0."""
    return {"repetition": weight * repetition_loss(painted[-1:])} if weight else {}


def split(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files to train on, and every tenth to hold out."""
    return [file for index, file in enumerate(files) if index % EVERY], list(files[::EVERY])


def corners(image: Tensor, side: int) -> list[Tensor]:
    """Return the four corners of (N, C, H, W), each `side` pixels wide and high, or less where the image is smaller."""
    height, width = (min(side, length) for length in image.shape[2:])
    rows, columns = (slice(0, height), slice(-height, None)), (slice(0, width), slice(-width, None))
    return [image[:, :, row, column] for row in rows for column in columns]
