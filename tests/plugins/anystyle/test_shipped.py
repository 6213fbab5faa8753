"""The shipped any-style network. These tests fail while its weights are missing: without them there is no product."""

import cv2
import pytest
import skimage.data
import torch

from imgtk.metrics import psnr
from imgtk.nn.features import load_features
from imgtk.nn.losses import content_distance, gram_distance, grams
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk.weights import Card, digest, locate, shipped
from imgtk_anystyle.reference import STYLE_SIDE, read_style

CPU = torch.device("cpu")
HELD_OUT = ("munch_the_scream.webp", "roman_mosaic_ducks_massimo.jpg", "signac_la_calanque_pointillism.webp")
"""Style images that the network has never seen."""


@pytest.fixture(scope="module")
def painting(tmp_path_factory):
    """A style image without data of the project: a photograph of cells in strong colours."""
    path = tmp_path_factory.mktemp("style") / "style.png"
    cv2.imwrite(str(path), skimage.data.immunohistochemistry()[..., ::-1])
    return path


def operator(path, dtype=torch.float32, **params):
    op = default().build("style:any", image=[path], **params)
    op.to(CPU, dtype)
    return op


def photo(side):
    pixels = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True)


def test_the_card_is_complete_and_of_this_file():
    path = locate("any", "imgtk_anystyle")
    card = Card.read(path.with_suffix(".toml"))
    assert [card.name for card in shipped("imgtk_anystyle")] == ["any"]
    assert card.sha256 == digest(path)
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))
    assert path.stat().st_size < 4e6


def test_it_keeps_every_promise_of_an_operator(painting):
    check_op("style:any", sizes=((150, 133), (1, 1)), tile=64, image=[painting])


@pytest.mark.parametrize("style", HELD_OUT)
@torch.inference_mode()
def test_styles_never_seen_are_painted(style, shared):
    """The Gram distance falls by 60 percent at least, and the photo is still there."""
    features, path = load_features(), shared / "styles" / style
    target, x = grams(features(read_style(path, STYLE_SIDE))), photo(384)
    y = operator(path)(x)
    before, after = (gram_distance(grams(features(image)), target) for image in (x, y))
    assert after <= 0.4 * before
    assert content_distance(features(y, ["fire5"]), features(x, ["fire5"])) < 1


@torch.inference_mode()
def test_styles_differ(shared):
    x = photo(192)
    first, second, third = (operator(shared / "styles" / style)(x) for style in HELD_OUT)
    assert min(psnr(first, second), psnr(first, third), psnr(second, third)) < 15


@torch.inference_mode()
def test_a_image_in_its_own_style_stays_what_it_is(tmp_path):
    path = tmp_path / "own.png"
    cv2.imwrite(str(path), skimage.data.astronaut()[..., ::-1])
    x = photo(512)
    assert psnr(operator(path)(x), x) > 15


@torch.inference_mode()
def test_no_checkerboard(painting):
    """In a flat area, no grid position (of the network's 4 x 4) is brighter than the others."""
    x = photo(256).clone()
    x[..., 128:, 128:] = 0.6
    y = operator(painting)(x)[0].mean(0)[192:252, 192:252]
    assert y.unfold(0, 4, 4).unfold(1, 4, 4).mean((0, 1)).std() < 2 / 255


@torch.inference_mode()
def test_reduced_precision_stays_close(painting):
    x = photo(128)
    whole, reduced = (operator(painting, dtype)(x.to(dtype)).float() for dtype in (torch.float32, torch.bfloat16))
    assert psnr(whole, reduced) > 40
