"""Trainer of translations without pairs: CycleGAN (Zhu et al. 2017) and CUT (Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import TrainingError
from imgtk.metrics import kid
from imgtk.network_op import load_network
from imgtk.nn.discriminators import PatchDiscriminator
from imgtk.nn.losses import perceptual_loss
from imgtk.nn.normalise import OWN, Source
from imgtk.nn.regularity import repetition_loss
from imgtk.painting.network import StyleNetwork
from imgtk.painting.objective import kept_content
from imgtk.painting.trainer import DomainsRecipe, DomainsTrainer, fresh_noise, smoothed_photos
from imgtk.training.adversary import Discriminator
from imgtk.training.pool import ImagePool
from imgtk.training.sheets import beside, stacked
from imgtk.training.weights import load_init
from imgtk_cyclegan.methods import Contrast, Cycle, PaintedPairs, pixels_apart
from imgtk_cyclegan.network import ResnetGenerator
from imgtk_cyclegan.painter import Painter

METHODS = ("cycle", "cut")
OTHER = {"paintings": "photos", "photos": "paintings"}


@dataclass(frozen=True)
class TranslationRecipe(DomainsRecipe):
    """Settings of a translation's training.

    Attributes:
        method: "cycle" (CycleGAN: both directions) or "cut" (from photos to paintings only, in about half the time).
        back, back_summary: name and summary of the weights from paintings to photos, which CycleGAN learns as well.
        init: a file that such a run has exported; the way back is read from the file `back` beside it.
        painter: name of weights, or file, of a `StyleNetwork`: a style's, or of a network that paints and enlarges. The
            generator of paintings is a `Painter` that starts from it; with "", a new `ResnetGenerator`. With method
            "cycle" only.
        painter_lr: peak learning rate of the painter: `lr` would undo what it can do before the discriminator helps.
        features, blocks, antialias, skip, noise: of the generators that are a `ResnetGenerator`.
        adversarial, cycle, identity, contrast: weights of the losses.
        colour: weight of the distance between the colours of photos and of what a painter paints, both blurred.
        perceptual: weight, within the cycle loss, of the distance of features beside that of pixels.
        rated_at: paintings are rated at their size over this whole number. At 2, strokes count, and not the grain of
            canvas and scan, which discriminators otherwise ask for above all.
        patches: at each of five depths, for CUT.
        pool: earlier images that the discriminators see again; 0 for none.
        discriminator_layers: strided convolutions of a discriminator of pixels.
    """

    name: str = "photo2painting"
    back: str = "painting2photo"
    back_summary: str = ""
    method: str = "cycle"
    painter: str = ""
    painter_lr: float = 1.5e-4
    schedule: str = "linear"
    features: int = 16
    blocks: int = 6
    antialias: bool = True
    skip: bool = True
    noise: bool = True
    adversarial: float = 1.0
    cycle: float = 1.0
    perceptual: float = 0.0
    colour: float = 2.0
    identity: float = 0.5
    contrast: float = 1.0
    rated_at: int = 1
    patches: int = 256
    pool: int = 50
    discriminator_layers: int = 3

    def generator(self) -> ResnetGenerator:
        return ResnetGenerator(self.features, self.blocks, antialias=self.antialias, skip=self.skip, noise=self.noise)


class TranslationTrainer(DomainsTrainer[TranslationRecipe]):
    """An adversary for each domain, and `Cycle`, `PaintedPairs` (with a painter) or `Contrast`.

    Raises:
        WeightsError: `init`, the way back beside it, or the painter cannot be read.
        TrainingError: for an unknown method, a painter that is no style's or that the method does not take, an `init`
            that does not fit, and as `DomainsTrainer`.
    """

    recipe_type = TranslationRecipe

    def __init__(self, recipe: TranslationRecipe, context: BuildContext = NO_CONTEXT) -> None:
        super().__init__(recipe, context)
        if recipe.method not in METHODS:
            raise TrainingError(f"unknown method {recipe.method!r}", hint=f"Available: {', '.join(METHODS)}.")
        self.pools = {"paintings": ImagePool(recipe.pool)}
        self.method: Cycle | Contrast
        if recipe.method == "cycle":
            back, weights = recipe.generator(), (recipe.cycle, recipe.identity)
            if recipe.painter:
                self.method = PaintedPairs(self._painter(context), back, *weights, recipe.colour)
            else:
                self.method = Cycle(recipe.generator(), back, *weights)
            self.pools["photos"] = ImagePool(recipe.pool)
        else:
            if recipe.painter:
                raise TrainingError("method 'cut' takes no painter", hint="Set painter to nothing, or method=cycle.")
            self.method = Contrast(recipe.generator(), recipe.contrast, recipe.patches)
        if recipe.init:
            self._start_from(context.locate(recipe.init, "imgtk_cyclegan"))
        discriminators = {f"discriminator of {domain}": self.discriminator() for domain in self.pools}
        self.networks = {"generator": self.method, **discriminators}

    def _painter(self, context: BuildContext) -> Painter:
        """Return a painter that paints as the recipe's `painter` does."""
        name = self.recipe.painter
        network = load_network(context.locate(name, "imgtk_cyclegan"), context.architectures, nn.Module)
        style = getattr(network, "style", network)  # other painters and those of `stylize-sr` contain one
        if not isinstance(style, StyleNetwork):
            raise TrainingError(
                f"painter {name} is a {type(style).__name__} instead of a StyleNetwork",
                hint="Name the weights of a `style:` or a `stylize-sr:`; `imgtk models` lists them.",
            )
        painter = Painter(style.width, style.blocks)
        painter.style.load_state_dict(style.state_dict())
        return painter

    def _start_from(self, file: Path) -> None:
        """Load the weights in `file`, and those of the way back, which an export has beside them."""
        starts = {self.method.there: file}
        if isinstance(self.method, Cycle):
            starts[self.method.back] = file.with_name(f"{self.recipe.back}.safetensors")
        for network, start in starts.items():
            load_init(network, str(start), "imgtk_cyclegan", settings="features, blocks, antialias, skip and noise")

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        if name != "generator" or not isinstance(self.method, PaintedPairs):
            return super().optimizer(name)
        recipe = self.recipe
        optimizer = self.build_optimizer(self.method.back, recipe.optimizer, recipe.lr)
        for group in self.build_optimizer(self.method.there, recipe.optimizer, recipe.painter_lr).param_groups:
            optimizer.add_param_group(group)
        return optimizer

    def pixel_discriminator(self) -> nn.Module:
        recipe = self.recipe
        plain = recipe.spectral_norm or recipe.gradient_penalty or recipe.r1
        norm = "none" if plain else "instance"
        return PatchDiscriminator(3, recipe.discriminator_features, recipe.discriminator_layers, norm)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        real = dict(zip(("photos", "paintings"), batch.split(3, 1), strict=True))
        real["photos"], smooth = self.some_smoothed(real["photos"])
        # smooth photos remain real ones: of something smooth the way back should make something smooth
        given = {**real, "paintings": smoothed_photos(real["paintings"])} if smooth else real
        fakes, losses = networks["generator"](given["photos"], given["paintings"], self._drawn, self._apart)
        for domain in self.pools:
            discriminator = networks[f"discriminator of {domain}"].requires_grad_(False)
            verdict = self.adversary.generator_loss(self._rater(discriminator, domain), fakes[domain], real[domain])
            losses[f"adversarial, {domain}"] = self.recipe.adversarial * verdict
            if self.recipe.content:
                kept = kept_content(self.features, fakes[domain], given[OTHER[domain]])
                losses[f"content, {domain}"] = self.recipe.content * kept
        if smooth:
            repetition = repetition_loss(fakes["paintings"])
            if "photos" in fakes:  # in which nothing should be added
                repetition = repetition + repetition_loss(fakes["photos"] - given["paintings"])
            losses["repetition"] = self.recipe.repetition * repetition
        yield "generator", losses
        for domain, pool in self.pools.items():
            discriminator = networks[f"discriminator of {domain}"].requires_grad_(True)
            earlier = pool.swap(fakes[domain])
            losses = self.adversary.discriminator_losses(self._rater(discriminator, domain), real[domain], earlier)
            yield f"discriminator of {domain}", losses

    def _rater(self, discriminator: nn.Module, domain: str) -> Discriminator:
        """Return the discriminator's logits for images (N, 3, H, W) of `domain`."""
        rate, factor = self.looking(discriminator), self.recipe.rated_at if domain == "paintings" else 1
        return rate if factor == 1 else lambda images: rate(avg_pool2d(images, factor))

    def _drawn(self, batch: Tensor) -> Source:
        return Source(noise=fresh_noise(batch)) if self.recipe.noise or self.recipe.painter else OWN

    def _apart(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance of the cycle loss."""
        distance, weight = pixels_apart(x, y), self.recipe.perceptual
        return distance + weight * perceptual_loss(self.features, x, y) if weight else distance

    def state(self) -> dict[str, Any]:
        return {domain: pool.state() for domain, pool in self.pools.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        for domain, pool in self.pools.items():
            pool.restore(state[domain])

    def painted(self, generator: nn.Module, photo: Tensor) -> Tensor:
        painting: Tensor = generator.there(photo)  # type: ignore[operator]
        return painting

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return the figures of `DomainsTrainer`, and `kid_back`, between translated held-out paintings and held-out
        photos."""
        scores = super().validate(generator)
        if isinstance(generator, Cycle):
            developed = [generator.back(painting.to(self.device)) for painting in self.held_out_paintings]
            scores["kid_back"] = 1000 * kid(self._embedded(developed), self._embedded(self.held_out))
        return scores

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the rows of photo and painting, and beside them rows of painting and photo."""
        there = super().sample(generator)
        if not isinstance(generator, Cycle):
            return there
        rows = []
        for painting in self.held_out_paintings[:4]:
            painting = painting[..., :256, :256].to(self.device)
            rows.append(beside([painting[0], generator.back(painting)[0]]).cpu())
        return beside([there, stacked(rows)])

    def history(self, trained: str) -> str:
        method = "CycleGAN" if self.recipe.method == "cycle" else "CUT"
        painter = Path(self.recipe.painter).stem
        return f"{method}, {super().history(trained)}{f', painter from {painter}' if painter else ''}"

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        """Write the weights from photos to paintings, and those of the way back if there is one. Returns the file of
        the first."""
        recipe = self.recipe
        write = partial(self.write, folder=folder, trained=trained, scores=scores)
        if isinstance(generator, Cycle):
            write(generator.back, name=recipe.back, summary=recipe.back_summary)
        assert isinstance(generator, (Cycle, Contrast))
        return write(generator.there, name=recipe.name, summary=recipe.summary)
