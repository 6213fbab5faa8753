"""What is shipped. These tests fail while the weights are missing: without them the product is not complete."""

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from imgtk.metrics import psnr
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.colour import luma
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk.weights import Card, digest, locate, shipped

NAMES = ("photo2monet", "monet2photo")
EVERY = pytest.mark.parametrize("name", NAMES)


def operator(name, dtype=torch.float32):
    op = default().build(f"translate:{name}")
    op.to(torch.device("cpu"), dtype)
    return op


def photo():
    """(1, 3, 256, 256) that nothing was trained on."""
    pixels = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
    return F.avg_pool2d(pixels, 2)


def test_what_the_operators_name_is_shipped_and_nothing_else():
    assert {card.name for card in shipped("imgtk_cyclegan")} == set(NAMES)


@EVERY
def test_the_card_is_complete_and_of_this_file(name):
    path = locate(name, "imgtk_cyclegan")
    card = Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.name == name
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))
    assert path.stat().st_size < 4e6


@EVERY
def test_it_keeps_every_promise_of_an_operator(name):
    check_op(f"translate:{name}", sizes=((150, 133), (40, 33)), tile=64)


@EVERY
@torch.inference_mode()
def test_what_is_shown_stays(name):
    """Light and dark are where they were, and colours on the whole, too; but it is not the same image."""
    x = photo()
    y = operator(name)(x)
    assert psnr(x, y) < 30
    small, other = (F.avg_pool2d(p, 16).flatten(1) for p in (x, y))
    assert torch.corrcoef(torch.cat([small, other]))[0, 1] > 0.9
    assert (x.mean((2, 3)) - y.mean((2, 3))).abs().max() < 0.1


@EVERY
@torch.inference_mode()
def test_no_checkerboard(name):
    """In a flat area, no grid position (of a network's 4 x 4) is brighter than the others."""
    x = photo()
    x[..., 128:, 128:] = 0.6
    y = operator(name)(x)[0].mean(0)[192:252, 192:252]
    phases = y.unfold(0, 4, 4).unfold(1, 4, 4).mean((0, 1))
    assert phases.std() < 2 / 255


@torch.inference_mode()
def test_nothing_repeats_in_what_is_painted_over_a_smooth_image():
    assert regularity(operator("photo2monet")(smooth_image(512, 448))) <= 0.25


@torch.inference_mode()
def test_the_way_back_adds_nothing_to_a_smooth_image():
    """Regularity says nothing here: there is no texture that could be regular."""
    y = luma(operator("monet2photo")(smooth_image(512, 448)))
    assert 255 * (y - gaussian_blur(y, 6))[..., 32:-32, 32:-32].std() < 0.5


@EVERY
@torch.inference_mode()
def test_reduced_precision_stays_close(name):
    x = photo()
    assert psnr(operator(name)(x), operator(name, torch.bfloat16)(x.bfloat16()).float()) > 44
