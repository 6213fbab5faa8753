"""Trainer of `generate:glyph`: a few steps with a tiny network."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgtk import Pipeline
from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.weights import Card
from imgtk_generate.glyph_network import REACH
from imgtk_generate.glyph_trainer import GlyphRecipe, GlyphSheets, GlyphTrainer
from imgtk_generate.glyphs import CELL, CHARACTERS
from tests.training.resuming import trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = {"name": "tiny", "width": 4, "style": 2, "batch": 2, "seen": 2, "drawn": 3, "steps": 4, "held_out": 1}


def test_it_is_trained_exported_and_used_and_resumed_exactly(sheets, tmp_path):
    spec = default().spec("generate:glyph")
    settings = {key: str(value) for key, value in TINY.items()}
    weights = trained_and_resumed(spec, sheets, tmp_path, settings)
    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith("GlyphVAE, 4 channels, styles of 2 numbers")
    assert set(card.scores["validation"]) == {"read", "read_drawn", "read_real", "ink"}
    assert Pipeline(f"generate:glyph Ab size=32 model={weights}", device="cpu")().pixels.shape[0] == 32


def test_sheets_are_read_as_distances_to_the_outlines(sheets):
    """The first glyph of the second font: a rectangle at (5, 10) of 20 x 25 pixels, with a line of 3."""
    field = GlyphSheets(sorted(sheets.glob("*.png")), 3).fields[1, 0, 0].float() * REACH
    assert field.shape == (CELL, CELL)
    inked = (field > 0).nonzero()
    assert inked.min(0).values.tolist() == [10, 5]
    assert inked.max(0).values.tolist() == pytest.approx([35, 25], abs=1)
    assert field[20, 6].item() == pytest.approx(1.5, abs=0.6)  # the middle of the line
    assert field[20, 0].item() == pytest.approx(-4.5, abs=0.6)
    assert field[60, 60] == -REACH


def test_styles_are_drawn_from_those_of_the_fonts(sheets):
    torch.manual_seed(0)
    trainer = GlyphTrainer(GlyphRecipe(**TINY))
    files = sorted(sheets.glob("*.png"))
    trainer.load_images(files, torch.device("cpu"))
    trainer.load_validation(files[:1])
    network = trainer.networks["generator"].eval()
    with torch.inference_mode():
        scores = trainer.validate(network)
        everything = torch.arange(len(CHARACTERS))[None]
        codes = [trainer._posterior(network, font[None].float(), everything)[0] for font in trainer.fonts]
        drawn = network.draw_styles(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)))
    codes = torch.cat(codes)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.02, rtol=0.05)
    torch.testing.assert_close(drawn.std(0), codes.std(0, correction=0), atol=0.02, rtol=0.1)
    assert 0 <= scores["read"] <= 1


def test_gradients_reach_each_network_in_its_turn(sheets):
    trainer = GlyphTrainer(GlyphRecipe(**TINY))
    images = trainer.load_images(sorted(sheets.glob("*.png")), torch.device("cpu"))
    batch = images.draw(2, torch.Generator().manual_seed(0))
    for name, found in trainer.updates(batch, trainer.networks):
        for network in trainer.networks.values():
            network.zero_grad()
        sum(found.values()).backward()
        for other, network in trainer.networks.items():
            touched = [p.grad is not None and bool(p.grad.any()) for p in network.parameters()]
            assert any(touched) == (other == name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 32}, "glyphs have 64 pixels, not crop=32"),
        ({"seen": 9, "drawn": 8}, "seen and drawn must be"),
        ({"drawn": 63}, "seen and drawn must be"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(TrainingError, match=message):
        GlyphTrainer(GlyphRecipe(**settings))


def test_images_that_are_no_sheets(sheets, tmp_path):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(TrainingError, match="none of the 1 images is a sheet of glyphs"):
        GlyphSheets([tmp_path / "photo.png"], 3)
    both = GlyphSheets([tmp_path / "photo.png", *sheets.glob("*.png")], 3)
    assert len(both.fields) == 6
    assert both.failures == ["photo.png: 64x64 pixels are no sheet of glyphs"]
