"""Trainer of the `restore:` operators: a few steps with tiny networks, and the degradations."""

import numpy as np
import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.weights import Card
from imgtk_restore.degrade import BEYOND, DEGRADATIONS, blurred, compressed, dark, disc_kernels, line_kernels, noisy
from imgtk_restore.trainer import RestoreRecipe, RestoreTrainer, as_gray, some_gray
from tests.training.resuming import trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = {
    "name": "tiny",
    "widths": "4,6",
    "blocks": "1,1",
    "crop": "16",
    "batch": "4",
    "steps": "4",
    "held_out": "1",
    "gray": "0.3",
}


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_it_is_trained_exported_and_used_and_resumed_exactly(data, tmp_path, degradation):
    spec = default().spec("restore:denoise")
    crop = "48" if degradation == "blur" else "16"
    weights = trained_and_resumed(spec, data, tmp_path, {**TINY, "degradation": degradation, "crop": crop})
    card = Card.read(weights.with_suffix(".toml"))
    assert card.architecture.startswith("RestorationNet, 3 residual blocks")
    assert set(card.scores["validation"]) == {"psnr", "psnr_y"}
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    assert Pipeline(f"restore:denoise model={weights}", device="cpu")(pixels).pixels.shape == pixels.shape


def test_it_learns_to_remove_noise():
    torch.manual_seed(0)
    trainer = RestoreTrainer(RestoreRecipe(widths="8,12", blocks="1,1", crop=16))
    batch = torch.rand(8, 3, 1, 1).expand(-1, -1, 16, 16)
    optimizer = torch.optim.Adam(trainer.networks["generator"].parameters(), 1e-2)
    course = []
    for _ in range(100):
        _, found = next(trainer.updates(batch, trainer.networks))
        optimizer.zero_grad()
        found["l1"].backward()
        optimizer.step()
        course.append(found["l1"].item())
    assert sum(course[-20:]) < 0.8 * sum(course[:20])


def test_gray_images_have_the_same_noise_in_all_channels():
    torch.manual_seed(0)
    images = torch.rand(400, 3, 8, 8)
    target = some_gray(images, 0.25)
    gray = (target == target[:, :1]).flatten(1).all(1)
    assert 0.15 < gray.float().mean() < 0.35
    assert torch.equal(target[~gray], images[~gray])
    degraded = noisy(target, torch.Generator().manual_seed(0))
    found = as_gray(degraded, target)
    assert (found[gray, :3] == degraded[gray, :1]).all()
    assert torch.equal(found[~gray], degraded[~gray])
    assert torch.equal(found[:, 3:], degraded[:, 3:])


def test_the_noise_has_the_level_that_is_told():
    generator = torch.Generator().manual_seed(0)
    target = torch.full((64, 3, 32, 32), 0.5)
    x, level, told = noisy(target, generator).split((3, 1, 1), 1)
    assert set(told.unique().tolist()) == {0.0, 1.0}
    assert (level[told == 0] == 0).all()
    for image, strength, known in zip(x, level[:, 0, 0, 0], told[:, 0, 0, 0], strict=True):
        if known and strength < 0.5:  # stronger noise is cut off at black and white
            assert image.std() * 255 == pytest.approx(60 * strength.item(), abs=0.6, rel=0.05)


def test_the_same_generator_gives_the_same_images():
    target = torch.rand(4, 3, 48, 48)
    for degrade in DEGRADATIONS.values():
        first, second = (degrade(target, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, second)
        side = 48 - 2 * BEYOND if degrade is blurred else 48
        assert first.shape == (4, 5, side, side)
        assert (first[:, 3:] >= 0).all()


def test_jpeg_keeps_images_where_they_were():
    target = torch.rand(16, 3, 1, 1).expand(-1, -1, 32, 32).contiguous()
    target[:, :, :16] = 1 - target[:, :, 16:]
    x = compressed(target, torch.Generator().manual_seed(0))[:, :3]
    assert (x - target).abs().mean() < 0.05


def test_blur_keeps_images_where_they_were_and_as_bright():
    """No kernel moves the image, whatever its kind; each sums to 1."""
    for kernels in (disc_kernels(torch.tensor([0.0, 2.3, 4.0])), line_kernels(torch.rand(5) * 12, torch.rand(5) * 3)):
        torch.testing.assert_close(kernels, kernels.flip((1, 2)))
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(len(kernels)))
    assert disc_kernels(torch.zeros(1))[0, 10, 10] == pytest.approx(1)
    target = torch.rand(12, 3, 40 + 2 * BEYOND, 40 + 2 * BEYOND)
    x = blurred(target, torch.Generator().manual_seed(0))[:, :3]
    target = target[..., BEYOND:-BEYOND, BEYOND:-BEYOND]
    assert (x.mean((2, 3)) - target.mean((2, 3))).abs().max() < 0.03
    assert (x.std((2, 3)) < target.std((2, 3))).all()


def test_darkness_leaves_the_brightness_and_adds_noise():
    target = torch.rand(16, 3, 1, 1).expand(-1, -1, 32, 32) * 0.6 + 0.2
    x = dark(target, torch.Generator().manual_seed(0))[:, :3]
    assert (x.mean((2, 3)) - target[..., 0, 0]).abs().max() < 0.15
    assert x.std((2, 3)).mean() > 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degradation": "rain"}, "unknown degradation 'rain'"),
        ({"widths": "4,x"}, "widths must be whole numbers above 0"),
        ({"widths": "4"}, "widths are for 1 levels and blocks for 3"),
        ({"crop": 60}, "crops of 60 pixels do not suit"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(TrainingError, match=message):
        RestoreTrainer(RestoreRecipe(**settings))
