"""Trainer of the any-style network: distance to the styles of many images, content distance to the photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.nn.features import load_features
from imgtk.nn.losses import grams, total_variation
from imgtk.nn.normalise import Source
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.painting.base_trainer import PaintingRecipe, PaintingTrainer, means, style_figures
from imgtk.painting.objective import FRAME, SHIFT, style_and_content
from imgtk.painting.op import paint
from imgtk.painting.trainer import fresh_noise, last_smoothed, periodic_borders, repetition_of_last
from imgtk.training import CropSampler
from imgtk.training.images import image_files, load_held_out
from imgtk.training.weights import load_init
from imgtk_anystyle.network import AnyStyleNetwork, StyledNetwork
from imgtk_anystyle.reference import STYLE_SIDE, read_style
from imgtk_anystyle.styles import StyleImages, recoloured

PHOTO_SIDE = 800
"""Longest side of the training photos, which are also used at half of it: crops then show things, not textures."""
VALIDATED = 6
"""Number of held-out photos, each of which is painted in as many held-out styles."""
USUAL = 128
"""Number of style images that tell what is usual."""
CELL = 256
"""Side in pixels of the images in samples."""


@dataclass(frozen=True)
class AnyStyleRecipe(PaintingRecipe):
    """Settings of an any-style network's training.

    Attributes:
        styles: folders of style images, separated by commas; all are drawn from equally often.
        validation_styles: folder of style images to validate on, which are in none of `styles`.
        photo_styles: share of the styles that are photos.
        identity: share of the images that are to be painted in their own style, which must give them back.
        style_weight, content_weight, identity_weight, tv_weight: of `style_distance`, normalised content distance, mean
            squared difference of images painted in their own style, and total variation.
        repetition_weight: of the `repetition_loss` of what is painted over a blurred photo, which then is the last one
            of each batch; 0 for none.
        scales: at how many sizes of the image, each half of the one before, the style is compared.
        backbone: of the losses; what tells the network about a style are always our own features.
        width, blocks, bottleneck: of the network.
    """

    name: str = "any"
    steps: int = 8000
    batch: int = 3
    crop: int = 256
    lr: float = 2e-3
    styles: str = ""
    validation_styles: str = ""
    photo_styles: float = 0.15
    identity: float = 0.1
    style_weight: float = 10.0
    content_weight: float = 2.5
    identity_weight: float = 20.0
    tv_weight: float = 20.0
    repetition_weight: float = 10.0
    scales: int = 3
    width: int = 48
    blocks: int = 4
    bottleneck: int = 128


class AnyStyleTrainer(PaintingTrainer[AnyStyleRecipe]):
    """Every photo gets a style image of its own in every step. `init` starts from a trained style's network.

    Raises:
        TrainingError: no style images are given, or they cannot be read, or `init` does not suit.
    """

    recipe_type = AnyStyleRecipe
    metric = "gram_ratio"

    def __init__(self, recipe: AnyStyleRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        if not recipe.styles:
            raise TrainingError("no style images to train on", hint="Name their folders: --set styles=FOLDER")
        folders = [Path(folder.strip()) for folder in recipe.styles.split(",")]
        self.styles = StyleImages([image_files(folder) for folder in folders])
        held_out = image_files(Path(recipe.validation_styles or folders[0]))
        self.held_out_styles = [read_style(file, STYLE_SIDE) for file in held_out[:VALIDATED]]
        network = AnyStyleNetwork(recipe.width, recipe.blocks, recipe.bottleneck)
        features = load_features() if recipe.backbone != "imgtk" else self.features
        network.encoder.load_state_dict(features.state_dict(), strict=False)
        packages, size = context.packages, "width and blocks"
        load_init(network, recipe.init, "imgtk_anystyle", settings=size, others=packages, load=network.start_from)
        self.networks = {"generator": network}

    def trained_part(self, name: str) -> nn.Module:
        """Return all but the feature network that looks at the style."""
        network = self.networks[name]
        assert isinstance(network, AnyStyleNetwork)
        return nn.ModuleList([network.painter, network.narrow, network.predict])

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        network = self.networks["generator"]
        assert isinstance(network, AnyStyleNetwork)
        generator = torch.Generator().manual_seed(self.recipe.seed)
        if not network.standardised:
            styles = recoloured(self.styles.draw(USUAL, self.recipe.crop, generator), generator)
            with torch.no_grad():
                network.standardise(torch.cat([network.code(part.to(device)) for part in styles.split(8)]))
        return CropSampler(files, self.recipe.crop, shrink_by=(0.5,), max_side=PHOTO_SIDE, turns=False, device=device)

    def load_validation(self, files: list[Path]) -> None:
        self.held_out = load_held_out(files[:VALIDATED], 384, StyledNetwork.multiple)

    def draw(self, images: CropSampler, generator: torch.Generator) -> Tensor:
        """Return a batch with photos in channels 0 to 2 and their styles in channels 3 to 5."""
        recipe = self.recipe
        photos = images.draw(recipe.batch, generator)
        styles = recoloured(
            torch.where(
                torch.rand(recipe.batch, 1, 1, 1, generator=generator) < recipe.photo_styles,
                images.draw(recipe.batch, generator).cpu(),
                self.styles.draw(recipe.batch, recipe.crop, generator),
            ),
            generator,
        ).to(photos.device)
        own = torch.rand(recipe.batch, 1, 1, 1, generator=generator) < recipe.identity
        return torch.cat([photos, torch.where(own.to(photos.device), photos, styles)], 1)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe = self.recipe
        photo, style = (part.contiguous(memory_format=torch.channels_last) for part in batch.split(3, 1))
        photo = last_smoothed(photo, recipe.repetition_weight)
        with periodic_borders(networks["generator"]):
            painted = networks["generator"](photo, style, Source(noise=fresh_noise(photo)))
        top, left = (FRAME - SHIFT // 2 + torch.randint(0, SHIFT + 1, (2,))).tolist()
        side = recipe.crop - 2 * FRAME
        seen, wanted = (x[..., top : top + side, left : left + side] for x in (painted, photo))
        style_loss, content_loss = style_and_content(self.features, seen, wanted, style, recipe.scales)
        own = (photo == style).flatten(1).all(1)
        yield (
            "generator",
            {
                "style": recipe.style_weight * style_loss,
                "content": recipe.content_weight * content_loss,
                "identity": recipe.identity_weight * ((seen - wanted).square().mean((1, 2, 3)) * own).mean(),
                "tv": recipe.tv_weight * total_variation(seen),
                **repetition_of_last(seen, recipe.repetition_weight),
            },
        )

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return `gram_ratio` and `content`, as `style_figures`, and `regularity`, that of what is painted over a
        smooth image: means over held-out photos and styles."""
        figures, regularities = [], []
        smooth = smooth_image().to(self.device)
        for style in (style.to(self.device) for style in self.held_out_styles):
            target = grams(self.features(style, self.features.style_layers))
            regularities.append(regularity(paint_as(generator, smooth, style).float().cpu()))
            for photo in (photo.to(self.device) for photo in self.held_out):
                figures.append(style_figures(self.features, photo, paint_as(generator, photo, style), target))
        return {**means(figures), "regularity": sum(regularities) / len(regularities)}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return a grid: photos in the first column, held-out styles in the first row, and the paintings."""
        photos, styles = self.held_out[:5], self.held_out_styles
        rows = [[torch.ones(3, CELL, CELL), *(_cell(style) for style in styles)]]
        for photo in photos:
            painted = [
                paint_as(generator, photo.to(self.device), style.to(self.device)).float().cpu() for style in styles
            ]
            rows.append([_cell(x) for x in (photo, *painted)])
        return torch.cat([torch.cat(row, 2) for row in rows], 1)

    def history(self, trained: str) -> str:
        images = sum(len(group) for group in self.styles.groups)
        return f"{super().history(trained)}, {images} style images"


def paint_as(network: nn.Module, photo: Tensor, style: Tensor) -> Tensor:
    """Return what an `AnyStyleNetwork` paints of photos (N, 3, H, W), as `paint` does."""
    return paint(lambda x, source: network(x, style, source), photo)


def _cell(image: Tensor) -> Tensor:
    """Return the middle of (1, 3, H, W) as (3, CELL, CELL)."""
    height, width = image.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, size=(CELL, CELL), mode="bilinear", antialias=True)[0]
