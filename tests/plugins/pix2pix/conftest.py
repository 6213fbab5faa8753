"""Tiny networks with random weights, and folders of pairs."""

import cv2
import pytest
import torch
from safetensors.torch import save_file

from imgtk.testing import sample_image
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet


def saved(network, folder):
    path = folder / "tiny.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def smooth_file(tmp_path_factory):
    """Our U-Net, random, with an output of some contrast: flat output would hide errors."""
    torch.manual_seed(1)
    network = SmoothUNet([8, 12], fine=4)
    torch.nn.init.normal_(network.out.weight, std=0.05)
    return saved(network, tmp_path_factory.mktemp("smooth"))


@pytest.fixture(scope="session")
def transposed_file(tmp_path_factory):
    """The published U-Net with three levels, random."""
    torch.manual_seed(2)
    return saved(TransposedUNet([4, 8, 8]), tmp_path_factory.mktemp("transposed"))


def write(path, tensor):
    cv2.imwrite(str(path), (tensor[0].permute(1, 2, 0).numpy()[..., ::-1] * 255).round().astype("uint8"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        write(folder / f"{seed}.png", sample_image(90, 80, seed=seed))
    return folder


@pytest.fixture(scope="session")
def targets(tmp_path_factory, photos):
    """The negatives of `photos`, with equal names."""
    folder = tmp_path_factory.mktemp("targets")
    for seed in range(3):
        write(folder / f"{seed}.png", 1 - sample_image(90, 80, seed=seed))
    return folder
