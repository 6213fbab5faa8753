"""What is shipped."""

import pytest
import skimage.data
import torch

from imgtk.metrics import psnr
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.pipeline import Pipeline
from imgtk.testing import check_op
from imgtk.weights import Card, digest, locate, shipped


def test_the_card_is_complete_and_of_this_file():
    assert {card.name for card in shipped("imgtk_unit")} == {"unit-monet"}
    path = locate("unit-monet", "imgtk_unit")
    card = Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))


def test_it_keeps_every_promise_of_an_operator():
    check_op("translate:unit", sizes=((150, 133), (1, 1)), tile=64)


@pytest.mark.parametrize("to", ["painting", "photo"])
def test_the_image_is_still_the_same_but_not_equal(to):
    pixels = skimage.data.astronaut()[:256, :256]
    result = Pipeline(f"translate:unit to={to}", device="cpu")(pixels).pixels
    assert 12 < psnr(torch.tensor(result / 255), torch.tensor(pixels / 255)) < 30


def test_nothing_is_woven_over_smooth_areas():
    assert regularity(Pipeline("translate:unit", device="cpu", dtype="fp32")(smooth_image(512, 448)).tensor()) <= 0.25
