"""A trainer small enough to run in a blink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from imgtk.op import OpSpec
from imgtk.training import Recipe, Trainer


@dataclass(frozen=True)
class ToyRecipe(Recipe):
    steps: int = 12
    batch: int = 2
    crop: int = 16
    lr: float = 1e-2
    warmup: int = 2
    checkpoint_every: int = 5
    validate_every: int = 4
    sample_every: int = 6
    held_out: int = 1
    poison_at: int = 0
    steep_from: int = 99
    steep_for: int = 0


class ToyTrainer(Trainer[ToyRecipe]):
    """Two networks: one denoises, the other predicts the noise's level; both use dropout, hence random state."""

    recipe_type = ToyRecipe
    metric = "error"
    higher_is_better = False

    def __init__(self, recipe: ToyRecipe) -> None:
        super().__init__(recipe)
        self.networks = {
            "generator": nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.Dropout(0.2), nn.Conv2d(8, 3, 3, 1, 1)),
            "critic": nn.Conv2d(3, 1, 3, 1, 1),
        }
        self.step = 0
        self.held_out: Tensor

    def load_validation(self, files: list[Path]) -> None:
        self.held_out = torch.tensor(np.asarray(PIL.Image.open(files[0]))).permute(2, 0, 1)[None].float() / 255

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        self.step += 1
        noisy = batch + 0.1 * torch.randn_like(batch)
        output = networks["generator"](noisy)
        loss = (output - batch).abs().mean()
        if 0 <= self.step - self.recipe.steep_from < self.recipe.steep_for:
            loss = loss + (output.sum() * 0).sqrt()  # adds 0, with a slope that is not finite
        yield "generator", {"l1": loss * (float("nan") if self.step == self.recipe.poison_at else 1)}
        yield "critic", {"level": (networks["critic"](output.detach()) - 0.1).square().mean()}

    def validate(self, generator: nn.Module) -> dict[str, float]:
        return {"error": (generator(self.held_out) - self.held_out).abs().mean().item()}

    def sample(self, generator: nn.Module) -> Tensor:
        return generator(self.held_out)[0]

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.txt").write_text(f"{trained} {scores}")
        torch.save(generator.state_dict(), folder / "toy.pth")
        return folder / "toy.pth"


SPEC = OpSpec("toy", "unused:Unused", "", trainer=f"{__name__}:ToyTrainer")
