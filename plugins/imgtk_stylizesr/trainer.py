"""Trainer of `stylize-sr:…`: photos are painted and enlarged at once, and paintings are only enlarged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.metrics import psnr_y
from imgtk.nn.colour import luma
from imgtk.nn.degradation import classic
from imgtk.nn.discriminators import PatchDiscriminator
from imgtk.nn.losses import grid, perceptual_loss
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.painting.objective import kept_content
from imgtk.painting.op import load_network, paint
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer
from imgtk.training.domains import Domains
from imgtk.training.images import CropSampler
from imgtk.training.weights import load_init
from imgtk.weights import read_state
from imgtk_stylizesr.network import PaintingUpscaler


@dataclass(frozen=True)
class StylizeSRRecipe(DomainsRecipe):
    """Settings of a joint training. `target` is a folder of large paintings: what they show is what is painted.

    Attributes:
        crop: side of the crops of photos and paintings; the network sees them `scale` times smaller.
        upscaler: name of weights, or file, of a SRVGGNetCompact from which the first layers are taken; "" for none.
        scale: output pixels per input pixel.
        width, blocks: of the network.
        luma: weight of the L1 distance between the brightness of the painted photo, shrunk, and of the small photo.
        grid: weight of the painted photo's `grid`.
        pixel, perceptual: weights of the L1 and of the feature distance between a painting and what was made of its
            small version.
        adversarial: weight of the discriminator's verdict on painted photos.
        teacher: name of weights, or file, of a network that paints at an image's own size, a translation's or a
            style's; "" for none.
        taught: weight of the L1 and the feature distance between painted photos and what the teacher paints of the
            large photos.
        discriminator_layers: strided convolutions of a discriminator of pixels.
    """

    name: str = "stylize-sr"
    steps: int = 4000
    discriminator_lr: float = 2e-3
    batch: int = 2
    crop: int = 192
    ema: float = 0.995
    side: int = 800
    upscaler: str = ""
    scale: int = 4
    width: int = 64
    blocks: int = 4
    content: float = 0.5
    luma: float = 0.5
    grid: float = 1.0
    pixel: float = 1.0
    perceptual: float = 0.5
    adversarial: float = 1.0
    teacher: str = ""
    taught: float = 2.0
    discriminator_layers: int = 3


class StylizeSR(DomainsTrainer[StylizeSRRecipe]):
    """One generator for two tasks, told apart by what it sees.

    A photo x, shrunk from X, becomes y = G(x): rated by a discriminator that knows paintings, by the content of X at
    full size, by the brightness of x, and, with a teacher, by what that paints of X. A painting s is shrunk and has to
    come back: paired super-resolution, which teaches the network how paint looks from near, and gives it something to
    measure against.

    Raises:
        TrainingError: as `DomainsTrainer`; or `init` or `upscaler` is of another network.
        WeightsError: one of them, or the teacher, cannot be read, or the teacher does not paint.
    """

    recipe_type = StylizeSRRecipe

    def __init__(self, recipe: StylizeSRRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        network = PaintingUpscaler(recipe.width, recipe.blocks, recipe.scale)
        if recipe.upscaler:
            file = context.locate(recipe.upscaler, "imgtk_stylizesr")
            try:
                network.take_over(read_state(file))
            except (KeyError, RuntimeError):
                raise TrainingError(
                    f"{file} is not an SRVGGNetCompact of {recipe.width} channels",
                    hint="Set width to its channels, or leave out upscaler.",
                ) from None
        load_init(network, recipe.init, "imgtk_stylizesr", settings="scale, width and blocks")
        self.teacher: NormalisingNetwork | None = None
        if recipe.teacher:
            file = context.locate(recipe.teacher, "imgtk_stylizesr")
            self.teacher = load_network(file, context.architectures)
            self.frozen = (self.features, self.teacher)
        self.networks = {"generator": network, "discriminator": self.discriminator()}

    def pixel_discriminator(self) -> nn.Module:
        recipe = self.recipe
        return PatchDiscriminator(3, recipe.discriminator_features, recipe.discriminator_layers, norm="none")

    def load_images(self, files: list[Path], device: torch.device) -> Domains:  # type: ignore[override]
        """Return photos also at half the size, where crops show things; paintings as they are, since their strokes
        count."""
        recipe = self.recipe
        photos = CropSampler(files, recipe.crop, shrink_by=(0.5,), max_side=recipe.side, turns=False, device=device)
        return Domains(photos, CropSampler(self.targets, recipe.crop, max_side=recipe.side, turns=False, device=device))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, discriminator = self.recipe, networks["discriminator"]
        photos, paintings = batch.split(3, 1)
        small = self._shrunk(torch.cat([photos, paintings]))
        painted, restored = networks["generator"](small).chunk(2)

        discriminator.requires_grad_(False)
        brightness = luma(avg_pool2d(painted.float(), recipe.scale))
        verdict = self.adversary.generator_loss(self.looking(discriminator), painted, paintings)
        losses = {
            "adversarial": recipe.adversarial * verdict,
            "content": recipe.content * kept_content(self.features, painted, photos),
            "luma": recipe.luma * l1_loss(brightness, luma(small[: len(photos)])),
            "grid": recipe.grid * grid(painted, recipe.scale),
            "pixel": recipe.pixel * l1_loss(restored, paintings),
            "perceptual": recipe.perceptual * perceptual_loss(self.features, restored, paintings),
        }
        if self.teacher:
            with torch.no_grad():
                wanted = paint(self.teacher, photos).float()
            distance = l1_loss(painted, wanted) + perceptual_loss(self.features, painted, wanted)
            losses["taught"] = recipe.taught * distance
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(self.looking(discriminator), paintings, painted)

    def _shrunk(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            return classic(images, self.recipe.scale).contiguous(memory_format=torch.channels_last)

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        result: Tensor = generator(self._shrunk(photo))
        return result

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return the figures of `DomainsTrainer`, and `psnr_y` of held-out paintings that were reduced and enlarged
        again."""
        restored = [
            psnr_y(self.painted(generator, x).float().clamp(0, 1), x, border=self.recipe.scale)
            for x in (painting.to(self.device) for painting in self.held_out_paintings)
        ]
        return {**super().validate(generator), "psnr_y": sum(restored) / len(restored)}

    @property
    def scale(self) -> int:
        return self.recipe.scale
