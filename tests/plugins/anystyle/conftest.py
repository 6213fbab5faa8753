"""A tiny network with random weights, and style images."""

import cv2
import pytest
import torch
from safetensors.torch import save_file

from imgtk.testing import sample_image
from imgtk_anystyle.network import AnyStyleNetwork


def write(path, tensor):
    cv2.imwrite(str(path), (tensor[0].permute(1, 2, 0).numpy() * 255).astype("uint8")[..., ::-1])
    return path


@pytest.fixture
def network():
    """Random, with predictions that differ much from style to style: equal ones would hide errors."""
    torch.manual_seed(1)
    network = AnyStyleNetwork(width=8, blocks=1, bottleneck=6).eval()
    torch.nn.init.normal_(network.narrow.weight, std=1)
    torch.nn.init.normal_(network.predict.weight, std=0.1)
    return network


@pytest.fixture
def network_file(network, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def styles(tmp_path_factory):
    """A folder of two style images: one dark and wide, one pale and high."""
    folder = tmp_path_factory.mktemp("styles")
    write(folder / "dark.png", 0.3 * sample_image(90, 70, seed=3))
    write(folder / "pale.png", 1 - 0.3 * sample_image(66, 120, seed=4).flip(1))
    return folder
