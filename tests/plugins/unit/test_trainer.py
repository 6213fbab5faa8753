"""Trainer of `translate:unit`: a few steps with tiny networks."""

import cv2
import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.nn.discriminators import FeatureDiscriminator, MultiScaleDiscriminator
from imgtk.registry import default
from imgtk.testing import sample_image
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_unit.network import UNIT
from imgtk_unit.op import load_unit
from imgtk_unit.trainer import UNITRecipe, UNITTrainer
from tests.training.resuming import losses, trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paintings")
    for seed in range(12):
        pixels = (sample_image(48, 44, seed=seed)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
        cv2.imwrite(str(folder / f"{seed:02}.png"), pixels)
    return folder


@pytest.fixture
def settings(paintings, backbone):
    values = {
        "target": paintings,
        "backbone": backbone,
        "name": "tiny",
        "width": 4,
        "blocks": 1,
        "scales": 1,
        "discriminator_features": 4,
        "crop": 32,
        "content": 0,
        "side": 48,
        "steps": 4,
        "held_out": 1,
        "warmup": 1,
    }
    return {key: str(value) for key, value in values.items()}


def recipe(settings, **more):
    types = {field: type(value) for field, value in UNITRecipe().__dict__.items()}
    return UNITRecipe(**{**{key: types[key](value) for key, value in settings.items()}, **more})


def test_it_is_trained_exported_and_used_and_resumed_exactly(data, settings, tmp_path):
    spec = default().spec("translate:unit")
    weights = trained_and_resumed(spec, data, tmp_path, settings)

    figures = {name for name, _ in losses(tmp_path / "whole")}
    assert {f"generator/{name}" for name in ("reconstruction", "cycle", "kl", "adversarial")} < figures
    assert {"photo_discriminator/adversarial", "painting_discriminator/adversarial", "validation/kid"} < figures
    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith("UNIT, 2 + 2 blocks, 4 channels")
    assert set(card.scores["validation"]) == {"kid", "kid_photos", "content", "regularity"}
    assert cv2.imread(str(tmp_path / "whole/samples/0000004.png")).shape[1] >= 3 * 32
    assert isinstance(load_unit(weights, default().architectures), UNIT)
    op = spec.build(default().context(), model=str(weights), to="photo")
    op.to(torch.device("cpu"), torch.float32)
    assert op(sample_image(32, 32)).isfinite().all()


def test_every_network_learns_and_nothing_else(settings):
    """After the generator's losses, its gradients reach all of it and no discriminator; and the other way round."""
    trainer = UNITTrainer(recipe(settings))
    networks = trainer.networks
    batch = torch.cat([sample_image(32, 32, seed=1), sample_image(32, 32, seed=2)], 1)
    updates = trainer.updates(batch, networks)
    for _ in range(3):
        name, found = next(updates)
        for network in networks.values():
            network.zero_grad()
        sum(found.values()).backward()
        for other, network in networks.items():
            touched = [p.grad is not None and bool(p.grad.any()) for p in network.parameters()]
            if other != name:
                assert not any(touched)
            elif name != "generator":
                assert any(touched)
            else:  # only biases before an instance normalisation are without effect
                silent = [n for (n, _), hit in zip(network.named_parameters(), touched, strict=True) if not hit]
                assert all(n.endswith(("first.bias", "second.bias")) for n in silent)
    assert next(updates, None) is None


def test_what_is_shown_is_kept_if_asked_for(settings):
    batch = torch.cat([sample_image(64, 64, seed=1), sample_image(64, 64, seed=2)], 1)
    trainer = UNITTrainer(recipe(settings, content=1.0, crop=64))
    _, losses = next(trainer.updates(batch, trainer.networks))
    assert losses["content"] > 0
    trainer = UNITTrainer(recipe(settings, crop=64))
    assert "content" not in next(trainer.updates(batch, trainer.networks))[1]


@pytest.mark.parametrize(
    ("discriminator", "kind"), [("features", FeatureDiscriminator), ("pixels", MultiScaleDiscriminator)]
)
def test_discriminators_by_name(settings, discriminator, kind):
    trainer = UNITTrainer(recipe(settings, discriminator=discriminator))
    assert isinstance(trainer.networks["photo_discriminator"], kind)
    batch = torch.cat([sample_image(32, 32, seed=1), sample_image(32, 32, seed=2)], 1)
    assert next(trainer.updates(batch, trainer.networks))[1]["adversarial"].isfinite()


def test_codes_are_noisy_while_training_only(settings):
    trainer = UNITTrainer(recipe(settings))
    unit = trainer.networks["generator"]
    batch = torch.cat([sample_image(32, 32, seed=1), sample_image(32, 32, seed=2)], 1)
    values = [next(trainer.updates(batch, trainer.networks))[1]["reconstruction"].item() for _ in range(2)]
    assert values[0] != values[1]
    with torch.inference_mode():
        photo = sample_image(32, 32)
        assert torch.equal(trainer.painted(unit, photo), trainer.painted(unit, photo))


def test_it_starts_from_other_weights(settings, tmp_path):
    torch.manual_seed(3)
    unit = UNIT(4, blocks=1)
    torch.save(unit.state_dict(), tmp_path / "start.pth")
    trainer = UNITTrainer(recipe(settings, init=str(tmp_path / "start.pth")))
    state = trainer.networks["generator"].state_dict()
    assert all(torch.equal(state[name], value) for name, value in unit.state_dict().items())
    with pytest.raises(TrainingError, match="does not fit UNIT"):
        UNITTrainer(recipe(settings, init=str(tmp_path / "start.pth"), width=8))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": ""}, "no paintings to train on"),
        ({"target": "/nowhere"}, "no images in"),
        ({"crop": "34"}, "crops of 34 pixels"),
        ({"crop": "32", "scales": "2", "discriminator": "pixels"}, "crops of 32 pixels"),
        ({"crop": "32", "content": "1"}, "crops of 32 pixels"),
        ({"gan": "magic"}, "unknown GAN loss 'magic'"),
        ({"crop": "64"}, "none of the"),
    ],
)
def test_what_cannot_be_trained_is_said(data, settings, tmp_path, wrong, message):
    with pytest.raises(TrainingError, match=message):
        train(default().spec("translate:unit"), data, tmp_path / "run", overrides={**settings, **wrong}, device="cpu")


def test_the_shipped_recipe_is_one(settings):
    from imgtk.training.recipe import load_recipe
    from imgtk.weights.store import folder

    path = folder("imgtk_unit").parent / "recipes/unit-monet.toml"
    shipped = load_recipe(UNITRecipe, path, {"target": settings["target"], "backbone": settings["backbone"]})
    assert shipped.name == "unit-monet"
    UNITTrainer(shipped)
