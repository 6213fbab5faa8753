"""Trainer of `restore:colourise`: a few steps with a narrow network."""

import numpy as np
import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.weights import Card
from imgtk_restore.colour_trainer import ColouriseRecipe, ColouriseTrainer, colour_loss, toned
from tests.training.resuming import trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = {"name": "tiny", "width": "8", "crop": "32", "side": "64", "batch": "2", "steps": "4", "held_out": "1"}


def test_it_is_trained_exported_and_used_and_resumed_exactly(data, tmp_path):
    weights = trained_and_resumed(default().spec("restore:colourise"), data, tmp_path, TINY)
    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith("ColouriseNet on imgtk's features, 8 channels")
    assert set(card.scores["validation"]) == {"loss", "error", "error_of_gray", "vividness"}
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41), dtype=np.uint8)
    assert Pipeline(f"restore:colourise model={weights}", device="cpu")(pixels).pixels.shape == (30, 41, 3)


def test_it_learns_a_colour_and_leaves_the_features_as_they_are():
    torch.manual_seed(0)
    trainer = ColouriseTrainer(ColouriseRecipe(width=16, crop=32))
    network = trainer.networks["generator"]
    batch = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(2, -1, 32, 32).contiguous()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    course = []
    for _ in range(25):
        _, found = next(trainer.updates(batch, trainer.networks))
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        course.append(found["loss"].item())
    assert course[-1] < 0.5 * course[0]
    assert all(value.grad is None for value in trainer.features.parameters())


def test_vivid_colours_count_more_and_the_truth_costs_nothing():
    truth = torch.tensor([0.0, 20.0]).view(1, 2, 1, 1)
    assert colour_loss(truth, truth).item() < 1e-4
    assert colour_loss(truth + 5, truth) > 2 * colour_loss(5 + 0 * truth, 0 * truth)


def test_tones_differ_between_images_and_gray_stays_within_its_range():
    torch.manual_seed(0)
    x = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(6, -1, -1, -1)
    found = toned(x, 0.3)
    assert found.shape == x.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.mean((1, 2, 3)).std() > 0.02
    torch.testing.assert_close(toned(x, 0.0), x)


def test_crops_that_do_not_suit():
    with pytest.raises(TrainingError, match="crops of 40 pixels do not suit"):
        ColouriseTrainer(ColouriseRecipe(crop=40))
