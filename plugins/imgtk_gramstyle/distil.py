"""Trainer of the core's feature network: it learns to see as an ImageNet-trained SqueezeNet sees (distillation).

`imgtk train style:gram` runs it: what it trains is the network that `style:gram` looks through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.errors import TrainingError
from imgtk.nn.features import compact, load_features
from imgtk.nn.initialise import kaiming
from imgtk.nn.jpeg import jpeg
from imgtk.training import CropSampler, Recipe, Trainer
from imgtk.training.images import image_files, load_held_out
from imgtk.training.weights import load_init


@dataclass(frozen=True)
class FeatureRecipe(Recipe):
    """Settings of a distillation.

    Attributes:
        teacher: file of torchvision's squeezenet1_1.
        more: further folders of images (paintings), separated by commas.
    """

    name: str = "features"
    steps: int = 6000
    batch: int = 8
    crop: int = 160
    optimizer: str = "muon"
    teacher: str = ""
    more: str = ""


class FeatureTrainer(Trainer[FeatureRecipe]):
    """Per layer, the mean squared difference to the teacher's features relative to their mean square.

    The teacher's pools are made to average, as ours do; padding it on two sides brings its positions within half a
    pixel of ours.

    Raises:
        TrainingError: there is no teacher.
        WeightsError: the teacher cannot be read.
    """

    recipe_type = FeatureRecipe
    metric = "error"
    higher_is_better = False

    def __init__(self, recipe: FeatureRecipe) -> None:
        super().__init__(recipe)
        if not recipe.teacher:
            raise TrainingError("no teacher is given", hint="Name torchvision's squeezenet1_1: --set teacher=FILE")
        self.teacher = load_features(recipe.teacher, pooling="average")
        self.frozen = (self.teacher,)
        student = compact()
        for module in student.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                kaiming(module)
        load_init(student, recipe.init, "imgtk.nn")
        missing = [layer for layer in student.taps if layer not in self.teacher.taps]
        if missing:
            raise TrainingError(
                f"{recipe.teacher} is {self.teacher.name}, which has no layer {missing[0]}",
                hint="The teacher must be torchvision's squeezenet1_1.",
            )
        self.networks = {"generator": student}
        self.held_out: list[Tensor] = []

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        more = [file for folder in self.recipe.more.split(",") if folder for file in image_files(Path(folder.strip()))]
        return CropSampler([*files, *more], self.recipe.crop, shrink_by=(0.5,), max_side=800, device=device)

    def load_validation(self, files: list[Path]) -> None:
        photos = load_held_out(files, 384, 16)
        self.held_out = [photo.to(self.device, memory_format=torch.channels_last) for photo in photos]

    def errors(self, student: nn.Module, x: Tensor) -> Tensor:
        """Return the relative squared error of each layer, for images whose sides are multiples of 16."""
        layers = list(compact().taps)
        with torch.no_grad():
            wanted = self.teacher(F.pad(x, (0, 1, 0, 1), mode="replicate"), layers)
        found = student(x, layers)
        return torch.stack(
            [F.mse_loss(found[k].float(), wanted[k].float()) / wanted[k].float().square().mean() for k in layers]
        )

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        batch = torch.cat([batch[::2], worsened(batch[1::2])])
        yield "generator", {"error": self.errors(networks["generator"], batch).mean()}

    def validate(self, generator: nn.Module) -> dict[str, float]:
        """Return `error`: mean over layers and held-out photos, and the same photos enlarged from a quarter of their
        size, of the relative squared error."""
        errors = [
            self.errors(generator, x).mean().item()
            for photo in self.held_out
            for x in (photo, enlarged(photo, "nearest"))
        ]
        return {"error": sum(errors) / len(errors)}

    def sample(self, generator: nn.Module) -> Tensor:
        """Return the first channels of layer fire3, the teacher's above the student's."""
        photo = self.held_out[0]
        rows = []
        for network in (self.teacher, generator):
            maps = network(photo, ["fire3"])["fire3"][0, :8].float()
            rows.append(torch.cat(list(maps / maps.amax().clamp_min(1e-6)), 1))
        width = min(row.shape[1] for row in rows)
        height = min(row.shape[0] for row in rows)
        return torch.cat([row[:height, :width] for row in rows]).expand(3, -1, -1)

    @property
    def architecture(self) -> str:
        return "SqueezeNet 1.1's layers conv1 to fire7 without strides"

    def history(self, trained: str) -> str:
        return f"distilled from {Path(self.recipe.teacher).stem}; {trained}"


def worsened(x: Tensor) -> Tensor:
    """Return crops (N, 3, H, W) as upscalers and cameras leave them: enlarged from a quarter of their size, noisy, or
    JPEGs.

    A student that has only seen good images takes pixel blocks and noise for detail.
    """
    kind, mode = (int(torch.randint(count, (1,))) for count in (3, 3))
    with torch.autocast(x.device.type, enabled=False):
        if kind == 0:
            return enlarged(x, ("nearest", "bilinear", "bicubic")[mode])
        if kind == 1:
            return x + torch.randn_like(x) * 0.04 * torch.rand(x.shape[0], 1, 1, 1, device=x.device)
        return jpeg(x, torch.randint(10, 80, (x.shape[0],)))


def enlarged(x: Tensor, mode: str) -> Tensor:
    """Return (N, 3, H, W) by way of a quarter of its size."""
    small = F.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True)
    return F.interpolate(small, size=x.shape[2:], mode=mode).clamp(0, 1)
