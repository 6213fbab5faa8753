"""Perceptual features: key layouts, recognition of files, and what is refused."""

import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import WeightsError
from imgtk.nn.features import WIDTHS, compact, distilled, load_features, squeezenet, vgg

BUILDERS = {
    "squeezenet1_1": squeezenet,
    "vgg16": lambda: vgg("vgg16"),
    "vgg19": lambda: vgg("vgg19"),
    "imgtk": distilled,
}


@pytest.fixture
def squeezenet_file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "squeezenet.safetensors"
    save_file(squeezenet().state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Known sizes of torchvision's networks without their classifiers; ours is what features.toml says.
    [("squeezenet1_1", 722_496), ("vgg16", 14_714_688), ("vgg19", 20_024_384), ("imgtk", 669_312)],
)
def test_size_and_names_are_the_published_ones(name, parameters):
    with torch.device("meta"):
        network = BUILDERS[name]()
    state = network.state_dict()
    assert sum(tensor.numel() for tensor in state.values()) == parameters
    assert state["features.0.weight"].shape == (64, 3, 3, 3)
    assert all(key.startswith("features.") for key in state)


def test_torchvision_indices_of_squeezenet():
    keys = squeezenet().state_dict()
    assert keys["features.3.squeeze.weight"].shape == (16, 64, 1, 1)
    assert keys["features.12.expand3x3.weight"].shape == (256, 64, 3, 3)


@pytest.mark.parametrize(("name", "last"), [("vgg16", 28), ("vgg19", 34)])
def test_torchvision_indices_of_vgg(name, last):
    with torch.device("meta"):
        keys = vgg(name).state_dict()
    assert f"features.{last}.weight" in keys
    assert max(int(key.split(".")[1]) for key in keys) == last


def test_a_file_is_recognised_with_and_without_classifier(squeezenet_file, tmp_path):
    plain = load_features(squeezenet_file)
    state = {
        **plain.state_dict(),
        "classifier.1.weight": torch.zeros(10, 512, 1, 1),
        "classifier.1.bias": torch.zeros(10),
    }
    full = tmp_path / "full.pth"
    torch.save(state, full)
    x = torch.rand(1, 3, 40, 40)
    for layer, value in load_features(full)(x).items():
        torch.testing.assert_close(value, plain(x)[layer])


def test_another_network_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(8, 3, 3, 3)}, path)
    with pytest.raises(WeightsError, match="not a feature network"):
        load_features(path)


def test_a_vgg_with_batch_normalisation_is_refused(tmp_path):
    state = {**vgg("vgg16").state_dict(), "features.1.running_mean": torch.zeros(64)}
    path = tmp_path / "vgg16_bn.safetensors"
    save_file(state, path)
    with pytest.raises(WeightsError):
        load_features(path)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        load_features(tmp_path / "nowhere.safetensors")


def test_it_is_frozen_but_lets_gradients_through(squeezenet_file):
    features = load_features(squeezenet_file, pooling="average")
    x = torch.rand(1, 3, 48, 48, requires_grad=True)
    sum(value.sum() for value in features(x).values()).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in features.parameters())
    assert not features.training


@pytest.mark.parametrize("name", ["squeezenet1_1", "imgtk"])
def test_only_what_is_asked_for_is_computed(name):
    features = BUILDERS[name]().freeze()
    seen = []
    for module in features.features:
        module.register_forward_hook(lambda module, *_: seen.append(module))
    found = features(torch.rand(1, 3, 32, 32), ["conv1"])
    assert list(found) == ["conv1"]
    assert len(seen) == features.taps["conv1"] + 1
    assert features(torch.rand(1, 3, 32, 32), []) == {}


def test_an_unknown_layer_is_a_key_error():
    with pytest.raises(KeyError):
        distilled()(torch.rand(1, 3, 32, 32), ["conv99"])


@pytest.mark.parametrize("name", ["squeezenet1_1", "vgg16", "imgtk"])
def test_layers_come_from_shallow_to_deep_with_falling_size(name):
    features = BUILDERS[name]().freeze()
    with torch.inference_mode():
        found = features(torch.rand(2, 3, 64, 48), features.taps)
    assert list(found) == list(features.taps)
    sizes = [value.shape[2] for value in found.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert set(features.style_layers) | set(features.content_layers) <= set(features.taps)


@pytest.mark.parametrize("build", [squeezenet, distilled, compact])
def test_ours_have_squeezenets_channels(build):
    network = build().freeze()
    found = network(torch.rand(1, 3, 64, 64), network.taps)
    assert {name: x.shape[1] for name, x in found.items()} == {name: WIDTHS[name] for name in network.taps}


@pytest.mark.parametrize("side", [1, 2, 7, 33])
@pytest.mark.parametrize("build", [distilled, compact])
def test_our_own_take_any_size(build, side):
    assert all(value.isfinite().all() for value in build().freeze()(torch.rand(1, 3, side, 1)).values())


def test_the_one_without_strides_sees_every_pixel_equally():
    """No stride and no overlapping pool: a constant gradient at the layers reaches all inner pixels alike."""
    features = compact()
    for module in features.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            torch.nn.init.constant_(module.bias, 1.0)
    x = torch.full((1, 3, 256, 256), 0.5, requires_grad=True)
    features(x, ["fire7"])["fire7"].sum().backward()
    inner = x.grad[0, 0, 120:136, 120:136]
    assert (inner - inner.mean()).abs().max() < 1e-3 * inner.mean()


def test_the_shipped_network_is_there_and_small():
    features = load_features()
    assert features.name == "imgtk"
    from imgtk.weights import Card, digest, locate

    path = locate("features", package="imgtk.nn")
    card = Card.read(path.with_suffix(".toml"))
    assert card.sha256 == digest(path)
    assert card.licence == "Apache-2.0"
    assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))
    assert path.stat().st_size < 2e6


def test_the_shipped_network_sees_as_its_teacher(shared):
    """It orders distances as SqueezeNet does: what it is for."""
    import skimage.data

    teacher = load_features(shared / "features" / "squeezenet1_1_features.safetensors", pooling="average")
    ours = load_features()
    photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None, :, :128, 192:320].float() / 255
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(photo.shape, generator=generator)
    changed = [photo + strength * noise for strength in (0.02, 0.1)]
    changed += [torch.nn.functional.avg_pool2d(photo, k, 1, k // 2, count_include_pad=False) for k in (3, 9)]
    changed += [photo.flip(3), photo.flip(1)]

    def distances(features):
        reference = features(photo)
        return torch.stack(
            [
                torch.stack(
                    [(v - reference[k]).square().mean() / reference[k].square().mean() for k, v in features(c).items()]
                ).mean()
                for c in changed
            ]
        )

    with torch.inference_mode():
        both = torch.stack([distances(teacher), distances(ours)]).log()
    assert torch.corrcoef(both)[0, 1] > 0.9


def test_embeddings_are_one_vector_per_image_at_any_size_and_brightness():
    features = load_features()
    x = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    vectors = features.embed(x)
    assert vectors.shape == (2, 384)
    assert torch.allclose(vectors.square().mean(1), torch.ones(2), atol=1e-5)
    assert features.embed(torch.zeros(1, 3, 16, 16)).isfinite().all()
