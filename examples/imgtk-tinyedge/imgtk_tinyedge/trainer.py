"""How the network learns."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, l1_loss, pad

from imgtk import Image
from imgtk.training import Recipe, Trainer
from imgtk_tinyedge.network import EdgeNet

SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])


def sobel(x: Tensor) -> Tensor:
    """Strength of edges, 0..1: the sum of the slopes' sizes across and down."""
    light = pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return conv2d(light, torch.stack([SOBEL, SOBEL.T])[:, None].to(x) / 8).abs().sum(1, keepdim=True).expand_as(x)


class EdgeTrainer(Trainer[Recipe]):
    """The mean difference from the Sobel operator."""

    metric, higher_is_better = "error", False

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.networks = {"generator": EdgeNet()}

    def load_validation(self, files: list[Path]) -> None:
        self.image = Image.open(files[0]).tensor()

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        network = networks["generator"]
        yield "generator", {"l1": l1_loss(network(batch), sobel(batch))}

    def validate(self, generator: nn.Module) -> dict[str, float]:
        x = self.image.to(self.device)
        return {"error": l1_loss(generator(x), sobel(x)).item()}

    def sample(self, generator: nn.Module) -> Tensor:
        x = self.image.to(self.device)
        return torch.cat([x, generator(x), sobel(x)], 3)[0]
