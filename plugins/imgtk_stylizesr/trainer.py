"""Trainer of `stylize-sr:…`: photos are painted and enlarged at once, and paintings are only enlarged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.metrics import psnr_y
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.colour import luma
from imgtk.nn.degradation import classic
from imgtk.nn.discriminators import PatchDiscriminator
from imgtk.nn.losses import perceptual_loss
from imgtk.nn.noise import Noise
from imgtk.nn.normalise import NormalisingNetwork, Source
from imgtk.nn.regularity import repetition_loss
from imgtk.painting.network import StyleNetwork
from imgtk.painting.objective import kept_content
from imgtk.painting.op import load_network
from imgtk.painting.strokes import SMOOTH
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer, fresh_noise, periodic_borders
from imgtk.training.domains import Domains
from imgtk.training.images import CropSampler
from imgtk.training.weights import load_init
from imgtk_stylizesr.network import StyleUpscaler


@dataclass(frozen=True)
class StylizeSRRecipe(DomainsRecipe):
    """Settings of a joint training. `target` is a folder of large paintings: what they show is what is painted.

    Attributes:
        crop: side of the crops of photos and paintings, a multiple of 128: see `draw_coarse`. The network sees them
            four times smaller.
        width, blocks: of the network.
        luma: weight of the L1 distance between the brightness of the painted photo, shrunk, and of the small photo.
        pixel, perceptual: weights of the L1 and of the feature distance between a painting and what was made of its
            small version.
        adversarial: weight of the discriminator's verdict on painted photos.
        teacher: name of weights, or file, of a network that paints at an image's own size, a translation's or a
            style's; "" for none. It is given the same noise. The network starts as a copy of a style's, which must then
            be of the same width and blocks.
        taught: weight of the L1 and the feature distance between painted photos and what the teacher paints of the
            large photos.
        own_colours: share of the photos' own colours, blurred, in what the teacher paints.
        discriminator_layers: strided convolutions of a discriminator of pixels.
    """

    name: str = "stylize-sr"
    steps: int = 4000
    discriminator_lr: float = 2e-3
    batch: int = 2
    crop: int = 256
    ema: float = 0.995
    side: int = 800
    width: int = 48
    blocks: int = 4
    content: float = 0.5
    luma: float = 0.25
    pixel: float = 1.0
    perceptual: float = 0.5
    adversarial: float = 0.5
    teacher: str = ""
    taught: float = 4.0
    own_colours: float = 0.5
    discriminator_layers: int = 3


class StylizeSR(DomainsTrainer[StylizeSRRecipe]):
    """One generator for two tasks, told apart by what it sees.

    A photo x, shrunk from X, becomes y = G(x): rated by a discriminator that knows paintings, by the content of X at
    full size, by the brightness of x, and, with a teacher, by what that paints of X. A painting s is shrunk and has to
    come back: paired super-resolution, which teaches the network how paint looks from near, and gives it something to
    measure against. Crops are taken for periodic, with fresh noise at each step; the teacher is given the same noise,
    so that what it paints can be known, stroke by stroke.

    Raises:
        TrainingError: as `DomainsTrainer`; or `init` is of another network, or the teacher of another size.
        WeightsError: one of them cannot be read, or the teacher does not paint.
    """

    recipe_type = StylizeSRRecipe

    def __init__(self, recipe: StylizeSRRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        network = StyleUpscaler(recipe.width, recipe.blocks)
        self.teacher: NormalisingNetwork | None = None
        if recipe.teacher:
            file = context.locate(recipe.teacher, "imgtk_stylizesr")
            self.teacher = load_network(file, context.architectures)
            self.frozen = (self.features, self.teacher)
            if isinstance(self.teacher, StyleNetwork):
                load_init(network.style, str(file), "imgtk_stylizesr", settings="width and blocks")
        load_init(network, recipe.init, "imgtk_stylizesr", settings="width and blocks")
        self.networks = {"generator": network, "discriminator": self.discriminator()}

    def history(self, trained: str) -> str:
        teacher = Path(self.recipe.teacher).stem
        return super().history(trained) + (f", taught by {teacher}" if teacher else "")

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
        photos, smooth = self.some_smoothed(photos)
        both = torch.cat([photos, paintings])
        small, noise = self._shrunk(both), fresh_noise(both)
        with periodic_borders(networks["generator"]):
            painted, restored = networks["generator"](small, *noise).chunk(2)

        discriminator.requires_grad_(False)
        brightness = luma(avg_pool2d(painted.float(), self.scale))
        verdict = self.adversary.generator_loss(self.looking(discriminator), painted, paintings)
        losses = {
            "adversarial": recipe.adversarial * verdict,
            "content": recipe.content * kept_content(self.features, painted, photos),
            "luma": recipe.luma * l1_loss(brightness, luma(small[: len(photos)])),
            "pixel": recipe.pixel * l1_loss(restored, paintings),
            "perceptual": recipe.perceptual * perceptual_loss(self.features, restored, paintings),
        }
        if smooth:
            losses["repetition"] = recipe.repetition * repetition_loss(painted)
        if self.teacher:
            wanted = self._taught(self.teacher, photos, Noise(*(values[: len(photos)] for values in noise)))
            distance = l1_loss(painted, wanted) + perceptual_loss(self.features, painted, wanted)
            losses["taught"] = recipe.taught * distance
        yield "generator", losses
        discriminator.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(self.looking(discriminator), paintings, painted)

    @torch.no_grad()
    def _taught(self, teacher: NormalisingNetwork, photos: Tensor, noise: Noise) -> Tensor:
        """Return what the teacher paints of the large photos, in part in their own colours."""
        with periodic_borders(teacher):
            painted: Tensor = teacher(photos, Source(noise=noise)).float()
        return painted + self.recipe.own_colours * gaussian_blur(photos.float() - painted, SMOOTH)

    def _shrunk(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            return classic(images, self.scale).contiguous(memory_format=torch.channels_last)

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        result: Tensor = generator(self._shrunk(photo))
        return result

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return the figures of `DomainsTrainer`, and `psnr_y` of held-out paintings that were reduced and enlarged
        again."""
        restored = [
            psnr_y(self.painted(generator, x).float().clamp(0, 1), x, border=self.scale)
            for x in (painting.to(self.device) for painting in self.held_out_paintings)
        ]
        return {**super().validate(generator), "psnr_y": sum(restored) / len(restored)}

    @property
    def scale(self) -> int:
        return StyleUpscaler.scale
