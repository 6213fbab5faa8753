"""`Trainer`: what a plugin teaches the training loop about its networks and losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from imgtk.training.images import CropSampler
from imgtk.training.recipe import Recipe
from imgtk.weights import Card, save

R = TypeVar("R", bound=Recipe)


class Trainer(ABC, Generic[R]):
    """Networks, losses, validation and export of one method. The loop owns devices, precision and optimizers' steps.

    The loop builds the trainer, moves `networks` to the device, asks for `optimizer` of each, and then per step draws a
    batch (`draw`) and runs `updates` on it.

    Attributes:
        recipe_type: dataclass of the method's hyper-parameters.
        metric: name of the `validate` figure that chooses the best weights, and
        higher_is_better: its direction.
        networks: what is trained, by name; "generator" is the one that is averaged (EMA), validated and exported.
    """

    recipe_type: ClassVar[type[Recipe]] = Recipe
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    networks: dict[str, nn.Module]

    def __init__(self, recipe: R) -> None:
        self.recipe = recipe
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Move what the losses need (frozen feature networks, target images) to the device."""
        self.device = device

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        """The pool of training crops."""
        return CropSampler(files, self.recipe.crop, device=device)

    def load_validation(self, files: list[Path]) -> None:
        """Keep what `validate` and `sample` need of the held-out images."""

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """The optimizer of network `name`; its learning rate is the peak of the schedule."""
        return torch.optim.Adam(self.networks[name].parameters(), lr=self.recipe.lr, betas=(0.9, 0.99))

    def draw(self, images: CropSampler, generator: torch.Generator) -> Tensor:
        """One batch of targets, (N, 3, crop, crop), 0..1."""
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
        """What else the course of the run depends on (a pool of earlier images): tensors, numbers, texts, and lists
        or dicts of them, for the checkpoint."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""

    @abstractmethod
    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Figures on the held-out images, `metric` among them, for the averaged generator in eval mode.

        Only the first process asks for it, and for `sample`: neither may draw from torch's own random generators.
        """

    @abstractmethod
    def sample(self, generator: nn.Module) -> Tensor:
        """An image (3, H, W), 0..1, to judge the state by eye: inputs beside outputs."""

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
        """What the weights were learnt from, for the card."""
        return self.recipe.data.split("; ")

    def history(self, trained: str) -> str:
        """`trained` (for how long, on what) and what else belongs to how the weights came about: what they started
        from."""
        return f"from {Path(self.recipe.init).stem}, {trained}" if self.recipe.init else trained

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        """Write the weights of `generator` and their card into `folder`. Returns the weights file."""
        recipe = self.recipe
        return self.write(generator, folder, recipe.name, recipe.summary, trained, scores)

    def write(
        self, network: nn.Module, folder: Path, name: str, summary: str, trained: str, scores: Mapping[str, float]
    ) -> Path:
        """Write the weights of one network and their card. `export` of trainers with several calls it for each."""
        recipe = self.recipe
        parameters = sum(p.numel() for p in network.parameters()) / 1e6
        card = Card(
            name=name,
            summary=summary,
            architecture=f"{self.architecture}, {parameters:.2f} M parameters",
            scale=self.scale,
            trained=self.history(trained),
            recipe=recipe.name,
            licence=recipe.licence,
            data=tuple(filter(None, self.sources)),
            scores={"validation": dict(scores)},
        )
        path = folder / f"{name}.safetensors"
        save(path, network.state_dict(), card)
        return path
