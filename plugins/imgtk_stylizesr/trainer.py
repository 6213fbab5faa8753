"""Trainer of `stylize-sr:…`: photos are painted and enlarged at once, and paintings are only enlarged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from imgtk.errors import ImgtkError, TrainingError
from imgtk.metrics import psnr_y
from imgtk.nn.colour import luma
from imgtk.nn.discriminators import PatchDiscriminator, spectrally_normalised
from imgtk.nn.losses import grid, perceptual_distance, total_variation
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.painting.objective import FRAME, SHIFT, NearestStyle, StyleObjective, shift_together
from imgtk.painting.op import load_network, paint
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer
from imgtk.registry import default
from imgtk.training.adversary import Adversary, AdversarySettings
from imgtk.training.domains import Domains
from imgtk.training.pictures import Pictures
from imgtk.upscaling.degradation import classic
from imgtk.weights import locate, read_state
from imgtk_stylizesr.network import PaintingUpscaler


@dataclass(frozen=True)
class StylizeSRRecipe(AdversarySettings, DomainsRecipe):
    """Settings of a joint training. `target` is a folder of large paintings: what they show is what is painted.

    Attributes:
        crop: side of the crops of photos and paintings; the network sees them `scale` times smaller.
        enlarge_first: in so many updates at the beginning photos, too, are only enlarged; with a teacher they are
            painted as it paints the large photos.
        teacher: name of weights, or file, of a style network of the same painter, from which the residual blocks are
            taken as well; "" for none.
        upscaler: name of weights, or file, of a SRVGGNetCompact from which the first layers are taken; with a teacher.
        taught: weight of the perceptual distance to what the teacher paints, after the beginning.
        scale: output pixels per input pixel.
        width, blocks: of the network.
        style: files of paintings whose strokes and colours all photos get, separated by commas; "" for the part of
            any painting whose colours are nearest to the photo's (see `NearestStyle`), a milder style.
        style_share: of the parts of paintings among which the nearest is chosen; the flattest are left out.
        style_weight, content_weight: of a painted photo's `style_distance` to the part of a painting whose
            colours are nearest (see `NearestStyle`), and of its normalised content distance to the large photo.
        luma_weight: of the L1 distance between the brightness of the painted photo, shrunk, and of the small photo.
        grid_weight, tv_weight: of the painted photo's `grid` and total variation.
        pixel_weight, perceptual_weight: of the L1 and of the feature distance between a painting and what was made of
            its small version.
        adversarial_weight: of the discriminator's verdict on painted photos.
        discriminator_features, discriminator_layers: of the `PatchDiscriminator`.
    """

    name: str = "stylize-sr"
    steps: int = 4000
    discriminator_lr: float = 5e-4
    batch: int = 3
    crop: int = 192
    lr: float = 1.5e-3
    ema: float = 0.995
    side: int = 800
    enlarge_first: int = 300
    teacher: str = ""
    upscaler: str = "compact-x4"
    taught: float = 1.0
    scale: int = 4
    width: int = 64
    blocks: int = 3
    style: str = ""
    style_share: float = 0.5
    style_weight: float = 10.0
    content_weight: float = 1.5
    luma_weight: float = 3.0
    grid_weight: float = 10.0
    tv_weight: float = 10.0
    pixel_weight: float = 10.0
    perceptual_weight: float = 1.0
    adversarial_weight: float = 0.5
    discriminator_features: int = 32
    discriminator_layers: int = 3


class StylizeSR(DomainsTrainer):
    """One generator for two tasks, told apart by what it sees.

    A photo x, shrunk from X, becomes y = G(x): judged by its style, by the content of X at full size, and by the
    brightness of x. A painting s is shrunk and has to come back: paired super-resolution, which teaches the network how
    paint looks from near, and gives it something to measure against.

    Raises:
        TrainingError: no paintings are given, or too few; `init` is of another network.
    """

    recipe_type = StylizeSRRecipe

    def __init__(self, recipe: StylizeSRRecipe) -> None:
        super().__init__(recipe)
        network = PaintingUpscaler(recipe.width, recipe.blocks, recipe.scale)
        self.teacher: NormalisingNetwork | None = None
        if recipe.teacher:
            files = [locate(name, "imgtk_stylizesr", default().packages) for name in (recipe.upscaler, recipe.teacher)]
            self.teacher = load_network(files[1])
            try:
                network.take_over(*(read_state(file) for file in files))
            except (KeyError, RuntimeError):
                raise TrainingError(
                    f"{files[0]} and {files[1]} are no SRVGGNetCompact and StyleNetwork of {recipe.width} channels",
                    hint="Set width to theirs, or leave teacher away.",
                ) from None
        if recipe.init:
            try:
                network.load_state_dict(read_state(locate(recipe.init, package="imgtk_stylizesr")))
            except RuntimeError:
                raise TrainingError(
                    f"{recipe.init} is not a PaintingUpscaler x{recipe.scale} of width {recipe.width} with "
                    f"{recipe.blocks} blocks",
                    hint="Set these to those of the network to start from.",
                ) from None
        judge: nn.Module = PatchDiscriminator(
            features=recipe.discriminator_features, layers=recipe.discriminator_layers, norm="none"
        )
        self.networks = {
            "generator": network,
            "discriminator": spectrally_normalised(judge) if recipe.spectral_norm else judge,
        }
        self.adversary = Adversary(recipe)
        self.done = 0

    def to(self, device: torch.device) -> None:
        super().to(device)
        paintings = [self._loaded(file).to(device) for file in self.targets]
        self.objective = self._objective(paintings)
        if self.teacher:
            self.teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _objective(self, paintings: list[Tensor]) -> StyleObjective | NearestStyle:
        chosen = [name.strip() for name in self.recipe.style.split(",") if name.strip()]
        if not chosen:
            return NearestStyle(self.features, paintings, self.recipe.crop - 2 * FRAME, self.recipe.style_share)
        try:
            styles = [self._loaded(Path(name)).to(self.device) for name in chosen]
        except ImgtkError as error:
            raise TrainingError(f"the style picture cannot be used: {error.message}") from None
        return StyleObjective(self.features, styles, [1.0] * len(styles))

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        if name == "generator":
            return super().optimizer(name)
        return torch.optim.Adam(self.networks[name].parameters(), lr=self.recipe.discriminator_lr, betas=(0.5, 0.99))

    def load_pictures(self, files: list[Path], device: torch.device) -> Domains:  # type: ignore[override]
        """Photos also at half the size, where crops show things; paintings as they are, since their strokes count."""
        recipe = self.recipe
        photos = Pictures(files, recipe.crop, shrink_by=(0.5,), max_side=recipe.side, turns=False, device=device)
        return Domains(photos, Pictures(self.targets, recipe.crop, max_side=recipe.side, turns=False, device=device))

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        recipe, judge = self.recipe, networks["discriminator"]
        photos, paintings = batch.split(3, 1)
        small = self._shrunk(torch.cat([photos, paintings]))
        enlarged = networks["generator"](small)
        self.done += 1
        wanted = self._taught(photos)
        if self.done <= recipe.enlarge_first:
            yield "generator", self._fidelity(enlarged, torch.cat([wanted, paintings]))
            return
        painted, restored = enlarged.chunk(2)
        inner = slice(FRAME, -FRAME)

        judge.requires_grad_(False)
        style, content = self.objective(*shift_together([painted[..., inner, inner], photos[..., inner, inner]], SHIFT))
        brightness = luma(avg_pool2d(painted.float(), recipe.scale))
        losses = {
            "style": recipe.style_weight * style,
            "content": recipe.content_weight * content,
            "luma": recipe.luma_weight * l1_loss(brightness, luma(small[: len(photos)])),
            "grid": recipe.grid_weight * grid(painted, recipe.scale),
            "tv": recipe.tv_weight * total_variation(painted),
            **self._fidelity(restored, paintings),
            "adversarial": recipe.adversarial_weight * self.adversary.generator_loss(judge, painted, paintings),
        }
        if self.teacher:
            losses["taught"] = recipe.taught * self._fidelity(painted, wanted)["perceptual"]
        yield "generator", losses
        judge.requires_grad_(True)
        yield "discriminator", self.adversary.discriminator_losses(judge, paintings, painted)

    def _taught(self, photos: Tensor) -> Tensor:
        """The photos as the teacher paints them; as they are without one."""
        if not self.teacher:
            return photos
        with torch.no_grad():
            return paint(self.teacher, photos).float()

    def _fidelity(self, enlarged: Tensor, target: Tensor) -> dict[str, Tensor]:
        """How far enlarged pictures are from what they were shrunk from."""
        ours, theirs = shift_together([enlarged, target], SHIFT)
        with torch.no_grad():
            wanted = self.features(theirs)
        return {
            "pixel": self.recipe.pixel_weight * l1_loss(enlarged, target),
            "perceptual": self.recipe.perceptual_weight * perceptual_distance(self.features(ours), wanted),
        }

    def state(self) -> dict[str, Any]:
        return {"done": self.done}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.done = state["done"]

    def _shrunk(self, pictures: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            return classic(pictures, self.recipe.scale).contiguous(memory_format=torch.channels_last)

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        result: Tensor = generator(self._shrunk(photo))
        return result

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Beside those of `DomainsTrainer`, `psnr_y`: of held-out paintings that were shrunk and came back."""
        restored = [
            psnr_y(self.painted(generator, x).float().clamp(0, 1), x, border=self.recipe.scale)
            for x in (painting.to(self.device) for painting in self.held_out_paintings)
        ]
        return {**super().validate(generator), "psnr_y": sum(restored) / len(restored)}

    @property
    def scale(self) -> int:
        return int(self.recipe.scale)

    def history(self, trained: str) -> str:
        return f"{super().history(trained)}; {len(self.targets)} paintings, features: {Path(self.recipe.backbone).stem}"
