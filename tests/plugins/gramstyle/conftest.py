"""Tiny networks with random weights, which tests of behaviour need instead of trained ones."""

import pytest
import torch
from safetensors.torch import save_file

from imgtk.nn.features import distilled
from imgtk.painting.network import StyleNetwork


@pytest.fixture(scope="session")
def network_file(tmp_path_factory):
    """A style network, random, with an output of some contrast: flat output would hide errors."""
    torch.manual_seed(1)
    network = StyleNetwork(width=8, blocks=1)
    torch.nn.init.normal_(network.out.weight, std=0.01)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def features_file(tmp_path_factory):
    """Our feature network, random."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("features") / "features.safetensors"
    save_file(distilled().state_dict(), path)
    return path


@pytest.fixture(scope="session")
def style_file(tmp_path_factory):
    import cv2

    from imgtk.testing import sample_image

    path = tmp_path_factory.mktemp("style") / "style.png"
    cv2.imwrite(str(path), (sample_image(60, 44, seed=3)[0].permute(1, 2, 0).numpy() * 255).astype("uint8"))
    return path
