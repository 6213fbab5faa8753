"""Every public naming of the two networks loads and gives the same output."""

import re

import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.upscaling.network import load_network
from imgtk.weights.architecture import network_of
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact


def build(state, source="the checkpoint"):
    return network_of(state, default().architectures, source)


X = torch.rand(1, 3, 12, 8)


def rrdb(**changes):
    torch.manual_seed(0)
    return RRDBNet(**{"features": 8, "blocks": 2, "growth": 4, **changes})


def compact(**changes):
    torch.manual_seed(0)
    return SRVGGNetCompact(**{"features": 8, "convs": 3, **changes})


def esrgan_repository(state):
    table = [("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), ("rdb", "RDB"), ("conv_up", "upconv")]
    table += [("conv_hr", "HRconv")]
    renamed = {}
    for name, value in state.items():
        for ours, theirs in table:
            name = name.replace(ours, theirs)
        renamed[name] = value
    return renamed


def old_esrgan(state):
    """Indices as nn.Sequential gave them: first conv, trunk, then (upsample, conv, activation) per step, and a tail."""
    steps = sum(bool(re.fullmatch(r"conv_up\d\.bias", name)) for name in state)
    blocks = 1 + max(int(found[1]) for name in state if (found := re.match(r"body\.(\d+)", name)))
    renamed = {}
    for name, value in state.items():
        name = re.sub(r"body\.(\d+)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0", name)
        name = re.sub(r"conv_up(\d)", lambda found: f"model.{3 * int(found[1])}", name)
        name = name.replace("conv_first", "model.0").replace("conv_body", f"model.1.sub.{blocks}")
        name = name.replace("conv_hr", f"model.{3 * steps + 2}").replace("conv_last", f"model.{3 * steps + 4}")
        renamed[name] = value
    return renamed


LAYOUTS = {"BasicSR": dict, "ESRGAN repository": esrgan_repository, "old ESRGAN": old_esrgan}
VARIANTS = {
    "x4": {},
    "x2, unshuffled": {"scale": 2},
    "x1, unshuffled": {"scale": 1},
    "x2": {"scale": 2, "unshuffle": 1},
    "x8": {"scale": 8},
    "x16": {"scale": 16},
    "x1": {"scale": 1, "unshuffle": 1},
    "one wide block": {"blocks": 1, "features": 12, "growth": 6},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_rrdb_loads_from_each_layout(layout, variant):
    network = rrdb(**VARIANTS[variant])
    again = build(LAYOUTS[layout](network.state_dict()))
    assert isinstance(again, RRDBNet)
    assert again.scale == VARIANTS[variant].get("scale", 4)
    with torch.inference_mode():
        assert torch.equal(again(X), network(X))


def test_the_layouts_have_their_public_names():
    """The last tensors that the public x4 files with 23 blocks hold."""
    state = rrdb(blocks=23, features=4, growth=2).state_dict()
    old = {"model.1.sub.23.weight", "model.3.weight", "model.6.weight", "model.8.bias", "model.10.bias"}
    assert old <= old_esrgan(state).keys()
    assert {"RRDB_trunk.22.RDB3.conv5.weight", "trunk_conv.bias", "upconv2.bias"} <= esrgan_repository(state).keys()
    assert len(build(old_esrgan(state)).body) == 23


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("convs", [1, 16])
def test_compact_loads(scale, convs):
    network = compact(scale=scale, convs=convs)
    again = build(network.state_dict())
    assert isinstance(again, SRVGGNetCompact)
    assert again.scale == scale
    with torch.inference_mode():
        assert torch.equal(again(X), network(X))


@pytest.mark.parametrize("network", [rrdb(), compact()], ids=["rrdb", "compact"])
@pytest.mark.parametrize("form", ["zip", "old pickle", "safetensors"])
def test_from_a_file(tmp_path, network, form):
    path = tmp_path / "net.pth"
    if form == "safetensors":
        save_file(network.state_dict(), path)
    else:
        state = {f"module.{name}": value for name, value in network.state_dict().items()}
        torch.save({"params_ema": state}, path, _use_new_zipfile_serialization=form == "zip")
    again = load_network(path, default().architectures)
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(X), network(X))


def test_public_sizes():
    """Parameters of the published networks."""
    counts = [RRDBNet(), RRDBNet(blocks=6), SRVGGNetCompact(), SRVGGNetCompact(convs=32)]
    sizes = [sum(p.numel() for p in network.parameters()) for network in counts]
    assert sizes == [16_697_987, 4_467_779, 621_424, 1_213_296]


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


def shaped(state, name, *shape):
    return {**state, name: torch.zeros(shape)}


R, C = rrdb().state_dict(), compact().state_dict()
WRONG = {
    "unknown": ({"layers.0.weight": torch.ones(1)}, "unknown architecture.*layers.0.weight"),
    "SRResNet": ({"body.0.conv1.weight": torch.ones(8, 8, 3, 3), "conv_first.weight": torch.ones(8, 3, 3, 3)}, "known"),
    "missing tensor": (without(R, "body.1.rdb2.conv3.bias"), "body.1.rdb2.conv3.bias is missing"),
    "missing first": (without(R, "conv_first.weight"), "'conv_first.weight' is missing"),
    "left over": ({**R, "extra.weight": torch.ones(1)}, "extra.weight is left over"),
    "left over, old": ({**old_esrgan(R), "model.7.weight": torch.ones(1)}, "model.7.weight is left over"),
    "wrong shape": (shaped(R, "conv_hr.weight", 8, 8, 1, 1), r"conv_hr.weight has shape \(8, 8, 1, 1\) instead of"),
    "no convolution": (shaped(R, "conv_first.weight", 8), "no convolution"),
    "empty convolution": (shaped(R, "conv_first.weight", 0, 3, 3, 3), "no convolution"),
    "gray": (shaped(R, "conv_first.weight", 8, 1, 3, 3), "takes 1 channels"),
    "alpha": (shaped(R, "conv_last.weight", 4, 8, 3, 3), "gives 4"),
    "whole numbers": ({**R, "conv_hr.bias": torch.ones(8, dtype=torch.long)}, "int64"),
    "gap": ({name.replace("body.1.", "body.7."): value for name, value in R.items()}, "lacks numbered layers"),
    "a billion blocks": (
        {name.replace("body.1.", "body.999999999."): v for name, v in R.items()},
        "lacks numbered layers",
    ),
    "scale below 1": (
        {name: value for name, value in rrdb(scale=1).state_dict().items() if "conv_up" not in name},
        "scale is unknown",
    ),
    "compact without PReLU": (without(C, "body.3.weight"), "lacks numbered layers"),
    "compact, no square": (shaped(C, "body.8.weight", 30, 8, 3, 3), "scale is unknown"),
    "compact, gray": (shaped(C, "body.0.weight", 8, 1, 3, 3), "scale is unknown"),
    "compact, even": ({**C, "body.9.weight": torch.ones(48, 48, 3, 3)}, "not a stack|scale is unknown"),
    "compact, other PReLU": (shaped(C, "body.1.weight", 1), r"body.1.weight has shape \(1,\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_known_network_is_refused_with_what_is(case):
    state, message = WRONG[case]
    with pytest.raises(WeightsError, match=message) as caught:
        build(state, "folder/net.pth")
    assert caught.value.message.startswith("folder/net.pth")
    assert "SRVGGNetCompact" in str(caught.value)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("prefix", ["model.", "net.", "network."])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_networks_in_attributes_of_a_lightning_module(prefix, layout):
    network = rrdb()
    inner = {f"{prefix}{name}": value for name, value in LAYOUTS[layout](network.state_dict()).items()}
    found = build({**inner, "loss.vgg.weight": torch.ones(1)})
    with torch.inference_mode():
        assert torch.equal(found(X), network.eval()(X))
