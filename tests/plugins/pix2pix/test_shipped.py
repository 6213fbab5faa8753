"""The shipped weights: a sketch of a photo comes back as a photo. These tests fail while the weights are missing."""

import numpy as np
import pytest
import skimage.data
import torch
from torch.nn.functional import avg_pool2d

from imgtk import Pipeline
from imgtk.metrics import feature_distance, psnr
from imgtk.nn.features import load_features
from imgtk.testing import check_op
from imgtk.weights import Card, digest, locate, shipped

PHOTOS = ("astronaut", "coffee", "chelsea")


def photo(name, side=320):
    """An image that was not learnt from, its middle: (side, side, 3) uint8."""
    pixels = getattr(skimage.data, name)()
    top, left = ((length - min(length, side)) // 2 for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def tensor(pixels):
    x = torch.tensor(np.asarray(pixels)).permute(2, 0, 1)[None].float() / 255
    return x.expand(-1, 3, -1, -1)


@pytest.fixture(scope="module")
def trips():
    """For each photo: itself, its sketch, the photo made of that, a coloured sketch, and the photo made of that."""
    chains = ["translate:photo2sketch", "translate:photo2sketch colour=0.5"]
    found = {}
    for name in PHOTOS:
        pixels = photo(name)
        images = [tensor(pixels)]
        for chain in chains:
            for text in (chain, f"{chain} | translate:sketch2photo"):
                images.append(tensor(Pipeline(text, device="cpu", dtype="fp32")(pixels).pixels))
        found[name] = images
    return found


def test_the_card_is_complete_and_of_this_file():
    (card,) = shipped("imgtk_pix2pix")
    path = locate("sketch2photo", "imgtk_pix2pix")
    assert card == Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.name == "sketch2photo"
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))
    assert path.stat().st_size < 6e6


def test_it_keeps_every_promise_of_an_operator():
    check_op("translate:sketch2photo", sizes=((150, 133), (1, 1)), tile=64)


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_look_more_like_the_original_than_their_sketches(name, trips):
    original, sketch, made, crayon, coloured = trips[name]
    features = load_features()
    assert feature_distance(made, original, features) < 0.8 * feature_distance(sketch, original, features)
    assert feature_distance(coloured, original, features) < 0.8 * feature_distance(crayon, original, features)


@pytest.mark.parametrize("name", PHOTOS)
def test_colours_that_are_given_come_back(name, trips):
    """Colours of 16x16 blocks are nearer to the photo's than those of the crayons, or of what is made without them."""
    original, _, made, crayon, coloured = (avg_pool2d(image, 16) for image in trips[name])
    assert psnr(coloured, original) > max(psnr(crayon, original), psnr(made, original)) + 1
