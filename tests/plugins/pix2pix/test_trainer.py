"""Training on pairs: made of photos, or of two folders; resuming; and what is refused."""

import csv
import shutil

import cv2
import numpy as np
import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.painting.op import load_network
from imgtk.registry import default
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet
from imgtk_pix2pix.pairs import Pairs, partners
from imgtk_pix2pix.trainer import PairedRecipe, PairedTrainer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def settings(backbone):
    values = {
        "backbone": backbone,
        "width": 4,
        "depth": 3,
        "patch_features": 4,
        "patch_layers": 2,
        "crop": 64,
        "side": 0,
        "batch": 2,
        "steps": 4,
        "held_out": 1,
        "warmup": 1,
    }
    return {key: str(value) for key, value in values.items()}


def run(photos, out, settings, **more):
    spec = default().spec("translate:sketch2photo")
    return train(spec, photos, out, overrides=settings, device="cpu", dtype="fp32", **more)


def logged(out):
    with (out / "log.csv").open() as file:
        return [tuple(row.values()) for row in csv.DictReader(file) if row["figure"] != "seconds"]


def test_photos_are_learnt_from_their_sketches(photos, settings, tmp_path):
    settings.update(steps="15", lr="0.01")
    weights = run(photos, tmp_path, settings)
    found = [float(value) for _, figure, value in logged(tmp_path) if figure == "generator/pixel"]
    assert sum(found[-3:]) < sum(found[:3])
    assert isinstance(load_network(weights, default().architectures), SmoothUNet)
    card = Card.read(weights.with_suffix(".toml"))
    assert set(card.scores["validation"]) == {"feature_distance", "l1", "kid", "kid_targets"}
    assert cv2.imread(str(next((tmp_path / "samples").glob("*.png")))).shape[1] == 3 * 88


@pytest.mark.parametrize("paired", [False, True])
def test_interrupted_and_resumed_gives_the_same_figures(paired, photos, targets, settings, tmp_path):
    """Random pencils, shifts and dropout are part of what a checkpoint holds."""
    settings.update(dropout="0.5", **({"target": str(targets)} if paired else {}))
    run(photos, tmp_path / "whole", settings)
    run(photos, tmp_path / "parts", settings, stop_at=2)
    run(photos, tmp_path / "parts", settings, resume=True)
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")


def test_the_recipe_of_the_paper(photos, targets, settings, tmp_path):
    """A transposed U-Net by Adam, with a cross-entropy GAN and 100 L1, no perceptual loss."""
    paper = {
        "variant": "transposed",
        "gan": "standard",
        "pixel": "100",
        "colour": "0",
        "perceptual": "0",
        "optimizer": "adam",
    }
    settings.update(paper, adversarial="1", dropout="0.5", target=str(targets))
    weights = run(photos, tmp_path, settings)
    assert isinstance(load_network(weights, default().architectures), TransposedUNet)
    assert "generator/perceptual" not in {figure for _, figure, _ in logged(tmp_path)}


def test_without_a_gan_no_discriminator_is_trained(photos, settings, tmp_path):
    run(photos, tmp_path, settings | {"adversarial": "0", "steps": "1"})
    assert not any("discriminator" in figure or "adversarial" in figure for _, figure, _ in logged(tmp_path))


def test_pairs_stay_pairs_however_they_are_cut(photos, targets):
    """Each target is the negative of its input: so are all crops."""
    pairs = Pairs(partners(sorted(photos.iterdir()), targets), 64, turns=False)
    crops = pairs.draw(6, torch.Generator().manual_seed(0))
    assert crops.shape == (6, 6, 64, 64)
    torch.testing.assert_close(crops[:, :3], 1 - crops[:, 3:], atol=1.01 / 255, rtol=0)


def test_partners_may_have_another_format(photos, tmp_path):
    for file in photos.iterdir():
        cv2.imwrite(str(tmp_path / f"{file.stem}.jpg"), cv2.imread(str(file)))
    assert {path.suffix for path in partners(sorted(photos.iterdir()), tmp_path).values()} == {".jpg"}


def test_missing_and_ambiguous_partners(photos, targets, settings, tmp_path):
    folder = tmp_path / "targets"
    shutil.copytree(targets, folder)
    (folder / "1.png").unlink()
    with pytest.raises(TrainingError, match=r"1 of 2 images have no single partner.*1\.png"):
        run(photos, tmp_path / "a", settings | {"target": str(folder)})
    for suffix in (".jpg", ".png"):
        cv2.imwrite(str(folder / f"1{suffix}"), np.zeros((80, 90, 3), np.uint8))
    with pytest.raises(TrainingError, match=r"no single partner.*1\.png"):
        run(photos, tmp_path / "b", settings | {"target": str(folder)})


def test_pairs_of_different_size(photos, targets, settings, tmp_path):
    folder = tmp_path / "targets"
    shutil.copytree(targets, folder)
    cv2.imwrite(str(folder / "2.png"), np.zeros((80, 91, 3), np.uint8))
    with pytest.raises(TrainingError, match=r"differ in size \(90x80 and 91x80 pixels\)"):
        run(photos, tmp_path / "out", settings | {"target": str(folder)})


@pytest.mark.parametrize("there", [True, False])
def test_empty_and_missing_folders_of_targets(there, photos, settings, tmp_path):
    folder = tmp_path / "targets"
    if there:
        folder.mkdir()
    with pytest.raises(TrainingError, match=f"no images in {folder}"):
        run(photos, tmp_path / "out", settings | {"target": str(folder)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": "painting"}, "unknown pairs 'painting'"),
        ({"variant": "paper"}, "unknown variant 'paper'"),
        ({"crop": 60}, "crops of 60"),
        ({"depth": 1}, "1 levels"),
        ({"gan": "best"}, "unknown GAN loss 'best'"),
    ],
)
def test_settings_that_make_no_training(change, message, backbone):
    with pytest.raises(TrainingError, match=message):
        PairedTrainer(PairedRecipe(**{"backbone": str(backbone), "crop": 64, **change}))


def test_a_run_starts_from_weights_of_its_size_only(smooth_file, backbone):
    recipe = {"backbone": str(backbone), "crop": 64, "init": str(smooth_file)}
    with pytest.raises(TrainingError, match="does not fit SmoothUNet, 5 levels"):
        PairedTrainer(PairedRecipe(**recipe))
    with pytest.raises(TrainingError, match="does not fit TransposedUNet"):
        PairedTrainer(PairedRecipe(**recipe, variant="transposed", width=4))
