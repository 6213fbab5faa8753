"""The shipped weights of all upscalers. Without them the product is not complete, and these tests fail."""

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from imgtk.metrics import feature_distance
from imgtk.nn.degradation import Fixed
from imgtk.nn.features import load_features
from imgtk.registry import default
from imgtk.testing import in_tiles
from imgtk.weights import Card, digest, locate, shipped

PACKAGES = ("imgtk_esrgan", "imgtk_srgan")
SPECS = {name: spec for spec in default().specs if spec.preset.get("package") in PACKAGES for name in spec.weights}
CPU = torch.device("cpu")

TILE_BOUND = 1 / 510
"""Largest difference between tiled and untiled that docs/upscaling.md promises for RRDBNet: half an 8-bit step."""


def operator(name, dtype=torch.float32):
    spec = SPECS[name]
    op = spec.build(default().context(), model=name)
    op = spec.build(default().context(), model=name, scale=op.network.scale)
    op.to(CPU, dtype)
    return op


def photo(name, size=96):
    pixels = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None] / 255
    top, left = (pixels.shape[2] - 4 * size) // 2, (pixels.shape[3] - 4 * size) // 2
    return pixels[..., max(0, top) : top + 4 * size, max(0, left) : left + 4 * size]


def shrink(pixels, scale):
    size = [side // scale for side in pixels.shape[2:]]
    return F.interpolate(pixels, size, mode="bicubic", antialias=True).mul(255).round().clamp(0, 255) / 255


def psnr(a, b, border=8):
    inside = (..., slice(border, -border), slice(border, -border))
    return -10 * (a.float() - b.float())[inside].clamp(-1, 1).square().mean().log10().item()


def test_what_the_operators_name_is_shipped_and_nothing_else():
    assert {card.name for package in PACKAGES for card in shipped(package)} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_the_card_is_complete_and_of_this_file(name):
    path = locate(name, SPECS[name].preset["package"])
    card = Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.name == name
    assert card.licence == "Apache-2.0"
    assert card.data
    assert card.scores
    assert all((card.summary, card.architecture, card.trained, card.recipe))
    assert card.scale == operator(name).network.scale


@pytest.mark.parametrize("name", SPECS)
@torch.inference_mode()
def test_reduced_precision_stays_close(name):
    x = shrink(photo("astronaut", 64), 4)
    exact = operator(name)(x).clamp(0, 1)
    reduced = operator(name, torch.bfloat16)(x.bfloat16()).clamp(0, 1)
    assert psnr(exact, reduced) > 48


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("subject", ["astronaut", "coffee"])
@torch.inference_mode()
def test_colour_is_kept(name, subject):
    x = shrink(photo(subject), 4)
    shift = operator(name)(x).clamp(0, 1).mean((2, 3)) - x.mean((2, 3))
    assert shift.abs().max() < 1 / 255


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@torch.inference_mode()
def test_flat_areas_stay_flat(name, level):
    """No grid, no speckle, and white stays white, up to the corners."""
    op = operator(name)
    side = 24 * op.network.multiple
    y = op(torch.full((1, 3, side, side), level))
    assert torch.equal(y, torch.full_like(y, level))


@pytest.mark.parametrize("name", [name for name in SPECS if "gan" not in name and "sharp" not in name])
@torch.inference_mode()
def test_it_beats_bicubic(name):
    op = operator(name)
    target = photo("astronaut")
    x = shrink(target, op.network.scale)
    bicubic = F.interpolate(x, target.shape[2:], mode="bicubic").clamp(0, 1)
    assert psnr(op(x).clamp(0, 1), target) > psnr(bicubic, target) + 1


@pytest.mark.parametrize("name", ["esrgan-x4", "compact-x4-sharp"])
@torch.inference_mode()
def test_what_is_for_photos_as_they_are_repairs_them(name):
    """On average, and for what two measures say: plain error, and features."""
    features = load_features()
    fidelity, distance = [], []
    for subject in ("astronaut", "coffee", "chelsea"):
        target = photo(subject, 72)
        x = Fixed()(target, 4, torch.Generator().manual_seed(0))
        real, sharp = (operator(name)(x).clamp(0, 1) for name in (name, "esrgan-x4-clean"))
        outputs = (real, sharp, F.interpolate(x, target.shape[2:], mode="bicubic").clamp(0, 1))
        fidelity.append([psnr(output, target) for output in outputs])
        distance.append([feature_distance(output, target, features) for output in outputs])
    real, sharp, bicubic = (sum(column) / 3 for column in zip(*fidelity, strict=True))
    assert real > max(sharp, bicubic)
    real, sharp, bicubic = (sum(column) / 3 for column in zip(*distance, strict=True))
    assert real < min(sharp, bicubic)


@pytest.mark.parametrize("subject", ["astronaut", "coffee", "chelsea"])
@torch.inference_mode()
def test_at_x1_degraded_images_come_closer_to_what_they_were(subject):
    target = photo(subject, 48)
    x = Fixed()(target, 1, torch.Generator().manual_seed(0))
    assert psnr(operator("esrgan-x1")(x).clamp(0, 1), target) > psnr(x, target)


@pytest.mark.parametrize("name", SPECS)
@torch.inference_mode()
def test_tiles_are_within_the_promised_bound(name):
    op = operator(name)
    x = photo("coffee", 24)
    whole = op(x)
    worst = (in_tiles(op, x, min(whole.shape[2:]) // 2) - whole).abs().max().item()
    assert worst < (TILE_BOUND if "rrdb" in name or "esrgan" in name else 1e-5)
