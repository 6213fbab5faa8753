"""What the trainers of painting networks share."""

from __future__ import annotations

import pytest
import torch

from imgtk.nn.features import load_features
from imgtk.nn.losses import grams
from imgtk.painting.base_trainer import PaintingTrainer, means, style_figures
from imgtk.registry import default
from imgtk.training.trainer import trainer_type


@pytest.fixture(scope="module")
def images() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, 48, 64, generator=generator) ** power for power in (1, 2, 4)]


def test_figures_of_the_photo_itself_and_of_the_style_itself(images: list[torch.Tensor]) -> None:
    features = load_features(pooling="average")
    photo, painted, style = images
    target = grams(features(style, features.style_layers))
    assert style_figures(features, photo, photo, target) == pytest.approx({"gram_ratio": 1, "content": 0}, abs=1e-5)
    assert style_figures(features, photo, style, target)["gram_ratio"] == pytest.approx(0, abs=1e-5)
    between = style_figures(features, photo, painted, target)
    assert 0 < between["gram_ratio"] < 1
    assert between["content"] > 0


def test_means() -> None:
    assert means([{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.5}]) == {"a": 2.0, "b": 0.25}


def painters() -> list[str]:
    locations = {spec.trainer for spec in default().specs if spec.trainer}
    return sorted(location for location in locations if issubclass(trainer_type(location), PaintingTrainer))


def test_every_painting_plugin_has_one() -> None:
    folders = {location.split(".")[0] for location in painters()}
    assert folders >= {
        f"imgtk_{name}" for name in ("anystyle", "cyclegan", "gramstyle", "pix2pix", "stylizesr", "unit")
    }
