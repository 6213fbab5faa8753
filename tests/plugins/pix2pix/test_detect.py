"""The published U-Net by its tensors' names: what is told from them, and that it computes what the publication does."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.weights.architecture import network_of
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet, published_widths, smooth_widths


def published(widths, *, batch_norm=True, channels=(3, 3)):
    """Random tensors under the names of the published generator, written down from its description: strided 4x4
    convolutions, inner levels as `3` of the level around them, the innermost without normalisation on its way down."""
    state, depth = {}, len(widths)

    def conv(name, shape, bias):
        state[f"{name}.weight"] = torch.randn(*shape, 4, 4) * 0.1
        if bias:
            state[f"{name}.bias"] = torch.randn(shape[0]) * 0.1

    def norm(name, width):
        if batch_norm:
            state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(width) + 0.5, torch.randn(width)
            state[f"{name}.running_mean"], state[f"{name}.running_var"] = torch.randn(width), torch.rand(width)
            state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    name = "model.model"
    for level, width in enumerate(widths):
        outer = widths[level - 1] if level else channels[0]
        inner = 2 * width if level < depth - 1 else width
        conv(f"{name}.{0 if level == 0 else 1}", (width, outer), not batch_norm)
        if 0 < level < depth - 1:
            norm(f"{name}.2", width)
        up = "3" if level in (0, depth - 1) else "5"
        painted = channels[1] if level == 0 else outer
        state[f"{name}.{up}.weight"] = torch.randn(inner, painted, 4, 4) * 0.1
        if level == 0 or not batch_norm:
            state[f"{name}.{up}.bias"] = torch.randn(painted) * 0.1
        if level:
            norm(f"{name}.{int(up) + 1}", outer)
        name += ".1.model" if level == 0 else ".3.model"
    return state


def computed(state, x, name="model.model", *, batch_norm=True):
    """What the published code computes when it is used on one image: batch normalisation of that batch of one."""

    def norm(key, y):
        if not batch_norm:
            return F.instance_norm(y)
        return F.batch_norm(y, None, None, state[f"{key}.weight"], state[f"{key}.bias"], training=True)

    outermost = name == "model.model"
    innermost = f"{name}.3.weight" in state and not outermost
    down = 0 if outermost else 1
    y = x if outermost else F.leaky_relu(x, 0.2)
    y = F.conv2d(y, state[f"{name}.{down}.weight"], state.get(f"{name}.{down}.bias"), 2, 1)
    up = 3 if outermost or innermost else 5
    if outermost:
        y = computed(state, y, f"{name}.1.model", batch_norm=batch_norm)
    elif not innermost:
        y = computed(state, norm(f"{name}.2", y), f"{name}.3.model", batch_norm=batch_norm)
    y = F.conv_transpose2d(y.relu(), state[f"{name}.{up}.weight"], state.get(f"{name}.{up}.bias"), 2, 1)
    return y.tanh() if outermost else torch.cat([x, norm(f"{name}.{up + 1}", y)], 1)


@torch.inference_mode()
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("widths", [[4, 8, 8], [4, 8, 16, 32, 32], [6, 5]])
def test_a_published_file_computes_what_it_does_there(widths, batch_norm):
    torch.manual_seed(0)
    state = published(widths, batch_norm=batch_norm)
    network = network_of(state, default().architectures)
    assert isinstance(network, TransposedUNet)
    assert network.widths == widths
    x = torch.rand(1, 3, 64, 96)
    expected = (computed(state, 2 * x - 1, batch_norm=batch_norm) + 1) / 2
    torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=1e-3)


def test_the_network_of_the_paper_has_as_many_parameters():
    """54.414 million, as the published code prints for unet_256 with batch normalisation."""
    with torch.device("meta"):
        network = TransposedUNet(published_widths())
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(54.414e6, abs=500)
    assert network.multiple == 256


def test_dropout_moves_no_names():
    """It stands last in its block, in the three inner blocks of full width."""
    with torch.device("meta"):
        dropped, plain = (TransposedUNet(published_widths(), dropout=share) for share in (0.5, 0.0))
    assert dropped.state_dict().keys() == plain.state_dict().keys()
    names = [name for name, module in dropped.named_modules() if isinstance(module, nn.Dropout)]
    assert sorted(name.count("model") - 1 for name in names) == [5, 6, 7]  # of eight levels


@pytest.mark.parametrize("channels", [(1, 3), (3, 1)])
def test_networks_of_other_than_colour_images_are_refused(channels):
    with pytest.raises(WeightsError, match="images have 3"):
        network_of(published([4, 4], channels=channels), default().architectures)


def test_missing_tensors_are_named():
    state = published([4, 8, 8])
    del state["model.model.1.model.5.weight"]
    with pytest.raises(WeightsError, match=re.escape("model.model.1.model.5.weight")):
        network_of(state, default().architectures)


@pytest.mark.parametrize(("width", "depth"), [(4, 2), (8, 5)])
def test_our_network_is_told_from_its_tensors(width, depth):
    torch.manual_seed(0)
    network = SmoothUNet(smooth_widths(width, depth), width // 2)
    found = network_of(network.state_dict(), default().architectures)
    assert isinstance(found, SmoothUNet)
    x = torch.rand(1, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(found(x), network.eval()(x))
