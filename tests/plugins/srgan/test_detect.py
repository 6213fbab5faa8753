"""SRResNet and MSRResNet are told from their tensors, under each of their namings, and give the same output."""

import pytest
import torch

from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.weights.architecture import network_of
from imgtk_srgan.network import MSRResNet, SRResNet

X = torch.rand(1, 3, 12, 8)


def build(state, source="the checkpoint"):
    return network_of(state, default().architectures, source)


def paper(**changes):
    torch.manual_seed(0)
    network = SRResNet(**{"features": 8, "blocks": 2, **changes})
    for name, buffer in network.named_buffers():  # as after some training
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
        else:
            assert name.endswith("num_batches_tracked")
            buffer.fill_(7)
    return network.eval()


def basicsr(**changes):
    torch.manual_seed(0)
    return MSRResNet(**{"features": 8, "blocks": 2, **changes})


def kair(state):
    return {name.replace("body.", "recon_trunk.").replace("conv_hr", "HRconv"): v for name, v in state.items()}


@pytest.mark.parametrize("norm", [True, False], ids=["norm", "no norm"])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_srresnet(scale, norm):
    network = paper(scale=scale, norm=norm)
    again = build(network.state_dict())
    assert isinstance(again, SRResNet)
    assert again.scale == scale
    assert again.state_dict().keys() == network.state_dict().keys()
    with torch.inference_mode():
        assert torch.equal(again(X), network(X))


@pytest.mark.parametrize("layout", [dict, kair], ids=["BasicSR", "KAIR"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_msrresnet(scale, layout):
    network = basicsr(scale=scale)
    again = build(layout(network.state_dict()))
    assert isinstance(again, MSRResNet)
    assert again.scale == scale
    with torch.inference_mode():
        assert torch.equal(again(X), network(X))


def test_the_published_networks():
    network = MSRResNet()
    assert sum(p.numel() for p in network.parameters()) == 1_517_571
    names = {
        "conv_first.bias",
        "body.15.conv2.weight",
        "upconv1.bias",
        "upconv2.bias",
        "conv_hr.bias",
        "conv_last.bias",
    }
    assert names <= network.state_dict().keys()
    again = build({name: torch.randn(tensor.shape) for name, tensor in network.state_dict().items()})
    assert (len(again.body), again.scale) == (16, 4)
    trunk = SRResNet()
    assert len(trunk.body) == 16
    assert trunk.conv_first.weight.shape == (64, 3, 9, 9)
    assert trunk.conv_last.weight.shape == (3, 64, 9, 9)
    assert trunk.upsample[0].weight.shape == (256, 64, 3, 3)


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


P, B = paper(norm=True).state_dict(), basicsr().state_dict()
WRONG = {
    "a norm missing": (without(P, "body.1.norm2.running_var"), r"body\.1\.norm2\.running_var is missing"),
    "norms missing": (without(P, "norm_body.weight"), "body.0.norm1.bias is left over"),
    "counter as number": ({**P, "norm_body.num_batches_tracked": torch.tensor(7.0)}, "num_batches_tracked holds"),
    "block missing": ({n: v for n, v in P.items() if "body.0.prelu" not in n}, "body.0.prelu.weight is missing"),
    "gap": ({n.replace("body.1.", "body.5."): v for n, v in P.items()}, "lacks numbered layers"),
    "no first layer": (without(B, "conv_first.weight"), "'conv_first.weight' is missing"),
    "odd shuffle": (
        {**without(B, "upconv2.weight"), "upconv1.weight": torch.rand(40, 8, 3, 3)},
        "scale is unknown",
    ),
    "half of an upsampling": (without(B, "upconv2.weight"), "upconv2.bias is left over"),
    "gray": ({**B, "conv_first.weight": torch.rand(8, 1, 3, 3)}, r"conv_first.weight has shape \(8, 1, 3, 3\)"),
    "flat": ({**B, "upconv1.weight": torch.rand(32)}, "no convolution"),
    "left over": ({**kair(B), "recon_trunk.0.extra": torch.rand(1)}, r"body\.0\.extra is left over"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said(case):
    state, message = WRONG[case]
    with pytest.raises(WeightsError, match=message) as caught:
        build(state, "net.pth")
    assert caught.value.message.startswith("net.pth")
    assert len(caught.value.message) < 400
