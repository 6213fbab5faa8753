"""Trainers of scenes: a few steps with tiny networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from imgtk import Pipeline
from imgtk.errors import TrainingError
from imgtk.registry import default
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_generate import scene_trainer, vae_trainer
from imgtk_generate.augment import augmented
from imgtk_generate.gan_trainer import LandscapeRecipe, LandscapeTrainer, VAEGANRecipe, VAEGANTrainer
from imgtk_generate.scenes import Scenes
from imgtk_generate.vae_network import SceneVAE
from imgtk_generate.vae_trainer import VAERecipe, VAETrainer
from tests.training.resuming import trained_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore")

TINY = {"name": "tiny", "width": 4, "code": 6, "batch": 2, "steps": 4, "held_out": 3, "ema": 0.5}
TRAINERS = {
    "landscape": (LandscapeTrainer, LandscapeRecipe),
    "vae": (VAETrainer, VAERecipe),
    "vaegan": (VAEGANTrainer, VAEGANRecipe),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight images of several sizes, a broken one, and one that is too small."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(8):
        small = Image.fromarray(random.integers(0, 255, (6, 8, 3), np.uint8))
        small.resize((170 + 9 * number, 140 + number), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG")
    small.resize((200, 63)).save(folder / "small.png")
    return folder


@pytest.fixture(scope="module")
def vae(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("vae") / "run"
    settings = {key: str(value) for key, value in TINY.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae_trainer, "GENERATED", 8)
        return train(default().spec("generate:vae"), photos, out, overrides=settings, device="cpu", dtype="fp32")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    for module in (scene_trainer, vae_trainer):
        monkeypatch.setattr(module, "GENERATED", 8)


def settings(name, vae):
    extra = {"landscape": {"init": vae}, "vaegan": {"init": vae, "refining": 8}}.get(name, {})
    return {key: str(value) for key, value in {**TINY, **extra}.items()}


@pytest.mark.parametrize("name", TRAINERS)
def test_they_are_trained_exported_and_used_and_resumed_exactly(name, photos, vae, tmp_path):
    weights = trained_and_resumed(default().spec(f"generate:{name}"), photos, tmp_path, settings(name, vae))
    assert "kid" in Card.read(weights.with_suffix(".toml")).scores["validation"]
    assert Pipeline(f"generate:{name} count=2 model={weights}", device="cpu")().pixels.shape == (128, 256, 3)


def test_a_finer_stage_is_learnt_from_larger_images(vae, tmp_path):
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((150, 150), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
    start = {**settings("landscape", vae), "crop": "128"}
    spec = default().spec("generate:landscape")
    first = train(spec, tmp_path, tmp_path / "one", overrides=start, device="cpu", dtype="fp32")
    again = {**start, "init": str(first), "steps": "1"}
    weights = train(spec, tmp_path, tmp_path / "two", overrides=again, device="cpu", dtype="fp32")
    assert "finer stage" in Card.read(weights.with_suffix(".toml")).architecture
    assert load_file(weights)["decoder.finer.last.weight"].any()
    assert Pipeline(f"generate:landscape 128x128 model={weights}", device="cpu")().pixels.shape == (128, 128, 3)
    with pytest.raises(TrainingError, match="makes 64 or 128 pixels, not crop=96"):
        LandscapeTrainer(LandscapeRecipe(crop=96))


@pytest.mark.parametrize(
    "sight", [{}, {"projected": False, "gan": "wasserstein", "gradient_penalty": 10.0}, {"discriminator": "pixels"}]
)
def test_gradients_reach_each_network_in_its_turn(sight, photos, vae):
    trainer = VAEGANTrainer(VAEGANRecipe(**TINY, init=str(vae), refining=8, **sight))
    images = trainer.load_images(sorted(photos.glob("[0-9].png")), torch.device("cpu"))
    batch = images.draw(2, torch.Generator().manual_seed(0))
    for name, found in trainer.updates(batch, trainer.networks):
        for network in trainer.networks.values():
            network.zero_grad()
        sum(found.values()).backward()
        for other in trainer.networks:
            touched = [p.grad is not None and bool(p.grad.any()) for p in trainer.trained_part(other).parameters()]
            assert any(touched) == (other == name)


def test_a_generator_of_landscapes_starts_as_the_decoder_or_from_nothing(photos, vae):
    images = Scenes(sorted(photos.glob("[0-9].png")), 64).draw(4, torch.Generator().manual_seed(0))
    trainer = LandscapeTrainer(LandscapeRecipe(**TINY, init=str(vae)))
    _, losses = next(trainer.updates(images, trainer.networks))
    assert set(losses) == {"adversarial", "perceptual", "soft"}
    assert not any(weight.requires_grad for weight in trainer.network.encoder.parameters())
    nothing = LandscapeTrainer(LandscapeRecipe(**TINY, reconstructed=0.0))
    _, losses = next(nothing.updates(images, nothing.networks))
    assert set(losses) == {"adversarial"}


def test_scenes_are_shrunk_and_show_nearly_all_of_an_image(photos):
    scenes = Scenes(sorted(photos.glob("*.png")), 64)
    assert len(scenes.images) == 8
    assert sorted(failure.partition(":")[0] for failure in scenes.failures) == ["broken.png", "small.png"]
    assert {min(image.shape[1:]) for image in scenes.images} == {72}
    drawn = scenes.draw(40, torch.Generator().manual_seed(0))
    assert drawn.shape == (40, 3, 64, 64)
    assert torch.equal(drawn, scenes.draw(40, torch.Generator().manual_seed(0)))
    assert scenes.middles().shape == (8, 3, 64, 64)
    with pytest.raises(TrainingError, match="none of the 1 images is readable and at least 64x64"):
        Scenes([photos / "small.png"], 64)


def test_augmentation_changes_images_and_passes_gradients():
    images = torch.rand(6, 3, 32, 40, requires_grad=True)
    result = augmented(images)
    assert result.shape == images.shape
    assert (result == 0.5).all(1).flatten(1).float().mean(1).max() < 0.3
    assert not torch.allclose(result[0], images[0])
    result.sum().backward()
    assert images.grad.abs().sum() > 0


def test_codes_are_drawn_as_those_of_images():
    network = SceneVAE(4, 3)
    means = torch.randn(500, 3) @ torch.tensor([[2.0, 1, 0], [0, 0.5, 0], [0, 0, 3]]) + 4
    network.fit(means)
    normal = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))
    codes = network.codes(normal)
    torch.testing.assert_close(codes.mean(0), means.mean(0), atol=0.1, rtol=0.02)
    torch.testing.assert_close(codes.T.cov(), means.T.cov(), atol=0.2, rtol=0.05)
    torch.testing.assert_close(network.normal(codes), normal, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("kind", "recipe", "message"),
    [
        (VAETrainer, VAERecipe(crop=128), "the network makes 64 pixels, not crop=128"),
        (VAEGANTrainer, VAEGANRecipe(discriminator="eyes"), "unknown discriminator 'eyes'"),
        (VAEGANTrainer, VAEGANRecipe(gan="wasserstein"), "Wasserstein"),
        (VAEGANTrainer, VAEGANRecipe(), "no autoencoder to refine"),
    ],
)
def test_settings_that_make_no_sense(kind, recipe, message, vae):
    if kind is VAEGANTrainer and message != "no autoencoder to refine":
        recipe = replace(recipe, **{key: TINY[key] for key in ("width", "code")}, init=str(vae))
    with pytest.raises(TrainingError, match=message):
        kind(recipe)
