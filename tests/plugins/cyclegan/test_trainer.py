"""Both methods, a few steps each: what is written, what is resumed, and what is refused."""

import csv

import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import TrainingError, WeightsError
from imgtk.nn.discriminators import FeatureDiscriminator, PatchDiscriminator
from imgtk.painting.network import StyleNetwork
from imgtk.painting.op import load_network
from imgtk.registry import default
from imgtk.testing import sample_image
from imgtk.training.recipe import load_recipe, recipe_file
from imgtk.training.run import train
from imgtk.weights import Card
from imgtk_cyclegan.methods import Contrast, Cycle, PaintedPairs
from imgtk_cyclegan.network import ResnetGenerator
from imgtk_cyclegan.painter import Painter
from imgtk_cyclegan.trainer import TranslationRecipe, TranslationTrainer

pytestmark = pytest.mark.filterwarnings("ignore")
SPEC = default().spec("translate:photo2monet")
CPU = {"device": "cpu", "dtype": "fp32"}


@pytest.fixture
def settings(paintings, backbone):
    values = {
        "target": paintings,
        "backbone": backbone,
        "features": 4,
        "blocks": 1,
        "discriminator_features": 4,
        "discriminator_layers": 1,
        "crop": 32,
        "content": 0,
        "side": 48,
        "patches": 20,
        "pool": 2,
        "steps": 6,
        "warmup": 1,
        "held_out": 2,
    }
    return {key: str(value) for key, value in values.items()}


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    """The file of a tiny style."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("style") / "style.safetensors"
    save_file(StyleNetwork(8, 1).state_dict(), path)
    return path


def log(out):
    with (out / "log.csv").open() as file:
        return [
            (row["step"], row["figure"], row["value"]) for row in csv.DictReader(file) if row["figure"] != "seconds"
        ]


def test_cyclegan_exports_both_directions(photos, settings, tmp_path):
    weights = train(SPEC, photos, tmp_path / "run", overrides=settings, **CPU)
    assert weights == tmp_path / "run" / "final" / "photo2painting.safetensors"
    there, back = (
        load_network(weights, default().architectures),
        load_network(weights.with_name("painting2photo.safetensors"), default().architectures),
    )
    assert isinstance(there, ResnetGenerator)
    assert any(not torch.equal(a, b) for a, b in zip(there.parameters(), back.parameters(), strict=True))
    for name in ("photo2painting", "painting2photo"):
        card = Card.read(weights.with_name(f"{name}.toml"))
        assert card.name == name
        assert card.trained.startswith("CycleGAN, trained for 6 iterations")
        assert set(card.scores["validation"]) == {"kid", "kid_photos", "kid_back", "content", "regularity"}
    assert (tmp_path / "run" / "best" / "painting2photo.safetensors").exists()
    op = default().build("translate:cyclegan", model=str(weights))
    op.to(torch.device("cpu"), torch.float32)
    assert op(sample_image(32, 32)).shape == (1, 3, 32, 32)


def test_a_run_starts_from_what_another_has_exported(photos, settings, tmp_path):
    weights = train(SPEC, photos, tmp_path / "run", overrides={**settings, "steps": "1"}, **CPU)
    trainer = TranslationTrainer(recipe_of(settings, init=str(weights)))
    for network, name in ((trainer.method.there, "photo2painting"), (trainer.method.back, "painting2photo")):
        stored = load_network(weights.with_name(f"{name}.safetensors"), default().architectures).state_dict()
        assert all(torch.equal(value.float(), stored[key]) for key, value in network.state_dict().items())
    with pytest.raises(TrainingError, match="does not fit ResnetGenerator, 2 blocks"):
        TranslationTrainer(recipe_of({**settings, "blocks": 2}, init=str(weights)))
    weights.with_name("painting2photo.safetensors").unlink()
    with pytest.raises(WeightsError, match="painting2photo"):
        TranslationTrainer(recipe_of(settings, init=str(weights)))


def test_cut_has_one_direction(photos, settings, tmp_path):
    weights = train(SPEC, photos, tmp_path / "run", overrides={**settings, "method": "cut"}, **CPU)
    assert [file.name for file in weights.parent.glob("*.safetensors")] == ["photo2painting.safetensors"]
    assert not any("heads" in name for name in load_network(weights, default().architectures).state_dict())
    assert Card.read(weights.with_suffix(".toml")).trained.startswith("CUT, ")


def test_a_painter_learns_from_where_a_style_is(photos, painter, settings, tmp_path):
    settings["painter"] = str(painter)
    resting = {**settings, "steps": "1", "painter_lr": "0"}
    weights = train(SPEC, photos, tmp_path / "run", overrides=resting, **CPU)
    there, style = (load_network(path, default().architectures) for path in (weights, painter))
    assert isinstance(there, Painter)
    for ours, theirs in zip(there.style.parameters(), style.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)  # the file has half precision
    assert Card.read(weights.with_suffix(".toml")).architecture.startswith("Painter, 1 blocks, 8 channels, noise")
    back = weights.with_name("painting2photo.safetensors")
    assert isinstance(load_network(back, default().architectures), ResnetGenerator)
    assert Card.read(back.with_suffix(".toml")).architecture.startswith("ResnetGenerator, 1 blocks, 4 features")
    assert Card.read(back.with_suffix(".toml")).trained.endswith("painter from style")
    op = default().build("translate:cyclegan", model=str(weights))
    op.to(torch.device("cpu"), torch.float32)
    assert op(sample_image(33, 20)).shape == (1, 3, 20, 33)

    trained = train(SPEC, photos, tmp_path / "again", overrides={**settings, "init": str(weights)}, **CPU)
    moved = load_network(trained, default().architectures)
    assert any(not torch.equal(a, b) for a, b in zip(there.parameters(), moved.parameters(), strict=True))


def test_painters_are_rated_at_the_size_at_which_strokes_count(painter, settings):
    trainer = TranslationTrainer(recipe_of(settings, rated_at=2))
    x = torch.rand(1, 3, 64, 64)
    grain = 0.1 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32)
    for domain, blind in (("paintings", True), ("photos", False)):
        rate = trainer._rater(trainer.networks[f"discriminator of {domain}"].eval(), domain)
        verdicts = []
        for image in (x, x + grain):
            torch.manual_seed(0)
            verdicts.append(rate(image))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*verdicts, strict=True)) is blind


def test_the_painter_may_be_part_of_a_network_that_enlarges(settings):
    trainer = TranslationTrainer(recipe_of(settings, painter="monet-x4"), default().context())
    assert isinstance(trainer.method.there, Painter)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in trainer.method.there.parameters())


def test_what_is_no_painter_is_refused(painter, settings, tmp_path):
    with pytest.raises(TrainingError, match="method 'cut' takes no painter"):
        TranslationTrainer(recipe_of(settings, painter=str(painter), method="cut"), default().context())
    with pytest.raises(WeightsError, match="nobody"):
        TranslationTrainer(recipe_of(settings, painter="nobody"), default().context())
    other = tmp_path / "other.safetensors"
    save_file(build().state_dict(), other)
    with pytest.raises(TrainingError, match="is a ResnetGenerator instead of a StyleNetwork"):
        TranslationTrainer(recipe_of(settings, painter=str(other)), default().context())


@pytest.mark.parametrize("method", ["cycle", "painter", "cut"])
def test_interrupted_and_resumed_gives_the_same_run(method, photos, painter, settings, tmp_path):
    """Although the discriminators see images that were made before the interruption."""
    settings |= {"painter": str(painter)} if method == "painter" else {"method": method}
    whole = train(SPEC, photos, tmp_path / "whole", overrides=settings, **CPU)
    train(SPEC, photos, tmp_path / "parts", overrides=settings, stop_at=4, **CPU)
    torch.manual_seed(99)
    parts = train(SPEC, photos, tmp_path / "parts", overrides=settings, resume=True, **CPU)
    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    one, other = (
        load_network(whole, default().architectures).state_dict(),
        load_network(parts, default().architectures).state_dict(),
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("discriminator", ["features", "pixels"])
def test_discriminators_and_contents_that_are_seen_at_random_offsets_are_resumed_too(
    discriminator, photos, settings, tmp_path
):
    settings |= {"discriminator": discriminator, "content": "1", "crop": "64", "side": "72", "steps": "4"}
    train(SPEC, photos, tmp_path / "whole", overrides=settings, **CPU)
    train(SPEC, photos, tmp_path / "parts", overrides=settings, stop_at=2, **CPU)
    torch.manual_seed(99)
    train(SPEC, photos, tmp_path / "parts", overrides=settings, resume=True, **CPU)
    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    figures = {figure for _, figure, _ in log(tmp_path / "whole")}
    assert {"generator/content, paintings", "generator/content, photos"} <= figures


def recipe_of(settings, **more):
    values = {key: type(getattr(TranslationRecipe(), key))(value) for key, value in settings.items()}
    return TranslationRecipe(**values, **more)


def test_a_forgotten_pool_would_show(photos, settings, tmp_path, monkeypatch):
    """The test above can fail."""
    train(SPEC, photos, tmp_path / "whole", overrides=settings, **CPU)
    train(SPEC, photos, tmp_path / "parts", overrides=settings, stop_at=4, **CPU)
    monkeypatch.setattr(TranslationTrainer, "restore", lambda self, state: None)
    train(SPEC, photos, tmp_path / "parts", overrides=settings, resume=True, **CPU)
    assert log(tmp_path / "parts") != log(tmp_path / "whole")


def test_the_kernel_distance_chooses_the_best(photos, settings, tmp_path, monkeypatch):
    distances = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(TranslationTrainer, "validate", lambda self, generator: {"kid": next(distances)})
    train(SPEC, photos, tmp_path / "run", overrides={**settings, "validate_every": "2"}, **CPU)
    best = Card.read(tmp_path / "run" / "best" / "photo2painting.toml")
    assert best.scores["validation"]["kid"] == 1.0
    assert "best so far, after 4 of 6 iterations" in best.trained


def build(**options):
    return ResnetGenerator(4, 2, **options)


def test_cycle_losses_are_zero_where_nothing_changes(monkeypatch):
    monkeypatch.setattr(ResnetGenerator, "forward", lambda self, x, source=None: x)
    x, y = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    fakes, losses = Cycle(build(), build(), 10, 5)(x, y)
    assert torch.equal(fakes["paintings"], x)
    assert torch.equal(fakes["photos"], y)
    assert all(value == 0 for value in losses.values())


def test_cycle_losses_are_the_papers(monkeypatch):
    """Each direction makes images darker by 0.1, which is 0.2 of -1..1."""
    monkeypatch.setattr(ResnetGenerator, "forward", lambda self, x, source=None: x - 0.1)
    _, losses = Cycle(build(), build(), 10, 5)(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert losses["cycle"].item() == pytest.approx(10 * 2 * 0.4, rel=1e-5)
    assert losses["identity"].item() == pytest.approx(5 * 2 * 0.2, rel=1e-5)


def test_the_way_back_learns_from_pairs_and_leaves_the_painter_alone():
    torch.manual_seed(0)
    method = PaintedPairs(Painter(8, 1), build(), 10, 5, 2)
    torch.nn.init.normal_(method.back.model[-1].weight, std=0.1)
    photos, paintings = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    fakes, losses = method(photos, paintings)
    assert fakes["paintings"].shape == fakes["photos"].shape == photos.shape
    (losses["cycle"] + losses["identity"]).backward()
    assert all(p.grad is None for p in method.there.parameters())
    assert method.back.model[-1].weight.grad.abs().sum() > 0
    losses["colour"].backward()
    assert method.there.style.out.weight.grad.abs().sum() > 0


def test_a_painter_is_tied_to_colours_rather_than_pixels(monkeypatch):
    stripes = torch.arange(64).remainder(4).sub(1.5).mul(0.1).expand(1, 3, 64, 64)
    x, y = torch.full((1, 3, 64, 64), 0.5), torch.rand(1, 3, 64, 64)
    method = PaintedPairs(Painter(8, 1), build(), 10, 5, 2)
    for change, least, most in ((stripes, 0, 0.1), (0.1, 0.39, 0.41)):
        monkeypatch.setattr(Painter, "forward", lambda self, x, source=None, change=change: x + change)
        assert least <= method(x, y)[1]["colour"].item() <= most


def test_patches_tell_their_own_places():
    """The contrast is small between an image and itself, and about log(patches) to another image."""
    torch.manual_seed(0)
    method = Contrast(build(), 1.0, 64)
    x, y = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)

    def contrast(made):
        method.there.forward = lambda given, source=None: made  # type: ignore[method-assign]
        return method(x, y)[1]["contrast"].item()

    same, other = contrast(torch.cat([x, y])), contrast(torch.cat([y, x]))
    assert same < other / 3
    assert other > 3


def test_contrast_teaches_the_generator_and_its_heads():
    torch.manual_seed(0)
    method = Contrast(build(), 1.0, 16)
    torch.nn.init.normal_(method.there.model[-1].weight, std=0.1)
    fakes, losses = method(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    (sum(losses.values()) + fakes["paintings"].mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.heads.parameters())
    assert method.there.model[-1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("encoder", ["plain", "antialias"])
def test_encoder_looks_at_five_depths(encoder):
    network = ResnetGenerator(4, 6, antialias=encoder == "antialias")
    found = network.encode(torch.rand(1, 3, 32, 32))
    assert [features.shape[1] for features in found] == [3, 8, 16, 16, 16]
    assert [features.shape[2] for features in found][2:] == [16 if encoder == "antialias" else 8, 8, 8]


def test_discriminators_that_recipes_ask_for(settings):
    def discriminator(**changes):
        return TranslationTrainer(recipe_of(settings, **changes)).discriminator()

    assert isinstance(discriminator(), FeatureDiscriminator)
    assert "original" not in "".join(discriminator(spectral_norm=False).state_dict())
    assert "original" in "".join(discriminator().state_dict())
    assert isinstance(discriminator(discriminator="pixels"), PatchDiscriminator)
    papers = discriminator(discriminator="pixels", spectral_norm=False)
    assert any(isinstance(module, torch.nn.InstanceNorm2d) for module in papers.modules())
    for plain in ({"r1": 1.0}, {"gradient_penalty": 1.0}, {"spectral_norm": True}):
        kinds = [
            type(module)
            for module in discriminator(discriminator="pixels", **{"spectral_norm": False, **plain}).modules()
        ]
        assert torch.nn.InstanceNorm2d not in kinds


def test_discriminators_of_features_teach_the_generator_and_leave_the_features_alone(settings):
    trainer = TranslationTrainer(recipe_of(settings))
    for network in trainer.networks.values():
        assert not {id(p) for p in network.parameters()} & {id(p) for p in trainer.features.parameters()}
    updates = trainer.updates(torch.rand(1, 6, 32, 32), trainer.networks)
    name, losses = next(updates)
    losses["adversarial, paintings"].backward()
    assert name == "generator"
    assert trainer.method.there.model[-1].weight.grad.any()
    next(updates)
    assert all(p.requires_grad for p in trainer.networks["discriminator of paintings"].parameters())
    assert not any(p.requires_grad for p in trainer.features.parameters())


def test_what_is_refused(photos, settings, tmp_path):
    def refuse(message, **changes):
        with pytest.raises(TrainingError, match=message):
            train(SPEC, photos, tmp_path / "run", overrides={**settings, **changes}, **CPU)
        assert not (tmp_path / "run" / "last.ckpt").exists()

    empty = tmp_path / "empty"
    empty.mkdir()
    refuse("no paintings to train on", target="")
    refuse("no images in", target=str(empty))
    refuse("no images in", target=str(tmp_path / "nowhere"))
    refuse("paintings are too few", target=str(photos))
    refuse("unknown method 'gan'", method="gan")
    refuse("unknown GAN loss 'best'", gan="best")
    refuse("unknown schedule 'sine'", schedule="sine")
    refuse("crops of 32 pixels are too small", content="1")
    refuse("unknown discriminator 'ears'", discriminator="ears")
    with pytest.raises(TrainingError, match="no images in"):
        train(SPEC, empty, tmp_path / "run", overrides=settings, **CPU)


@pytest.mark.parametrize("name", ["photo2monet", "photo2monet-cut", "photo2monet-cycle"])
def test_shipped_recipes_are_readable(name):
    plan = load_recipe(TranslationRecipe, recipe_file(SPEC, name), {})
    assert plan.name == name
    assert plan.licence == "Apache-2.0"
    assert plan.summary
    assert plan.data
    assert plan.method == ("cut" if name.endswith("cut") else "cycle")
