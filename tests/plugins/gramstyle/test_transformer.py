"""The public layout of fast style networks, from random tensors."""

import pytest
import torch
import torch.nn.functional as F

from imgtk.errors import WeightsError
from imgtk.painting.op import load_network
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_gramstyle.transformer import TransformerNet

CHANNELS = {"in1": 32, "in2": 64, "in3": 128, "in4": 64, "in5": 32}


@pytest.fixture(scope="module")
def state():
    """The tensors by the names and shapes of the published files."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "conv1": (32, 3, 9, 9),
        "conv2": (64, 32, 3, 3),
        "conv3": (128, 64, 3, 3),
        **{f"res{n}.conv{c}": (128, 128, 3, 3) for n in range(1, 6) for c in (1, 2)},
        "deconv1": (64, 128, 3, 3),
        "deconv2": (32, 64, 3, 3),
        "deconv3": (3, 32, 9, 9),
    }
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}.conv2d.weight"] = torch.randn(shape, generator=generator) / (shape[1] * shape[2] ** 2) ** 0.5
        tensors[f"{name}.conv2d.bias"] = torch.randn(shape[0], generator=generator)
    tensors["deconv3.conv2d.weight"] *= 40
    tensors["deconv3.conv2d.bias"] += 128
    for name, channels in {**CHANNELS, **{f"res{n}.in{c}": 128 for n in range(1, 6) for c in (1, 2)}}.items():
        tensors[f"{name}.weight"] = torch.rand(channels, generator=generator) + 0.5
        tensors[f"{name}.bias"] = torch.randn(channels, generator=generator) * 0.1
    return tensors


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("public") / "mosaic.pth"
    old = {
        f"{name}.{what}": torch.ones(CHANNELS.get(name, 128))
        for name in ("in1", "in5", "res1.in1", "res5.in2")
        for what in ("running_mean", "running_var")
    }
    torch.save({**state, **old}, path)
    return path


def reference(state, x):
    """What the published networks compute, of images 0..255, written down once more."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.conv2d.weight"]
        padded = F.pad(x, [weight.shape[-1] // 2] * 4, mode="reflect")
        return F.conv2d(padded, weight, state[f"{name}.conv2d.bias"], stride)

    def norm(name, x):
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    for n, stride in ((1, 1), (2, 2), (3, 2)):
        x = norm(f"in{n}", conv(f"conv{n}", x, stride)).relu()
    for n in range(1, 6):
        y = norm(f"res{n}.in1", conv(f"res{n}.conv1", x)).relu()
        x = x + norm(f"res{n}.in2", conv(f"res{n}.conv2", y))
    for n in (1, 2):
        x = norm(f"in{n + 3}", conv(f"deconv{n}", x.repeat_interleave(2, 2).repeat_interleave(2, 3))).relu()
    return conv("deconv3", x)


@torch.inference_mode()
def test_it_computes_what_the_published_network_does(state, file):
    network, x = load_network(file, default().architectures), sample_image(64, 48)
    wanted = (reference(state, x * 255) / 255).clamp(0, 1)
    assert 0.05 < wanted.std() < 0.4
    torch.testing.assert_close(network(x), wanted, atol=1e-4, rtol=0)
    assert sum(p.numel() for p in network.parameters()) == 1_679_235


def test_the_halo_is_the_receptive_radius():
    torch.manual_seed(0)
    network = TransformerNet().eval()
    x = torch.rand(1, 3, 24, 256, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach = set()
    for column in range(124, 128):
        gradient = torch.autograd.grad(network.apply_moments(x / 255, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - network.multiple < max(reach) <= network.radius


def test_it_keeps_every_promise_of_an_operator(file):
    check_op("style:fast", model=str(file), sizes=((61, 47),))


@pytest.mark.parametrize("name", ["in3.weight", "res4.conv1.conv2d.bias"])
def test_a_missing_tensor_is_named(state, tmp_path, name):
    path = tmp_path / "broken.pth"
    torch.save({key: value for key, value in state.items() if key != name}, path)
    op = default().build("style:fast", model=str(path))
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        op.to(torch.device("cpu"), torch.float32)
