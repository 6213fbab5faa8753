"""The training loop with a trainer small enough to run in a blink."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from imgtk.errors import TrainingError
from imgtk.op import OpSpec
from imgtk.training import CropSampler
from imgtk.training.recipe import load_recipe
from imgtk.training.run import train
from tests.training.toy import SPEC, ToyRecipe


def losses(out: Path) -> list[tuple[str, str, str]]:
    with (out / "log.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file) if row[1] != "seconds"]


@pytest.mark.parametrize("stop_at", [5, 7])
def test_interrupted_and_resumed_gives_the_same_losses(data: Path, tmp_path: Path, stop_at: int) -> None:
    whole = train(SPEC, data, tmp_path / "whole", device="cpu")
    train(SPEC, data, tmp_path / "parts", device="cpu", stop_at=stop_at)
    torch.manual_seed(99)
    parts = train(SPEC, data, tmp_path / "parts", device="cpu", resume=True)

    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert len(losses(tmp_path / "whole")) == 1 + 12 * 2 + 3
    one, other = torch.load(whole), torch.load(parts)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_schedules() -> None:
    cosine, linear = (ToyRecipe(steps=102, warmup=2, schedule=name) for name in ("cosine", "linear"))
    for recipe in (cosine, linear):
        assert [recipe.lr_factor(step) for step in range(3)] == [0.5, 1, 1]
        assert recipe.lr_factor(102) == pytest.approx(0)
    assert [round(cosine.lr_factor(step), 3) for step in (27, 52, 77)] == [0.854, 0.5, 0.146]
    assert [round(linear.lr_factor(step), 3) for step in (27, 52, 77)] == [1, 1, 0.5]
    with pytest.raises(TrainingError, match="unknown schedule 'sine'"):
        ToyRecipe(schedule="sine")


def test_a_run_killed_between_checkpoints_goes_back_to_the_last_one(data: Path, tmp_path: Path) -> None:
    def kill(status: object) -> None:
        if status.step == 8:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    train(SPEC, data, tmp_path / "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, data, tmp_path / "killed", device="cpu", report=kill)
    train(SPEC, data, tmp_path / "killed", device="cpu", resume=True)
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")


def test_what_a_run_leaves(data: Path, tmp_path: Path) -> None:
    train(SPEC, data, tmp_path / "out", device="cpu")
    names = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if "tfevents" not in p.name}
    assert names >= {"last.ckpt", "log.csv", "best/toy.pth", "final/toy.pth"}
    assert names >= {"samples/0000006.png", "samples/0000012.png"}
    assert (
        "trained for 12 iterations (batch 2, crops of 16 px) on 3 images"
        in (tmp_path / "out/final/card.txt").read_text()
    )
    assert PIL.Image.open(tmp_path / "out/samples/0000012.png").size == (40, 24)


def test_the_network_learns(data: Path, tmp_path: Path) -> None:
    train(SPEC, data, tmp_path / "out", device="cpu", overrides={"steps": "60", "ema": "0.5"})
    values = [float(value) for _, name, value in losses(tmp_path / "out") if name == "generator/l1"]
    assert np.mean(values[-5:]) < 0.8 * np.mean(values[:5])


def test_a_step_without_a_finite_gradient_is_left_out(data: Path, tmp_path: Path) -> None:
    overrides = {"steep_from": "3", "steep_for": "4"}
    train(SPEC, data, tmp_path / "out", device="cpu", overrides=overrides)
    assert all(np.isfinite(float(value)) for _, name, value in losses(tmp_path / "out") if name == "generator/l1")
    with pytest.raises(TrainingError, match=r"gradient of generator was not finite 10 times in a row, last at step 12"):
        train(SPEC, data, tmp_path / "steep", device="cpu", overrides={**overrides, "steep_for": "20"})


def test_nan_stops_and_names_the_loss(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss generator/l1 became nan at step 7"):
        train(SPEC, data, tmp_path / "out", device="cpu", overrides={"poison_at": "7"})
    assert (tmp_path / "out/last.ckpt").exists()


def test_a_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    train(SPEC, data, tmp_path / "out", device="cpu", stop_at=1)
    with pytest.raises(TrainingError, match="already holds a run"):
        train(SPEC, data, tmp_path / "out", device="cpu")


def test_resuming_with_another_recipe(data: Path, tmp_path: Path) -> None:
    train(SPEC, data, tmp_path / "out", device="cpu", stop_at=1)
    with pytest.raises(TrainingError, match=r"another recipe: lr differ"):
        train(SPEC, data, tmp_path / "out", device="cpu", resume=True, overrides={"lr": "0.5"})


def test_a_damaged_checkpoint(data: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(TrainingError, match="cannot read the checkpoint"):
        train(SPEC, data, tmp_path, device="cpu", resume=True)
    torch.save({"foreign": 1}, tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match="cannot read the checkpoint"):
        train(SPEC, data, tmp_path, device="cpu", resume=True)


def test_an_empty_folder_and_images_that_are_too_small(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no images in"):
        train(SPEC, tmp_path, tmp_path / "out")
    with pytest.raises(TrainingError, match=r"none of the 3 images is readable and at least 64x64"):
        train(SPEC, data, tmp_path / "out", overrides={"crop": "64"})


def test_resuming_what_is_not_there_and_writing_where_one_may_not(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to resume"):
        train(SPEC, data, tmp_path / "typo", resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot write into"):
        train(SPEC, data, tmp_path / "file" / "out")


def test_operators_without_trainer(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has no trainer"):
        train(OpSpec("plain", "a:B", ""), data, tmp_path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stepz": "3"}, "has no setting 'stepz'"),
        ({"steps": "many"}, "steps: expected a whole number, got 'many'"),
        ({"steps": "1.5"}, "expected a whole number"),
        ({"lr": "fast"}, "lr: expected a number"),
        ({"steps": "inf"}, "expected a whole number"),
        ({"batch": "0"}, "batch must be at least 1"),
        ({"held_out": "0"}, "held_out must be at least 1"),
    ],
)
def test_wrong_settings(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        load_recipe(ToyRecipe, None, overrides)


def test_recipes_come_from_toml_and_settings_go_over_them(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('steps = 3\nname = "x"\n')
    recipe = load_recipe(ToyRecipe, tmp_path / "r.toml", {"steps": "4"})
    assert (recipe.steps, recipe.name, recipe.crop) == (4, "x", 16)
    (tmp_path / "bad.toml").write_text("steps = = 3")
    with pytest.raises(TrainingError, match="cannot read the recipe"):
        load_recipe(ToyRecipe, tmp_path / "bad.toml", {})


def test_crops_prefer_detail(tmp_path: Path) -> None:
    pixels = np.full((128, 512, 3), 128, np.uint8)
    pixels[:, 256:] = np.random.default_rng(0).integers(0, 256, (128, 256, 3))
    PIL.Image.fromarray(pixels).save(tmp_path / "half.png")
    crops = CropSampler([tmp_path / "half.png"], 64).draw(200, torch.Generator().manual_seed(0))
    busy = (crops.std((1, 2, 3)) > 0.1).float().mean()
    assert crops.shape == (200, 3, 64, 64)
    assert busy > 0.7


def test_unreadable_images_are_left_out(data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    pool = CropSampler(sorted(tmp_path.glob("*.png")), 16)
    assert len(pool.tensors) == 1
    assert len(pool.failures) == 1
    assert "broken.png" in pool.failures[0]
