"""What a trainer must have, said clearly where it has not; and what it has by itself."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from imgtk.context import NO_CONTEXT, BuildContext
from imgtk.errors import PluginError, TrainingError, WeightsError
from imgtk.op import OpSpec
from imgtk.registry import Registry, default
from imgtk.training import Recipe, Trainer
from imgtk.training.adversary import Adversary, AdversarySettings
from imgtk.training.fabric import allow_double_backward
from imgtk.training.run import train
from imgtk.training.trainer import CONTRACT, build_trainer, trainer_type
from imgtk.training.weights import load_init
from tests.training.toy import ToyRecipe, ToyTrainer


class NotATrainer:
    pass


class WithoutMethods(Trainer[Recipe]):
    metric = "error"


class WithoutMetric(Trainer[Recipe]):
    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield from ()

    def validate(self, generator: nn.Module) -> dict[str, float]:
        return {}

    def sample(self, generator: nn.Module) -> Tensor:
        return torch.zeros(3, 8, 8)


class WithoutNetworks(WithoutMetric):
    metric = "error"


class WithoutGenerator(WithoutNetworks):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.networks = {"network": nn.Identity()}


class WithDictOfNames(WithoutNetworks):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.networks = {"generator": "net"}  # type: ignore[dict-item]


class WithFrozenNames(WithoutNetworks):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.networks, self.frozen = {"generator": nn.Identity()}, ("features",)  # type: ignore[assignment]


class WithoutBase(WithoutNetworks):
    def __init__(self, recipe: Recipe) -> None:
        self.networks = {"generator": nn.Identity()}


class WithForeignRecipe(WithoutNetworks):
    recipe_type = dict  # type: ignore[assignment]


class WithoutFigure(ToyTrainer):
    metric = "psnr"


class WithStrangeUpdate(ToyTrainer):
    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for _, losses in super().updates(batch, networks):
            yield "discriminator", losses


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("NotATrainer", "not a subclass of imgtk.training.Trainer"),
        ("Missing", "cannot import the trainer"),
        ("WithoutMethods", "lacks sample, updates, validate"),
        ("WithoutMetric", "lacks metric"),
        ("WithForeignRecipe", "recipe_type is not a subclass"),
        ("WithoutNetworks", "does not set `networks`"),
        ("WithDictOfNames", "does not set `networks`"),
        ("WithoutGenerator", "no network called 'generator'; its networks: network"),
        ("WithFrozenNames", "does not set `frozen` to torch modules"),
        ("WithoutBase", r"does not call super\(\).__init__\(recipe\)"),
        ("WithoutFigure", "needs a ToyRecipe, got a Recipe"),
    ],
)
def test_a_broken_trainer_is_named_when_it_is_built(kind: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as error:
        build_trainer(f"{__name__}:{kind}", Recipe())
    assert kind in error.value.message


class WithContext(ToyTrainer):
    def __init__(self, recipe: ToyRecipe, context: BuildContext) -> None:
        super().__init__(recipe)
        self.context = context


def test_the_context_of_a_run_is_given_to_those_that_ask(data: Path, tmp_path: Path) -> None:
    context = BuildContext(packages=("somewhere",))
    assert build_trainer(f"{__name__}:WithContext", ToyRecipe(), context).context is context
    assert build_trainer(f"{__name__}:WithStrangeUpdate", ToyRecipe(), context).context is NO_CONTEXT
    pickle.loads(pickle.dumps(default().context()))  # processes of a run are handed it


def test_the_registry_of_a_run_is_the_callers(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[BuildContext] = []
    monkeypatch.setattr(WithContext, "prepare", lambda self: given.append(self.context))
    spec = OpSpec("toy", "unused:Unused", "", trainer=f"{__name__}:WithContext")
    registry = Registry.of(spec, packages=["somewhere"])
    train(spec, data, tmp_path / "out", device="cpu", overrides={"steps": "1"}, registry=registry)
    assert given == [registry.context()]


def test_the_hint_names_a_section_that_exists() -> None:
    page, heading = re.findall(r"see (docs/\S+\.md), “(.*)”", CONTRACT)[0]
    assert f"\n## {heading}\n" in (Path(__file__).parents[2] / page).read_text("utf-8")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(PluginError, match="cannot import the trainer nowhere:Trainer"):
        trainer_type("nowhere:Trainer")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("WithoutFigure", "validate gives no 'psnr': error"),
        ("WithStrangeUpdate", "updates yields 'discriminator', which is"),
    ],
)
def test_what_only_running_shows(kind: str, message: str, data: Path, tmp_path: Path) -> None:
    spec = OpSpec("toy", "unused:Unused", "", trainer=f"{__name__}:{kind}")
    with pytest.raises(PluginError, match=message) as error:
        train(spec, data, tmp_path / "out", device="cpu", overrides={"steps": "1"})
    assert kind in error.value.message


@dataclass(frozen=True)
class GANRecipe(AdversarySettings, ToyRecipe):
    discriminator_lr: float = 3e-3


def test_the_recipe_chooses_the_optimizer_of_the_generator() -> None:
    trainer = ToyTrainer(ToyRecipe())
    assert isinstance(trainer.optimizer("generator"), torch.optim.Adam)
    trainer = ToyTrainer(GANRecipe(optimizer="muon", lr=1e-2))
    assert type(trainer.optimizer("generator")).__name__ == "Muon"
    critic = trainer.optimizer("critic")
    assert isinstance(critic, torch.optim.Adam)
    assert critic.param_groups[0]["lr"] == 3e-3
    trainer = ToyTrainer(GANRecipe(discriminator_optimizer="muon"))
    assert isinstance(trainer.optimizer("generator"), torch.optim.Adam)
    assert type(trainer.optimizer("critic")).__name__ == "Muon"
    assert trainer.optimizer("critic").param_groups[0]["lr"] == 3e-3
    with pytest.raises(TrainingError, match="unknown optimizer 'sgd' of the discriminators"):
        Adversary(AdversarySettings(discriminator_optimizer="sgd"))
    with pytest.raises(TrainingError, match="unknown optimizer 'sgd'") as error:
        ToyRecipe(optimizer="sgd")
    assert error.value.hint == "Available: adam, muon."


def test_no_trainer_passes_over_the_optimizer_of_its_recipe() -> None:
    trainers = {spec.trainer for spec in default().specs if spec.trainer}
    assert len(trainers) > 8
    for location in trainers:
        if location != "imgtk_cyclegan.trainer:TranslationTrainer":  # its painter has a rate of its own
            assert trainer_type(location).optimizer is Trainer.optimizer, location


def test_weights_to_start_from(tmp_path: Path) -> None:
    network, other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
    torch.save(other.state_dict(), tmp_path / "start.pth")
    load_init(network, "", "imgtk.nn")
    assert not torch.equal(network.weight, other.weight)
    load_init(network, str(tmp_path / "start.pth"), "imgtk.nn")
    assert torch.equal(network.weight, other.weight)
    with pytest.raises(TrainingError, match=r"start\.pth does not fit Conv2d") as error:
        load_init(nn.Conv2d(3, 5, 1), str(tmp_path / "start.pth"), "imgtk.nn", settings="width")
    assert error.value.hint == "Set width to those of the network to start from."
    with pytest.raises(WeightsError, match="nowhere"):
        load_init(network, str(tmp_path / "nowhere.pth"), "imgtk.nn")


def test_the_private_flag_of_fabric_means_what_it_is_taken_for() -> None:
    """`allow_double_backward` sets it. If this fails with a new version of Fabric, penalties need another way."""
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    network = nn.Linear(3, 1)
    network, _ = fabric.setup(network, torch.optim.SGD(network.parameters(), lr=0.1))
    x = torch.rand(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"fabric\.backward"):
        torch.autograd.grad(network(x).sum(), x, create_graph=True)
    with allow_double_backward():
        (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    fabric.backward(slope.square().sum())
    assert network.weight.grad is not None
