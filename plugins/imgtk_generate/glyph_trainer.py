"""Trainer of `generate:glyph`: a variational autoencoder of fonts, and a network that reads what it draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss

from imgtk.errors import ImgtkError, TrainingError
from imgtk.training.images import load_image
from imgtk.training.recipe import Recipe
from imgtk.training.trainer import Trainer
from imgtk.training.weights import load_init
from imgtk_generate.codes import distribution
from imgtk_generate.glyph_network import REACH, GlyphVAE, coverage
from imgtk_generate.glyphs import CELL, CHARACTERS, COLUMNS

__all__ = ["GlyphRecipe", "GlyphSheets", "GlyphTrainer"]

CLASSES = len(CHARACTERS)
SHOWN = "ABGMQRSagkry2458"


@dataclass(frozen=True)
class GlyphRecipe(Recipe):
    """Settings of a training. A batch is of fonts.

    Attributes:
        seen: glyphs of each font from which its style is told.
        drawn: glyphs of each font that are drawn in that style, and compared.
        kl: weight of the divergence of the styles from a normal distribution.
        readable: weight of how badly the reading network reads glyphs in styles drawn at random.
        width, style: of the network, see `GlyphVAE`.
    """

    name: str = "glyph"
    optimizer: str = "muon"
    lr: float = 2e-3
    batch: int = 8
    crop: int = CELL
    ema: float = 0.99
    held_out: int = 12
    seen: int = 4
    drawn: int = 8
    kl: float = 2e-4
    readable: float = 0.01
    width: int = 24
    style: int = 16


class GlyphSheets:
    """Draws glyphs of fonts, as fields of signed distances in parts of `REACH`.

    Args:
        files: sheets as `scripts/font_sheets.py` makes them; other images are left out and listed in `failures`.
        drawn: glyphs of a font in each draw.

    Raises:
        TrainingError: there is no sheet among the files.
    """

    def __init__(self, files: list[Path], drawn: int) -> None:
        self.failures: list[str] = []
        sheets = []
        for file in files:
            try:
                sheets.append(_fields(load_image(file)))
            except ImgtkError as error:
                self.failures.append(f"{file.name}: {error.message}")
        if not sheets:
            raise TrainingError(
                f"none of the {len(files)} images is a sheet of glyphs",
                hint="Make sheets of fonts with scripts/font_sheets.py.",
            )
        self.fields = torch.from_numpy(np.stack(sheets))
        self.drawn = drawn

    @property
    def weight(self) -> float:
        """A figure that is equal only if the sheets are."""
        return float(self.fields.double().sum())

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Glyphs of `count` fonts, (count, drawn, 1 + 64 * 64): the number of the character, and its field."""
        fonts = torch.randint(len(self.fields), (count,), generator=generator)
        drawn = []
        for font in fonts.tolist():
            characters = torch.randperm(CLASSES, generator=generator)[: self.drawn]
            fields = self.fields[font, characters].float().flatten(1)
            drawn.append(torch.cat((characters[:, None].float(), fields), 1))
        return torch.stack(drawn)[..., None]


class GlyphTrainer(Trainer[GlyphRecipe]):
    """L1 between the distances, and the inked pixels, of glyphs and what is drawn in the style of others of their font.

    The networks are the autoencoder, and a classifier that learns from the real glyphs and tells how well the
    generated ones can be read.

    Raises:
        TrainingError: another size of crops than of cells, or more glyphs than there are.
    """

    recipe_type = GlyphRecipe
    metric = "read"

    def __init__(self, recipe: GlyphRecipe) -> None:
        super().__init__(recipe)
        if recipe.crop != CELL:
            raise TrainingError(f"glyphs have {CELL} pixels, not crop={recipe.crop}", hint="Leave crop out.")
        if not 1 <= recipe.seen <= recipe.drawn <= CLASSES:
            raise TrainingError(f"seen and drawn must be 1 <= seen <= drawn <= {CLASSES}")
        network = GlyphVAE(recipe.width, recipe.style)
        load_init(network, recipe.init, "imgtk_generate", settings="width and style")
        self.networks = {"generator": network, "reader": reader()}
        self.held_out = torch.zeros(0)
        self.fonts = torch.zeros(0)

    def load_images(self, files: list[Path], device: torch.device) -> GlyphSheets:  # type: ignore[override]
        sheets = GlyphSheets(files, self.recipe.drawn)
        self.fonts = sheets.fields
        return sheets

    def load_validation(self, files: list[Path]) -> None:
        self.held_out = GlyphSheets(files, self.recipe.drawn).fields.float()

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, reading = self.recipe, networks["reader"]
        network: GlyphVAE = networks["generator"]  # type: ignore[assignment]
        characters, fields = batch[..., 0, 0].long(), batch[..., 1:, 0].view(*batch.shape[:2], 1, CELL, CELL)
        seen = slice(0, recipe.seen)
        mean, variance = self._posterior(network, fields[:, seen], characters[:, seen])
        styles = mean + torch.randn(mean.shape).to(mean) * (variance / 2).exp()
        each = styles.repeat_interleave(recipe.drawn, 0)
        made, real = network(each, characters.flatten()).float(), fields.flatten(0, 1)
        others = characters[:, seen]
        unseen = network(_alike(mean.detach()).repeat_interleave(recipe.seen, 0), others.flatten()).float()
        reading.requires_grad_(False)
        yield (
            "generator",
            {
                "distance": l1_loss(made, real),
                "ink": l1_loss(coverage(made), coverage(real)),
                "kl": recipe.kl * 0.5 * (mean.square() + variance.exp() - 1 - variance).sum(1).mean(),
                "readable": recipe.readable * cross_entropy(reading(coverage(unseen)).float(), others.flatten()),
            },
        )
        reading.requires_grad_(True)
        verdicts = reading(_shifted(coverage(real))).float()
        yield "reader", {"read": cross_entropy(verdicts, characters.flatten(), label_smoothing=0.05)}

    def _posterior(self, network: nn.Module, fields: Tensor, characters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the styles of fonts, (N, style): averages of what their glyphs (N, K, 1, 64, 64)
        tell."""
        mean, variance = network.encode(fields.flatten(0, 1), characters.flatten())  # type: ignore[operator]
        return mean.view(len(fields), -1, mean.shape[1]).mean(1), variance.view(len(fields), -1, mean.shape[1]).mean(1)

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """What share of glyphs is read right: generated in 16 styles, and of held-out fonts, real and drawn in the
        style of four of their glyphs; and how far the latter are from the real ones, in inked pixels."""
        self._fit(generator)
        everything = torch.arange(CLASSES)
        normal = torch.randn(16, self.recipe.style, generator=Generator().manual_seed(0)).to(self.device)
        generated = self._alphabets(generator, generator.draw_styles(normal))  # type: ignore[operator]
        real = self.held_out.to(self.device)
        some = torch.tensor([CHARACTERS.index(character) for character in "HOag"])
        styles, _ = self._posterior(generator, real[:, some], some.repeat(len(real), 1).to(self.device))
        drawn = self._alphabets(generator, styles)

        def read(fields: Tensor) -> float:
            reading = self.networks["reader"].eval()
            verdicts = [reading(coverage(alphabet)).argmax(1).cpu() == everything for alphabet in fields]
            return torch.stack(verdicts).float().mean().item()

        ink = l1_loss(coverage(drawn), coverage(real)).item()
        return {"read": read(generated), "read_drawn": read(drawn), "read_real": read(real), "ink": ink}

    def _fit(self, generator: nn.Module) -> None:
        """Set where styles are drawn from to the styles of the fonts."""
        everything = torch.arange(CLASSES, device=self.device)[None]
        means = [self._posterior(generator, font[None].float().to(self.device), everything)[0] for font in self.fonts]
        centre, spread = distribution(torch.cat(means))
        generator.centre.copy_(centre)  # type: ignore[operator]
        generator.spread.copy_(spread)  # type: ignore[operator]

    def _alphabets(self, generator: nn.Module, styles: Tensor) -> Tensor:
        """All characters in each of the styles, (N, 62, 1, 64, 64)."""
        everything = torch.arange(CLASSES, device=self.device)
        return torch.stack([generator(style.expand(CLASSES, -1), everything).float() for style in styles])

    def sample(self, generator: nn.Module) -> Tensor:
        """Rows of glyphs in drawn styles, and of held-out fonts (real above drawn)."""
        characters = torch.tensor([CHARACTERS.index(character) for character in SHOWN], device=self.device)
        normal = torch.randn(8, self.recipe.style, generator=Generator().manual_seed(1)).to(self.device)
        rows = []
        for style in generator.draw_styles(normal):  # type: ignore[operator]
            rows.append(generator(style.expand(len(SHOWN), -1), characters).float())
        for font in self.held_out[:4].to(self.device):
            real = font[characters]
            style, _ = self._posterior(generator, real[None, :4], characters[None, :4])
            rows += [real, generator(style.expand(len(SHOWN), -1), characters).float()]
        sheet = torch.cat([torch.cat(list(1 - coverage(row)), 2) for row in rows], 1)
        return sheet.expand(3, -1, -1).cpu()


def reader() -> nn.Sequential:
    """A classifier of glyphs: (N, 1, 64, 64), ink 0..1, to (N, 62)."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (CELL >> 4) ** 2, CLASSES))


def _alike(styles: Tensor) -> Tensor:
    """As many styles, from the normal distribution with the mean and the covariance of those given."""
    centre = styles.mean(0)
    shares = torch.randn(len(styles), len(styles)).to(styles)
    return centre + shares @ (styles - centre) / len(styles) ** 0.5


def _shifted(ink: Tensor) -> Tensor:
    """Glyphs moved by up to two pixels, which their class does not depend on."""
    across, down = torch.randint(-2, 3, (2,)).tolist()
    return ink.roll((down, across), (2, 3))


def _fields(sheet: np.ndarray) -> np.ndarray:
    """Fields (62, 1, 64, 64) of a sheet (H, W, 3), float16.

    Raises:
        TrainingError: the sheet has another form.
    """
    side = sheet.shape[1] // COLUMNS
    rows = -(-CLASSES // COLUMNS)
    if sheet.shape[:2] != (side * rows, side * COLUMNS) or side % CELL:
        raise TrainingError(f"{sheet.shape[1]}x{sheet.shape[0]} pixels are no sheet of glyphs")
    scale = side // CELL
    ink = 255 - sheet[..., 0]
    fields = []
    for index in range(CLASSES):
        row, column = divmod(index, COLUMNS)
        cell = ink[row * side : (row + 1) * side, column * side : (column + 1) * side]
        fine = cv2.resize(cell, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        inside, outside = (
            cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            for part in (fine >= 128, fine < 128)
        )
        # distances to the centres of the nearest pixels on the other side: half a pixel too far
        distance = np.where(fine >= 128, inside - 0.5, 0.5 - outside) / (2 * scale)
        small = cv2.resize(distance, (CELL, CELL), interpolation=cv2.INTER_AREA)
        fields.append(np.clip(small / REACH, -1, 1))
    return np.stack(fields)[:, None].astype(np.float16)
