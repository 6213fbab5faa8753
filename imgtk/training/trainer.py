"""`Trainer`: the networks, losses and figures of a training method, which a plugin provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import PluginError
from imgtk.op import CONTEXT
from imgtk.training.adversary import AdversarySettings
from imgtk.training.images import CropSampler
from imgtk.training.optimizers import adam, muon
from imgtk.training.recipe import Recipe
from imgtk.training.weights import write_weights

__all__ = ["Trainer", "build_trainer", "trainer_type"]

R = TypeVar("R", bound=Recipe)


class Trainer(ABC, Generic[R]):
    """Networks, losses, validation and export of one method. The loop owns devices, precision and optimizers' steps.

    The loop builds the trainer, moves `networks` and `frozen` to the device, calls `prepare`, asks for the `optimizer`
    of each network, loads the images, and then per step draws a batch (`draw`) and runs `updates` on it.

    Attributes:
        recipe_type: dataclass of the method's settings, a subclass of `Recipe`.
        metric: name of the `validate` figure that chooses the best weights.
        higher_is_better: whether larger values of it are better.
        betas: of Adam, for every network that Adam trains.
        recipe: the settings of this run.
        context: the architectures and packages with weights that this run may use. A class that overrides `__init__`
            and needs them takes an argument `context` as well, and passes it on.
        networks: what is trained, by name; "generator" is the one that is averaged (EMA), validated and exported.
        frozen: networks that the losses use and that are not trained: feature networks, teachers.
        device: where the run computes; the loop sets it.
    """

    recipe_type: ClassVar[type[Recipe]] = Recipe
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    networks: dict[str, nn.Module]
    frozen: Sequence[nn.Module] = ()

    def __init__(self, recipe: R, context: BuildContext = NO_CONTEXT) -> None:
        self.recipe, self.context = recipe, context
        self.device = torch.device("cpu")

    def prepare(self) -> None:
        """Compute what the losses need once (features of target images). `networks` and `frozen` are on `device`."""

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        """Return the pool of training crops."""
        return CropSampler(files, self.recipe.crop, device=device)

    def load_validation(self, files: list[Path]) -> None:
        """Keep what `validate` and `sample` need of the held-out images."""

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """Return the optimizer of network `name`, whose learning rate is the peak of the schedule.

        The recipe's `optimizer` and `lr` are the generator's. Other networks have its `discriminator_optimizer` and
        `discriminator_lr`, or Adam and `lr` if the recipe is not that of a GAN.
        """
        recipe, network = self.recipe, self.trained_part(name)
        if name == "generator":
            kind, lr = recipe.optimizer, recipe.lr
        elif isinstance(recipe, AdversarySettings):
            kind, lr = recipe.discriminator_optimizer, recipe.discriminator_lr
        else:
            kind, lr = "adam", recipe.lr
        return self.build_optimizer(network, kind, lr)

    def build_optimizer(self, network: nn.Module, kind: str, lr: float) -> torch.optim.Optimizer:
        """Return an optimizer of `kind`, "adam" or "muon", for `network`, with `lr` as its peak learning rate."""
        return muon(network, lr) if kind == "muon" else adam(network, lr, self.betas)

    def trained_part(self, name: str) -> nn.Module:
        """Return the part of network `name` whose parameters are trained: all of it, by default."""
        return self.networks[name]

    def draw(self, images: CropSampler, generator: torch.Generator) -> Tensor:
        """Return one batch of targets, (N, 3, crop, crop), 0..1."""
        return images.draw(self.recipe.batch, generator)

    @abstractmethod
    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield, for each network to update in turn, its name and its weighted losses.

        The loop backpropagates the sum of the losses and steps that network's optimizer before it goes on, so what
        stands behind a `yield` sees the updated network. Call the networks that are passed in: they are wrapped for
        the device and precision of the run.

        Where several processes train, `batch` is the share of one, all draw equal random numbers from torch's
        generators, and their losses and gradients are averaged. That is what one process with the whole batch does,
        if the losses are means over images; for others there is `imgtk.training.processes.batch_mean`, and for
        random numbers that belong to single images `on_whole_batch`.
        """

    def state(self) -> dict[str, Any]:
        """Return what else the course of the run depends on (a pool of earlier images): tensors, numbers, texts, and
        lists or dicts of them, for the checkpoint."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""

    @abstractmethod
    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return figures on the held-out images, `metric` among them, for the averaged generator in eval mode.

        Only the first process asks for it, and for `sample`: neither may draw from torch's own random generators.
        """

    @abstractmethod
    def sample(self, generator: nn.Module) -> Tensor:
        """Return an image (3, H, W), 0..1, that shows the state to the eye: inputs beside outputs."""

    @property
    def architecture(self) -> str:
        """The generator's `description`, or else its class, for the card; the number of parameters is added."""
        generator = self.networks["generator"]
        return str(getattr(generator, "description", type(generator).__name__))

    @property
    def scale(self) -> int | None:
        """Output pixels per input pixel, for the card of networks that change the size."""
        return None

    @property
    def sources(self) -> list[str]:
        """The sources of the training images, for the card."""
        return self.recipe.data.split("; ")

    def history(self, trained: str) -> str:
        """Return `trained` (for how long, on what) and what else belongs to how the weights came about: what they
        started from."""
        return f"from {Path(self.recipe.init).stem}, {trained}" if self.recipe.init else trained

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        """Write the weights of `generator` and their card into `folder`. Returns the weights file."""
        recipe = self.recipe
        return self.write(generator, folder, recipe.name, recipe.summary, trained, scores)

    def write(
        self, network: nn.Module, folder: Path, name: str, summary: str, trained: str, scores: Mapping[str, float]
    ) -> Path:
        """Write the weights of one network and their card. `export` of trainers with several calls it for each."""
        return write_weights(
            network,
            folder,
            self.recipe,
            name=name,
            summary=summary,
            architecture=getattr(network, "description", self.architecture),
            scale=self.scale,
            trained=self.history(trained),
            sources=self.sources,
            scores=scores,
        )


def trainer_type(location: str) -> type[Trainer[Any]]:
    """Return the trainer that an operator's spec names.

    Args:
        location: "package.module:Class", as in `OpSpec.trainer`.

    Raises:
        PluginError: there is none, or it lacks what the loop needs of its class.
    """
    module, _, attribute = location.partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"cannot import the trainer {location}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Trainer)):
        raise PluginError(f"{location} is not a subclass of imgtk.training.Trainer")
    missing = sorted(kind.__abstractmethods__)
    if not isinstance(getattr(kind, "metric", None), str):
        missing.append("metric")
    if missing:
        raise PluginError(f"the trainer {location} lacks {', '.join(missing)}", hint=CONTRACT)
    if not (isinstance(kind.recipe_type, type) and issubclass(kind.recipe_type, Recipe)):
        raise PluginError(f"{location}: recipe_type is not a subclass of imgtk.training.Recipe", hint=CONTRACT)
    return kind


def build_trainer(location: str, recipe: Recipe, context: BuildContext = NO_CONTEXT) -> Trainer[Any]:
    """Build the trainer that an operator's spec names, with its networks.

    Args:
        location: "package.module:Class", as in `OpSpec.trainer`.
        recipe: of its `recipe_type`.
        context: passed on if the class takes an argument `context`.

    Raises:
        PluginError: as `trainer_type`; or it has no networks, or none called "generator"; or `frozen` holds something
            else than modules; or its `__init__` does not call that of `Trainer`.
        ImgtkError: whatever it raises for settings that it cannot use.
    """
    kind = trainer_type(location)
    if not isinstance(recipe, kind.recipe_type):
        raise PluginError(f"{location} needs a {kind.recipe_type.__name__}, got a {type(recipe).__name__}")
    trainer = kind(recipe, context) if CONTEXT in signature(kind).parameters else kind(recipe)
    if getattr(trainer, "recipe", None) is not recipe or not hasattr(trainer, "device"):
        raise PluginError(f"{location} does not call super().__init__(recipe)", hint=CONTRACT)
    networks = getattr(trainer, "networks", None)
    if not isinstance(networks, dict) or not all(isinstance(network, nn.Module) for network in networks.values()):
        raise PluginError(f"{location} does not set `networks` to a dict of torch modules by name", hint=CONTRACT)
    if "generator" not in networks:
        found = ", ".join(networks) or "none"
        raise PluginError(f"{location} has no network called 'generator'; its networks: {found}", hint=CONTRACT)
    if not all(isinstance(module, nn.Module) for module in trainer.frozen):
        raise PluginError(f"{location} does not set `frozen` to torch modules", hint=CONTRACT)
    return trainer


CONTRACT = "This is a bug in the plugin: see docs/training.md, “Your own trainer”."
