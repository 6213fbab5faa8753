"""Trainer of `inpaint:network`: a few steps with a tiny network."""

import numpy as np
import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.weights import Card
from imgtk_restore.fill_trainer import InpaintRecipe, InpaintTrainer
from tests.training.resuming import trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = {"name": "tiny", "widths": "4,6", "blocks": "1,1", "crop": "64", "batch": "2", "steps": "4", "held_out": "1"}
SMALL = {**TINY, "discriminator_features": "8"}


@pytest.mark.parametrize("losses", [{}, {"adversarial": "0.1", "perceptual": "1"}])
def test_it_is_trained_exported_and_used_and_resumed_exactly(data, tmp_path, losses):
    weights = trained_and_resumed(default().spec("inpaint:network"), data, tmp_path, {**SMALL, **losses})
    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith("InpaintNet, 3 gated blocks")
    assert set(card.scores["validation"]) == {"psnr", "ssim", "feature_distance"}
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 4), dtype=np.uint8)
    pixels[5:20, 5:20, 3] = 0
    assert Pipeline(f"inpaint:network model={weights}", device="cpu")(pixels).pixels.shape == (30, 41, 3)


def test_it_learns_to_fill():
    torch.manual_seed(0)
    recipe = InpaintRecipe(widths="8,12", blocks="1,1", crop=32)
    trainer = InpaintTrainer(recipe)
    stripes = (torch.arange(32) // 4 % 2).float().expand(4, 3, 32, 32)
    optimizer = torch.optim.Adam(trainer.networks["generator"].parameters(), 1e-2)
    course = []
    for _ in range(60):
        _, found = next(trainer.updates(stripes, trainer.networks))
        optimizer.zero_grad()
        found["pixel"].backward()
        optimizer.step()
        course.append(found["pixel"].item())
    assert sum(course[-10:]) < 0.7 * sum(course[:10])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": "4", "blocks": "1,1"}, "widths are for 1 levels and blocks for 2"),
        ({"crop": 72}, "crops of 72 pixels do not suit"),
        ({"gan": "x"}, "unknown GAN loss 'x'"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(TrainingError, match=message):
        InpaintTrainer(InpaintRecipe(**settings))
