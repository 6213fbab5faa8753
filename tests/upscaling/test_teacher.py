"""Pairs that a teacher makes: kept, cut and turned together, and learnt from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.upscaling import teacher
from imgtk.upscaling.network import UpscalingNetwork
from imgtk.upscaling.teacher import TeacherPairs, make_pairs, pairs_folder, split
from imgtk.weights import Card, save
from imgtk_esrgan.network import SRVGGNetCompact
from imgtk_esrgan.trainer import CompactRecipe, CompactTrainer


class Repeating(UpscalingNetwork):
    """Repeats each pixel, and counts its calls."""

    scale = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.weight * interpolate(x, scale_factor=4.0, mode="nearest")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 255, (120, 140, 3), dtype=np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    return sorted(tmp_path.glob("*.png"))


def as_it_is(x: Tensor, generator: Generator) -> Tensor:
    return x


def test_crops_and_turns_of_input_and_target_belong_together() -> None:
    inputs = torch.randint(0, 256, (3, 3, 96, 96), dtype=torch.uint8)
    targets = inputs.repeat_interleave(4, 2).repeat_interleave(4, 3)
    pairs = TeacherPairs(inputs, targets, 48)
    small, large = split(pairs.draw(16, Generator().manual_seed(1)))
    assert small.shape == (16, 3, 12, 12)
    assert torch.equal(interpolate(small, scale_factor=4.0, mode="nearest"), large)
    assert not torch.equal(small[0], small[1])
    assert torch.equal(pairs.draw(4, Generator().manual_seed(2)), pairs.draw(4, Generator().manual_seed(2)))


@pytest.mark.parametrize("crop", [2, 400])
def test_crops_that_do_not_fit_are_refused(crop: int) -> None:
    with pytest.raises(TrainingError, match="do not fit"):
        TeacherPairs(torch.zeros(1, 3, 96, 96), torch.zeros(1, 3, 384, 384), crop)


def test_pairs_are_made_once(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "CHUNK", 4)
    network, folder = Repeating(), tmp_path / "pairs"
    inputs, targets = make_pairs(network, photos, as_it_is, 6, 0, folder)
    assert len(inputs) == len(targets) == network.calls == 8
    assert torch.equal(inputs.repeat_interleave(4, 2).repeat_interleave(4, 3), targets)
    again = make_pairs(network, photos, as_it_is, 6, 0, folder)
    assert network.calls == 8
    assert torch.equal(again[0], inputs)
    more, _ = make_pairs(network, photos, as_it_is, 12, 0, folder)
    assert network.calls == 12
    assert torch.equal(more[:8], inputs)


def test_nothing_to_learn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "CHUNK", 2)
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(TrainingError, match="smaller than 96x96"):
        make_pairs(Repeating(), [tmp_path / "small.png"], as_it_is, 2, 0, tmp_path / "pairs")


def test_the_folder_depends_on_what_the_pairs_depend_on() -> None:
    files = [Path("a.png")]
    folders = {
        pairs_folder("1", files, "photo", 0),
        pairs_folder("2", files, "photo", 0),
        pairs_folder("1", [*files, Path("b.png")], "photo", 0),
        pairs_folder("1", files, "mild", 0),
        pairs_folder("1", files, "photo", 1),
    }
    assert len(folders) == 5


def test_a_trainer_learns_from_its_teacher(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "CHUNK", 4)
    monkeypatch.setattr(teacher.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    torch.manual_seed(0)
    network = SRVGGNetCompact(features=8, convs=1)
    file = tmp_path / "teacher.safetensors"
    save(file, network.state_dict(), Card("teacher", "", "", "", ""))
    recipe = CompactRecipe(
        teacher=str(file), pairs=4, degradation="photo", spectrum=0.5, features=8, convs=1, batch=2, crop=64
    )
    trainer = CompactTrainer(recipe, default().context())
    trainer.prepare()
    batch = trainer.draw(trainer.load_images(photos, torch.device("cpu")), Generator().manual_seed(0))
    trainer.networks["generator"].load_state_dict(network.state_dict())
    ((_, losses),) = trainer.updates(batch, trainer.networks)
    assert set(losses) == {"l1", "spectrum"}
    assert all(0 <= loss < 1 for loss in losses.values())
    trainer.load_validation(photos[:1])  # the same network; the teacher may have run in bfloat16
    assert trainer.validate(trainer.networks["generator"].eval())["psnr_y"] > 40


def test_a_teacher_of_another_scale_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x2.safetensors"
    save(file, SRVGGNetCompact(features=8, convs=1, scale=2).state_dict(), Card("x2", "", "", "", ""))
    with pytest.raises(TrainingError, match="enlarges x2, and this network x4"):
        CompactTrainer(CompactRecipe(teacher=str(file), features=8, convs=1), default().context())
