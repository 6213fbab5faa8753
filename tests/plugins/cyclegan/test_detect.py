"""Generators are told from their tensors as their projects publish them, and give the output that those define."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.weights.architecture import network_of
from imgtk_cyclegan.network import ResnetGenerator

FEATURES = 4


def build(state, source="the checkpoint"):
    return network_of(state, default().architectures, source)


class Blur(nn.Module):
    """The project's: a buffer with the filter, applied to every channel."""

    def __init__(self, channels):
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filt", torch.outer(line, line).expand(channels, 1, 3, 3).clone())

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class Enlarge(nn.Module):
    def __init__(self, channels):
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        self.register_buffer("filt", torch.outer(line, line).expand(channels, 1, 4, 4).clone())

    def forward(self, x):
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(x, self.filt, stride=2, padding=2, groups=x.shape[1])[:, :, 1:-1, 1:-1]


class Block(nn.Module):
    def __init__(self, channels, dropout, norm):
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)]
        rest = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *rest)

    def forward(self, x):
        return x + self.conv_block(x)


class Published(nn.Module):
    """The generator as its layers are listed in the papers and in the names of the published tensors."""

    def __init__(self, blocks=9, dropout=False, antialias=False, tracked=False, norm=None):
        super().__init__()
        norm = norm or (lambda channels: nn.InstanceNorm2d(channels, track_running_stats=tracked))
        f = FEATURES
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, f, 7), norm(f), nn.ReLU()]
        for width in (2 * f, 4 * f):
            layers += [nn.Conv2d(width // 2, width, 3, 1 if antialias else 2, 1), norm(width), nn.ReLU()]
            layers += [Blur(width)] if antialias else []
        layers += [Block(4 * f, dropout, norm) for _ in range(blocks)]
        for width in (2 * f, f):
            if antialias:
                layers += [Enlarge(2 * width), nn.Conv2d(2 * width, width, 3, 1, 1)]
            else:
                layers += [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1)]
            layers += [norm(width), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(f, 3, 7), nn.Tanh())

    def forward(self, x):
        for module in self.modules():
            if isinstance(module, nn.InstanceNorm2d):
                module.train()  # published networks normalise by the image, whatever the files have tracked
            elif isinstance(module, nn.Dropout):
                module.eval()
        return (self.model(2 * x - 1) + 1) / 2


def published(**options):
    torch.manual_seed(0)
    network = Published(**options)
    for p in network.parameters():
        nn.init.normal_(p, std=0.2)
    return network


@pytest.mark.parametrize("tracked", [False, True], ids=["", "running"])
@pytest.mark.parametrize("antialias", [False, True], ids=["", "antialiased"])
@pytest.mark.parametrize("dropout", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("blocks", [6, 9])
def test_published_layouts(blocks, dropout, antialias, tracked):
    theirs = published(blocks=blocks, dropout=dropout, antialias=antialias, tracked=tracked)
    ours = build(theirs.state_dict())
    assert isinstance(ours, ResnetGenerator)
    assert (ours.blocks, ours.antialias, ours.skip) == (blocks, antialias, None)
    x = torch.rand(1, 3, 24, 36)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=2e-5, rtol=0)


def test_the_published_network():
    network = ResnetGenerator()
    assert sum(p.numel() for p in network.parameters()) == 11_378_179
    names = {"model.1.bias", "model.10.conv_block.5.weight", "model.18.conv_block.1.weight", "model.19.weight"}
    assert names | {"model.22.weight", "model.26.weight"} <= network.state_dict().keys()
    six = ResnetGenerator(blocks=6).state_dict()
    assert {"model.15.conv_block.5.weight", "model.16.weight", "model.19.weight", "model.23.weight"} <= six.keys()


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_our_own_files(antialias, skip):
    torch.manual_seed(0)
    network = ResnetGenerator(8, 2, antialias=antialias, skip=skip)
    again = build(network.state_dict())
    assert again.state_dict().keys() == network.state_dict().keys()
    x = torch.rand(2, 3, 16, 24)
    with torch.no_grad():
        assert torch.equal(again(x), network(x))


def test_a_new_network_with_a_skip_keeps_flat_colours():
    network = ResnetGenerator(4, 1, antialias=True, skip=True)
    nn.init.zeros_(network.model[-1].weight)
    nn.init.zeros_(network.model[-1].bias)
    x = torch.rand(1, 3, 1, 1).expand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(x), x, atol=0.011, rtol=0)


PLAIN, SMOOTH = published().state_dict(), published(antialias=True).state_dict()
WRONG = {
    "gray": ({**PLAIN, "model.1.weight": torch.rand(4, 1, 7, 7)}, "takes images of 1 channels"),
    "batches": (published(norm=nn.BatchNorm2d).state_dict(), "statistics of batches"),
    "no end": ({n: v for n, v in PLAIN.items() if "26" not in n}, r"model\.26\.bias is missing"),
    "gap": ({n: v for n, v in SMOOTH.items() if "model.14." not in n}, r"model\.1\d\..* is missing"),
    "three more": ({**PLAIN, "model.30.weight": torch.rand(3)}, r"model\.30\.weight is left over"),
    "flat": ({**PLAIN, "model.1.weight": torch.rand(4)}, "no convolution"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said(case):
    state, message = WRONG[case]
    with pytest.raises(WeightsError, match=message) as caught:
        build(state, "net.pth")
    assert caught.value.message.startswith("net.pth")
    assert len(caught.value.message) < 400
