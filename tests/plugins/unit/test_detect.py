"""UNIT is told from its tensors: our own, and the authors', whose networks are built here once more, independently."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, instance_norm, interpolate, pad

from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.weights import read_state
from imgtk.weights.architecture import network_of
from imgtk_unit.network import UNIT, Translation


def build(state):
    return network_of(state, default().architectures)


def published(width=4, downs=2, blocks=2):
    """Random tensors as the authors' trainer saves them: both networks, in a dict."""
    torch.manual_seed(0)

    def conv(name, channels, out, kernel):
        return {
            f"{name}.conv.weight": torch.randn(out, channels, kernel, kernel) / (channels * kernel**2) ** 0.5,
            f"{name}.conv.bias": torch.randn(out),
        }

    def network():
        wide = width << downs
        state = conv("enc.model.0", 3, width, 7)
        for level in range(downs):
            state |= conv(f"enc.model.{level + 1}", width << level, width << level + 1, 4)
            narrow = wide >> level + 1
            state |= conv(f"dec.model.{2 * level + 2}", 2 * narrow, narrow, 5)
            state[f"dec.model.{2 * level + 2}.norm.gamma"] = torch.rand(narrow)
            state[f"dec.model.{2 * level + 2}.norm.beta"] = torch.randn(narrow)
        for block in range(blocks):
            for half in range(2):
                state |= conv(f"enc.model.{downs + 1}.model.{block}.model.{half}", wide, wide, 3)
                state |= conv(f"dec.model.0.model.{block}.model.{half}", wide, wide, 3)
        return state | conv(f"dec.model.{2 * downs + 1}", width, 3, 7)

    return {"a": network(), "b": network()}


def reference(states, origin, target, x, downs=2, blocks=2):
    """What the paper's second release computes, written with plain functions: (N, 3, H, W) within -1..1 to the same."""

    def conv(state, name, x, border, stride=1):
        x = pad(x, [border] * 4, mode="reflect")
        return conv2d(x, state[f"{name}.conv.weight"], state[f"{name}.conv.bias"], stride=stride)

    def residual(state, name, x):
        inner = instance_norm(conv(state, f"{name}.model.0", x, 1)).relu()
        return x + instance_norm(conv(state, f"{name}.model.1", inner, 1))

    def layer_norm(state, name, x):
        x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1e-5)
        return x * state[f"{name}.norm.gamma"].view(1, -1, 1, 1) + state[f"{name}.norm.beta"].view(1, -1, 1, 1)

    state = states[origin]
    x = instance_norm(conv(state, "enc.model.0", x, 3)).relu()
    for level in range(downs):
        x = instance_norm(conv(state, f"enc.model.{level + 1}", x, 1, stride=2)).relu()
    for block in range(blocks):
        x = residual(state, f"enc.model.{downs + 1}.model.{block}", x)
    state = states[target]
    for block in range(blocks):
        x = residual(state, f"dec.model.0.model.{block}", x)
    for level in range(downs):
        name = f"dec.model.{2 * level + 2}"
        x = layer_norm(state, name, conv(state, name, interpolate(x, scale_factor=2), 2)).relu()
    return conv(state, f"dec.model.{2 * downs + 1}", x, 3).tanh()


@pytest.mark.parametrize(("downs", "blocks"), [(2, 2), (1, 3), (3, 1)])
def test_the_authors_files_give_what_the_paper_computes(downs, blocks, tmp_path):
    states = published(downs=downs, blocks=blocks)
    torch.save(states, tmp_path / "gen_01000000.pt")
    unit = build(read_state(tmp_path / "gen_01000000.pt"))
    assert isinstance(unit, UNIT)
    x = torch.rand(1, 3, 48, 40)
    with torch.inference_mode():
        for origin, target, theirs in (("photo", "painting", "ab"), ("painting", "photo", "ba")):
            ours = Translation(unit, origin, target)(x)
            wanted = (reference(states, *theirs, 2 * x - 1, downs, blocks) + 1) / 2
            torch.testing.assert_close(ours, wanted, atol=1e-3, rtol=0)


def test_running_statistics_of_old_files_are_left_out():
    states = published()
    states["a"]["enc.model.0.norm.running_mean"] = torch.zeros(4)
    states["b"]["enc.model.3.model.0.model.1.norm.running_var"] = torch.ones(16)
    flat = {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    assert build(flat).published


def test_the_authors_default_size():
    """Their configuration: 64 channels, four residual blocks."""
    with torch.device("meta"):
        network = UNIT(width=64, blocks=4, shared=0, published=True)
    one = sum(p.numel() for p in network.photo.parameters())
    convs = {7: 3 * 64 + 64 * 3, 4: 64 * 128 + 128 * 256, 3: 2 * 4 * 2 * 256**2, 5: 256 * 128 + 128 * 64}
    weights = sum(kernel**2 * pairs for kernel, pairs in convs.items())
    assert one == weights + (64 + 128 + 256 + 2 * 4 * 2 * 256 + 128 + 64 + 3) + 2 * (128 + 64)


@pytest.mark.parametrize(
    "options", [{}, {"noise": True}, {"shared": 0}, {"downs": 1, "blocks": 0, "shared": 2}, {"published": True}]
)
def test_our_own_files(options):
    torch.manual_seed(0)
    network = UNIT(**{"width": 4, "blocks": 1, **options})
    again = build(network.state_dict())
    assert (again.downs, again.blocks, again.radius) == (network.downs, network.blocks, network.radius)
    x = torch.rand(1, 3, 32, 24)
    with torch.inference_mode():
        ours, theirs = (Translation(unit, "photo", "painting")(x) for unit in (again, network.eval()))
    assert torch.equal(ours, theirs)


def test_a_munit_is_told_apart():
    state = {f"a.{name}": value for name, value in published()["a"].items()}
    state["a.mlp.model.0.fc.weight"] = torch.zeros(1)
    with pytest.raises(WeightsError, match="MUNIT, whose decoders also need a style"):
        build(state)


def test_what_is_missing_is_named():
    state = UNIT(4, blocks=1).state_dict()
    del state["encoder.0.first.bias"]
    with pytest.raises(WeightsError, match=r"encoder\.0\.first\.bias is missing"):
        build(state)
    with pytest.raises(WeightsError, match=r"painting\.encoder\.0|unknown architecture"):
        build({f"a.{name}": value for name, value in published()["a"].items()})


def test_a_single_network_of_theirs_is_not_enough():
    assert isinstance(build(UNIT(4, blocks=1).state_dict()), nn.Module)
    with pytest.raises(WeightsError, match="unknown architecture"):
        build(published()["a"])
