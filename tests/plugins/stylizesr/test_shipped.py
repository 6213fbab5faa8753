"""The shipped weights. Without them the product is not complete, and these tests fail."""

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from imgtk.metrics import feature_distance, psnr
from imgtk.nn.colour import luma
from imgtk.nn.degradation import classic
from imgtk.nn.features import load_features
from imgtk.nn.losses import grid
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.registry import default
from imgtk.testing import in_tiles
from imgtk.weights import Card, digest, locate, shipped

SPEC = default().spec("stylize-sr:monet")
(NAME,) = SPEC.weights


def operator(dtype=torch.float32):
    op = SPEC.build(default().context())
    op.to(torch.device("cpu"), dtype)
    return op


def photo(name="coffee", side=384):
    pixels = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None] / 255
    return pixels[..., :side, :side]


def test_what_the_operator_names_is_shipped_and_its_card_is_complete():
    assert {card.name for card in shipped("imgtk_stylizesr")} == {NAME}
    path = locate(NAME, "imgtk_stylizesr")
    card = Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.scale == operator().network.scale == 4
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))


@pytest.mark.parametrize("subject", ["coffee", "astronaut", "chelsea"])
@torch.inference_mode()
def test_it_paints_what_the_photo_shows(subject):
    target, features = photo(subject, 256), load_features()
    x = classic(target, 4)
    painted = operator()(x).clamp(0, 1)
    plain = F.interpolate(x, scale_factor=4, mode="bicubic").clamp(0, 1)
    assert feature_distance(painted, plain, features) > 0.08  # it is not the photo, enlarged
    assert psnr(painted, target) > 15  # it is still the photo
    assert (luma(painted).mean() - luma(target).mean()).abs() < 0.1


@torch.inference_mode()
def test_there_is_neither_grid_nor_weave():
    assert grid(operator()(classic(photo(), 4)), 4) < 0.15
    assert regularity(operator()(smooth_image(160, 112))) < 0.2


@torch.inference_mode()
def test_tiles_give_the_whole_and_reduced_precision_stays_close():
    op, x = operator(), classic(photo(side=256), 4)
    whole = op(x)
    assert (in_tiles(op, x, min(whole.shape[2:]) // 2) - whole).abs().max() < 1e-5
    assert psnr(operator(torch.bfloat16)(x.bfloat16()).float().clamp(0, 1), whole.clamp(0, 1)) > 40
