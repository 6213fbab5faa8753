"""`translate:unit` with a tiny random network: tiles, directions, strength, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk import Pipeline
from imgtk.errors import ParameterError, WeightsError
from imgtk.nn.normalise import LayerNormalise, moments
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_unit.network import UNIT, Translation

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    unit = UNIT(width=4, blocks=1)
    unit.painting.load_state_dict(UNIT(width=4, blocks=1).painting.state_dict())
    with torch.no_grad():  # no more contrast than images have
        unit.painting.decoder[-1].weight /= 4
        unit.photo.decoder[-1].weight /= 4
    save_file(unit.state_dict(), path)
    return path


def build(path, **params):
    op = default().build("translate:unit", model=str(path), **params)
    op.to(CPU, torch.float32)
    return op


@pytest.mark.parametrize("to", ["painting", "photo"])
def test_it_keeps_every_promise_of_an_operator(network_file, to):
    check_op("translate:unit", model=str(network_file), to=to)


@pytest.fixture(scope="module")
def noisy_file(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "noisy.safetensors"
    unit = UNIT(width=4, blocks=1, noise=True)
    with torch.no_grad():
        unit.painting.decoder[-1].weight /= 4
    save_file(unit.state_dict(), path)
    return path


def test_with_noise_it_keeps_every_promise_too(noisy_file):
    check_op("translate:unit", model=str(noisy_file), sizes=[(33, 47), (1, 19)])


@torch.inference_mode()
def test_noise_is_chosen_by_the_seed_and_makes_strokes_in_flat_areas(noisy_file):
    flat = torch.full((1, 3, 64, 64), 0.4)
    first, again, other = (build(noisy_file, seed=seed)(flat) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    assert first.std() > 1e-3


@pytest.mark.parametrize("options", [{"blocks": 0}, {"blocks": 1}, {"downs": 1}, {"published": True}])
def test_the_halo_is_the_receptive_radius(options):
    """A pixel reacts to nothing farther away than `radius`, and to what is nearly as far."""
    torch.manual_seed(0)
    network = Translation(UNIT(4, **{"blocks": 1, "shared": 1, **options}).double(), "photo", "painting")
    with torch.no_grad():
        for name, parameter in network.named_parameters():  # all weights positive: nothing cancels out or is cut off
            parameter.copy_(parameter.abs() / 10 if "weight" in name else parameter + 0.1)
    x = torch.rand(1, 3, 8, 384, dtype=torch.float64, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach = set()
    for column in range(192, 192 + network.multiple):
        gradient = torch.autograd.grad(network.apply_moments(x, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - 2 * network.multiple <= max(reach) <= network.radius
    assert network.radius % network.multiple == 0


def test_layer_normalisation_is_that_of_all_channels():
    x = 3 * torch.rand(2, 5, 6, 7) * torch.arange(1, 6).view(5, 1, 1) - 2
    norm = LayerNormalise(5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    wanted = torch.nn.functional.layer_norm(x, x.shape[1:])
    wanted = wanted * norm.weight.view(5, 1, 1) + norm.bias.view(5, 1, 1)
    torch.testing.assert_close(norm(x), wanted)
    with torch.no_grad():  # the way of a single image
        torch.testing.assert_close(norm(x[:1]), wanted[:1])
        part = norm(x[:1, :, 2:, :3], lambda _: moments(x[:1]))
        torch.testing.assert_close(part, wanted[:1, :, 2:, :3])


def test_the_shared_blocks_belong_to_both_domains():
    """There is one of each; it changes both directions, and learns from both."""
    unit = UNIT(4, blocks=1, shared=2)
    names = [name for name, _ in unit.named_parameters() if not name.startswith(("photo.", "painting."))]
    assert {name.rsplit(".", 2)[0] for name in names} == {"encoder.0", "encoder.1", "decoder.0", "decoder.1"}
    x, shared = sample_image(32, 32), unit.encoder[1].second.weight
    for origin in ("photo", "painting"):
        for target in ("photo", "painting"):
            unit.zero_grad()
            Translation(unit, origin, target)(x).square().sum().backward()
            assert shared.grad is not None
            assert shared.grad.abs().max() > 0
            own = unit.get_submodule("painting" if origin == "photo" else "photo").encoder[0].conv.weight
            assert own.grad is None or not own.grad.any()


def test_both_domains_start_alike():
    unit, x = UNIT(4, blocks=1).eval(), sample_image(32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(Translation(unit, "photo", "painting")(x), Translation(unit, "photo", "photo")(x))
    own = {id(p) for p in unit.photo.parameters()}
    assert own.isdisjoint(id(p) for p in unit.painting.parameters())


@torch.inference_mode()
def test_there_and_back_are_different_ways(network_file):
    x = sample_image(96, 80)
    for to, origin in (("painting", "photo"), ("photo", "painting")):
        network = build(network_file, to=to).network
        unit = network.unit
        torch.testing.assert_close(network(x), unit.decode(unit.encode(x, origin), to))
    there, back = (build(network_file, to=to)(x) for to in ("painting", "photo"))
    assert (there - back).abs().mean() > 1e-3


@torch.inference_mode()
def test_strength(network_file):
    x = sample_image(32, 24)
    painted = build(network_file)(x)
    torch.testing.assert_close(build(network_file, strength=0)(x), x)
    torch.testing.assert_close(build(network_file, strength=0.25)(x), x + 0.25 * (painted - x))


@torch.inference_mode()
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_image_stays_flat(network_file, level):
    """Its instance normalisations must not blow up rounding errors."""
    y = build(network_file)(torch.full((1, 3, 40, 36), level))
    assert y.isfinite().all()
    assert (y.amax((2, 3)) - y.amin((2, 3))).max() < 1e-3


def test_a_large_image_is_tiled_without_seams(network_file):
    x = sample_image(203, 157)
    words = f"translate:unit model={network_file}"
    runs = [Pipeline(words, tile=tile, dtype="fp32", device="cpu")(x) for tile in ("off", 48)]
    assert np.abs(runs[0].pixels.astype(float) - runs[1].pixels.astype(float)).max() < 1e-4


def test_gray_with_16_bits_gets_colours_and_alpha_stays(network_file):
    words = f"translate:unit photo model={network_file}"
    alpha = np.tile(np.linspace(0, 255, 24).astype(np.uint8), (20, 1))
    result = Pipeline(words, device="cpu")(np.dstack([np.full((20, 24, 3), 90, np.uint8), alpha]))
    assert result.alpha is not None
    assert np.array_equal(result.alpha, alpha)
    gray = Pipeline(words, device="cpu")(np.arange(20 * 24, dtype=np.uint16).reshape(20, 24) * 99)
    assert gray.pixels.shape == (20, 24, 3)
    assert gray.pixels.dtype == np.uint16


@pytest.mark.parametrize("wrong", [{"to": "zebra"}, {"strength": "1.5"}, {"strength": "nan"}])
def test_wrong_parameters_are_refused(network_file, wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        default().build("translate:unit", model=str(network_file), **wrong)


def test_weights_of_another_kind_are_refused(tmp_path):
    from imgtk.painting.network import StyleNetwork

    save_file(StyleNetwork(8, 1).state_dict(), tmp_path / "style.safetensors")
    with pytest.raises(WeightsError, match="StyleNetwork, which does not translate in two directions"):
        build(tmp_path / "style.safetensors")
    with pytest.raises(WeightsError, match="neither shipped"):
        default().build("translate:unit", model="nowhere")
