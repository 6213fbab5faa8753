"""Trainer of the core's feature network: it learns to see as an ImageNet-trained SqueezeNet sees (distillation).

`imgtk train style:gram` runs it: what it trains is the network that `style:gram` looks through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.errors import TrainingError
from imgtk.nn.features import Features, Fire, distilled, load_features
from imgtk.nn.initialise import kaiming
from imgtk.nn.jpeg import jpeg
from imgtk.nn.losses import FeatureMaps
from imgtk.training import CropSampler, Recipe, Trainer
from imgtk.training.images import image_files, load_held_out
from imgtk.training.weights import load_init

MEASURED = 16
"""Crops on which the size of the teacher's features is measured."""
SMALL_CHANNEL = 0.05
"""Share of a layer's mean square below which a channel counts as small: its errors are not enlarged further."""
FIRST_LAYER = 15.0
"""Learning rate of the first convolution, relative to that of the others: it starts from pixels, whose neighbours are
nearly equal, and its filters for fine texture have to become many times as large as they start."""


@dataclass(frozen=True)
class FeatureRecipe(Recipe):
    """Settings of a distillation.

    Attributes:
        teacher: file of torchvision's squeezenet1_1.
        more: further folders of images (paintings), separated by commas.
        separate: share of the steps in which every layer learns from the teacher's own input to it. In the others the
            layers are trained as one network.
    """

    name: str = "features"
    steps: int = 6000
    batch: int = 8
    crop: int = 112
    optimizer: str = "muon"
    lr: float = 3e-3
    teacher: str = ""
    more: str = ""
    separate: float = 0.7


class Stages(nn.Module):
    """A feature network whose layers can be run one by one.

    Args:
        network: its parts between two layers with a name are the stages.
    """

    def __init__(self, network: Features) -> None:
        super().__init__()
        self.network = network
        ends = [index + 1 for index in network.taps.values()]
        self.parts = dict(zip(network.taps, zip([0, *ends], ends, strict=False), strict=True))

    def forward(self, x: Tensor, inputs: FeatureMaps | None = None) -> dict[str, Tensor]:
        """Return the features of each layer, before its ReLU.

        Args:
            x: images (N, 3, H, W), 0..1; with `inputs`, what the first layer sees, normalised.
            inputs: what every other layer sees instead of what is before it, by its own name.
        """
        found: dict[str, Tensor] = {}
        x = x if inputs else (x - self.network.mean) / self.network.std
        for name, (start, end) in self.parts.items():
            *modules, last = list(self.network.features)[start:end]
            x = inputs[name] if inputs and name in inputs else x
            for module in modules:
                x = module(x)
            found[name] = last.linear(x) if isinstance(last, Fire) else x
            x = found[name].relu()
        return found


class FeatureTrainer(Trainer[FeatureRecipe]):
    """Per channel, the squared difference to the teacher's features, relative to their mean square.

    The student has the teacher's layers, wider where it narrows, and starts from random weights. In a deep network that
    starts so, a layer learns only after those before it. Here each first learns from the teacher's features of the
    layer before, also from such that no image has (`disturbed`), so that it does not rely on how channels go together
    in photos.

    The teacher's features are divided by their root mean square, so every layer of the student makes values around 1.
    Gram distances and the other distances of `imgtk.nn.losses` do not see that factor.

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
        network = load_features(recipe.teacher, pooling="average")
        student = distilled()
        if not student.taps.items() <= network.taps.items():
            raise TrainingError(f"{recipe.teacher} is {network.name}", hint="Name torchvision's squeezenet1_1.")
        network.taps = student.taps
        self.teacher = Stages(network)
        self.frozen = (self.teacher,)
        for module in student.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                kaiming(module)
        load_init(student, recipe.init, "imgtk.nn")
        self.networks = {"generator": Stages(student)}
        self.sizes: dict[str, Tensor] = {}
        self.steps = 0
        self.held_out: list[Tensor] = []

    def build_optimizer(self, network: nn.Module, kind: str, lr: float) -> torch.optim.Optimizer:
        optimizer = super().build_optimizer(network, kind, lr)
        assert isinstance(network, Stages)
        first = {id(p) for p in network.network.features[0].parameters()}
        for group in optimizer.param_groups:
            if {id(p) for p in group["params"]} <= first:
                group["lr"] *= FIRST_LAYER
        return optimizer

    def load_images(self, files: list[Path], device: torch.device) -> CropSampler:
        more = [file for folder in self.recipe.more.split(",") if folder for file in image_files(Path(folder.strip()))]
        images = CropSampler([*files, *more], self.recipe.crop, shrink_by=(0.5,), max_side=800, device=device)
        crops = images.draw(MEASURED, torch.Generator().manual_seed(self.recipe.seed)).to(device)
        with torch.no_grad():
            found = self.teacher(crops)
        self.sizes = {name: x.relu().square().mean().sqrt() for name, x in found.items()}
        return images

    def load_validation(self, files: list[Path]) -> None:
        photos = load_held_out(files, 384, 16)
        self.held_out = [photo.to(self.device, memory_format=torch.channels_last) for photo in photos]

    def wanted(self, x: Tensor, inputs: FeatureMaps | None = None) -> dict[str, Tensor]:
        """Return the teacher's features of images, or of inputs to its layers (see `Stages`), all of mean square 1."""
        if inputs:
            sizes = by_next_layer(self.sizes)
            inputs = {name: features * sizes[name] for name, features in inputs.items()}
        with torch.no_grad():
            return {name: found.relu() / self.sizes[name] for name, found in self.teacher(x, inputs).items()}

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        self.steps += 1
        student = networks["generator"]
        batch = torch.cat([batch[::2], worsened(batch[1::2])])
        wanted = self.wanted(batch)
        if self.steps > self.recipe.separate * self.recipe.steps:
            yield "generator", {"error": difference(student(batch), wanted)}
            return
        pixels = (batch - self.teacher.network.mean) / self.teacher.network.std
        inputs = by_next_layer(wanted)
        odd_pixels, odd_inputs = disturbed(pixels), {name: disturbed(x, positive=True) for name, x in inputs.items()}
        found, odd = student(pixels, inputs), student(odd_pixels, odd_inputs)
        odd_wanted = self.wanted(odd_pixels, odd_inputs)
        yield "generator", {"error": difference(found, wanted), "disturbed": difference(odd, odd_wanted)}

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]

    def errors(self, student: nn.Module, x: Tensor) -> Tensor:
        """Return the relative squared error of each layer, for images (N, 3, H, W), 0..1."""
        wanted, found = self.wanted(x), student(x)
        return torch.stack(
            [F.mse_loss(found[k].float().relu(), wanted[k].float()) / wanted[k].float().square().mean() for k in wanted]
        )

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
        for features in (self.wanted(photo), generator(photo)):
            maps = features["fire3"][0, :8].float().relu()
            rows.append(torch.cat(list(maps / maps.amax().clamp_min(1e-6)), 1))
        return torch.cat(rows).expand(3, -1, -1)

    @property
    def architecture(self) -> str:
        return "SqueezeNet 1.1's layers conv1 to fire7, narrowed half as much"

    def history(self, trained: str) -> str:
        return f"distilled from {Path(self.recipe.teacher).stem}; {super().history(trained)}"

    def export(self, generator: nn.Module, folder: Path, trained: str, scores: Mapping[str, float]) -> Path:
        assert isinstance(generator, Stages)
        return super().export(generator.network, folder, trained, scores)


def by_next_layer(values: FeatureMaps) -> dict[str, Tensor]:
    """Return values of layers by the names of the layers that come next; the last one's has none."""
    return dict(zip(list(values)[1:], values.values(), strict=False))


def difference(found: FeatureMaps, wanted: FeatureMaps) -> Tensor:
    """Return the mean over layers and channels of the squared difference, relative to the channel's mean square.

    Where the teacher's feature is above 0, what is below counts as such, although the ReLU hides it. Otherwise channels
    that are rarely above 0 would learn to be 0 everywhere, and get no gradient any more.

    Args:
        found: features before the ReLU.
        wanted: the teacher's, after it.
    """
    errors = []
    for name, theirs in wanted.items():
        theirs, ours = theirs.float(), found[name].float()
        size = theirs.square().mean((0, 2, 3))
        error = (torch.where(theirs > 0, ours, ours.relu()) - theirs).square().mean((0, 2, 3))
        errors.append((error / (size + SMALL_CHANNEL * size.mean())).mean())
    return torch.stack(errors).mean()


def disturbed(x: Tensor, positive: bool = False) -> Tensor:
    """Return a quarter of a batch of features (N, C, H, W) with channels of other strengths, and noise as strong as
    the channels; `positive` is what a ReLU leaves of that."""
    part = x[: max(1, len(x) // 4)]
    strengths = 2 * torch.rand(len(part), x.shape[1], 1, 1, device=x.device)
    noisy = part * strengths + torch.randn_like(part) * x.std((0, 2, 3), keepdim=True)
    return noisy.relu() if positive else noisy


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
