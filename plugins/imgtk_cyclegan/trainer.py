"""Trainer of translations without pairs: CycleGAN (Zhu et al. 2017) and CUT (Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, pad

from imgtk.errors import TrainingError
from imgtk.metrics import kid
from imgtk.nn.discriminators import PatchDiscriminator, spectrally_normalised
from imgtk.nn.losses import perceptual_distance, total_variation
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.painting.objective import FRAME, SHIFT, NearestStyle, shift_together
from imgtk.painting.op import load_network, paint
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer
from imgtk.registry import default
from imgtk.training.adversary import Adversary, AdversarySettings, shifted
from imgtk.training.domains import Domains
from imgtk.training.pool import PicturePool
from imgtk.weights import locate, read_state
from imgtk_cyclegan.methods import Contrast, Cycle
from imgtk_cyclegan.network import ResnetGenerator

METHODS = ("cycle", "cut")
OTHER = {"paintings": "photos", "photos": "paintings"}
BLOCK = 16
"""Side in pixels of the blocks of which colours are kept: larger than strokes."""
SMALLEST_CROP = 2 * FRAME + 32
"""Of which enough is left to see a style in."""


@dataclass(frozen=True)
class TranslationRecipe(AdversarySettings, DomainsRecipe):
    """Settings of a translation's training.

    Attributes:
        method: "cycle" (CycleGAN: both directions) or "cut" (from photos to paintings only, in about half the time).
        back, back_summary: name and summary of the weights from paintings to photos, which CycleGAN learns as well.
        init: a file that such a run has exported; the way back is read from the file `back` beside it.
        features, blocks, antialias, skip: of the generators.
        adversarial, cycle, identity, contrast: weights of the losses.
        patches: at each of five depths, for CUT.
        pool: earlier pictures that the discriminators see again; 0 for none.
        style, content: weights of what neither paper has: the distance in style to the part of a painting whose colours
            are nearest to those of the photo (and the other way round), and the normalised content distance (see
            `NearestStyle`). Small networks become painters much sooner with them.
        teacher: name of shipped weights, or file, of a network that paints (a style's), whose strokes photos are to
            get, in colours that are nearer to the photo's; "" for none.
        taught: weight of the distance to what the teacher paints, in pixels and in features.
        kept: share of a photo's colours that the lesson keeps, from 0 to 1: the teacher's air, and still this photo.
        tv: weight of the total variation of what is translated: regular dabs go from flat areas.
        discriminator_features, discriminator_layers: channels of the first layer, and how many layers are strided.
    """

    name: str = "photo2painting"
    back: str = "painting2photo"
    back_summary: str = ""
    method: str = "cycle"
    schedule: str = "linear"
    steps: int = 8000
    batch: int = 1
    crop: int = 128
    lr: float = 2e-4
    features: int = 64
    blocks: int = 9
    antialias: bool = True
    skip: bool = True
    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 5.0
    contrast: float = 1.0
    patches: int = 256
    style: float = 0.0
    content: float = 0.0
    tv: float = 0.0
    teacher: str = ""
    taught: float = 5.0
    kept: float = 0.6
    pool: int = 50
    discriminator_features: int = 64
    discriminator_layers: int = 3

    def generator(self) -> ResnetGenerator:
        return ResnetGenerator(self.features, self.blocks, antialias=self.antialias, skip=self.skip)

    def discriminator(self) -> nn.Module:
        plain = self.spectral_norm or self.gradient_penalty or self.r1
        norm = "none" if plain else "instance"
        judge = PatchDiscriminator(3, self.discriminator_features, self.discriminator_layers, norm)
        return spectrally_normalised(judge) if self.spectral_norm else judge


class TranslationTrainer(DomainsTrainer):
    """An adversary for each domain, and `Cycle` or `Contrast`.

    Raises:
        WeightsError: `init`, the way back beside it, or the teacher cannot be read.
        TrainingError: for an unknown method, crops that are too small, an `init` that does not fit, and as
            `DomainsTrainer` and `Adversary`.
    """

    recipe_type = TranslationRecipe

    def __init__(self, recipe: TranslationRecipe) -> None:
        super().__init__(recipe)
        if recipe.method not in METHODS:
            raise TrainingError(f"there is no method {recipe.method!r}", hint=f"Known are {', '.join(METHODS)}.")
        if (recipe.style or recipe.content) and recipe.crop < SMALLEST_CROP:
            raise TrainingError(
                f"crops of {recipe.crop} pixels are too small to have a style", hint=f"Take at least {SMALLEST_CROP}."
            )
        self.adversary = Adversary(recipe)
        self.pools = {"paintings": PicturePool(recipe.pool)}
        self.method: Cycle | Contrast
        if recipe.method == "cycle":
            self.method = Cycle(recipe.generator, recipe.cycle, recipe.identity)
            self.pools["photos"] = PicturePool(recipe.pool)
        else:
            self.method = Contrast(recipe.generator, recipe.contrast, recipe.patches)
        if recipe.init:
            self._start_from(Path(recipe.init))
        self.teacher: NormalisingNetwork | None = None
        if recipe.teacher:
            self.teacher = load_network(locate(recipe.teacher, "imgtk_cyclegan", default().packages))
        judges = {f"judge of {domain}": recipe.discriminator() for domain in self.pools}
        self.networks = {"generator": self.method, **judges}
        self.styles: dict[str, NearestStyle] = {}

    def _start_from(self, file: Path) -> None:
        """Load the weights in `file`, and those of the way back, which an export has beside them."""
        starts = {self.method.there: file}
        if isinstance(self.method, Cycle):
            starts[self.method.back] = file.with_name(f"{self.recipe.back}.safetensors")
        for network, start in starts.items():
            try:
                network.load_state_dict(read_state(start))
            except RuntimeError:
                raise TrainingError(
                    f"{start} does not fit {network.description}",
                    hint="Set features, blocks, antialias and skip to those of the network to start from.",
                ) from None

    def load_pictures(self, files: list[Path], device: torch.device) -> Domains:  # type: ignore[override]
        domains = super().load_pictures(files, device)
        if self.recipe.style or self.recipe.content:
            for name in self.pools:
                self.styles[name] = self.nearest_style(domains.target if name == "paintings" else domains.source)
        return domains

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        real = dict(zip(("photos", "paintings"), batch.split(3, 1), strict=True))
        fakes, losses = networks["generator"](real["photos"], real["paintings"])
        for domain in self.pools:
            judge = networks[f"judge of {domain}"].requires_grad_(False)
            verdict = self.adversary.generator_loss(judge, shifted(fakes[domain]), shifted(real[domain]))
            losses[f"adversarial, {domain}"] = self.recipe.adversarial * verdict
        for domain, objective in self.styles.items():
            inner = slice(FRAME, -FRAME)
            pictures = [x[..., inner, inner] for x in (fakes[domain], real[OTHER[domain]])]
            style, content = objective(*shift_together(pictures, SHIFT))
            losses[f"style, {domain}"] = self.recipe.style * style
            losses[f"content, {domain}"] = self.recipe.content * content
        if self.teacher:
            wanted = self._lesson(self.teacher, real["photos"])
            losses["taught"] = self.recipe.taught * self._difference(fakes["paintings"], wanted)
        if self.recipe.tv:
            losses["tv"] = self.recipe.tv * torch.stack([total_variation(fake) for fake in fakes.values()]).mean()
        yield "generator", losses
        for domain, pool in self.pools.items():
            judge = networks[f"judge of {domain}"].requires_grad_(True)
            earlier = pool.swap(fakes[domain])
            losses = self.adversary.discriminator_losses(judge, shifted(real[domain]), shifted(earlier))
            yield f"judge of {domain}", losses

    @torch.no_grad()
    def _lesson(self, teacher: NormalisingNetwork, photos: Tensor) -> Tensor:
        """What the teacher paints of photos, with most of the photos' large-scale colours."""
        painted = paint(teacher, photos).float()
        missing = avg_pool2d(photos.float() - painted, BLOCK)
        return (painted + self.recipe.kept * interpolate(missing, size=photos.shape[2:], mode="bilinear")).clamp(0, 1)

    def _difference(self, ours: Tensor, wanted: Tensor) -> Tensor:
        ours, wanted = shift_together([ours, wanted], SHIFT)
        with torch.no_grad():
            target = self.features(wanted)
        return 2 * l1_loss(ours, wanted) + perceptual_distance(self.features(ours), target)

    def to(self, device: torch.device) -> None:
        super().to(device)
        if self.teacher:
            self.teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def state(self) -> dict[str, Any]:
        return {domain: pool.state() for domain, pool in self.pools.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        for domain, pool in self.pools.items():
            pool.restore(state[domain])

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        painting: Tensor = generator.there(photo)  # type: ignore[operator]
        return painting

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """As `DomainsTrainer`; and `kid_back`, between translated held-out paintings and held-out photos."""
        scores = super().validate(generator)
        if isinstance(generator, Cycle):
            developed = [generator.back(painting.to(self.device)) for painting in self.held_out_paintings]
            scores["kid_back"] = 1000 * kid(self._embedded(developed), self._embedded(self.held_out))
        return scores

    def sample(self, generator: nn.Module) -> Tensor:
        """Rows of photo and painting, and beside them rows of painting and photo."""
        there = super().sample(generator)
        if not isinstance(generator, Cycle):
            return there
        rows = []
        for painting in self.held_out_paintings[:4]:
            painting = painting[..., :256, :256].to(self.device)
            rows.append(torch.cat([painting, generator.back(painting)], 3)[0].cpu())
        width = min(row.shape[2] for row in rows)
        back = torch.cat([row[:, :, :width] for row in rows], 1)
        height = max(there.shape[1], back.shape[1])
        return torch.cat([pad(sheet, (0, 0, 0, height - sheet.shape[1])) for sheet in (there, back)], 2)

    @property
    def architecture(self) -> str:
        return self.method.there.description

    def history(self, trained: str) -> str:
        method = "CycleGAN" if self.recipe.method == "cycle" else "CUT"
        return f"{method}, {trained}, {len(self.targets)} {self.noun}"

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        """The weights from photos to paintings, which are returned, and those of the way back if there is one."""
        recipe = self.recipe
        write = partial(self.write, folder=folder, trained=trained, scores=scores)
        if isinstance(generator, Cycle):
            write(generator.back, name=recipe.back, summary=recipe.back_summary)
        assert isinstance(generator, (Cycle, Contrast))
        return write(generator.there, name=recipe.name, summary=recipe.summary)
