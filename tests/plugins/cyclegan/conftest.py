"""A tiny generator with random weights, and two folders of tiny images."""

import cv2
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imgtk.testing import sample_image
from imgtk_cyclegan.network import ResnetGenerator


def random_generator(**options):
    """With an output of some contrast: a new one leaves the image nearly as it is, which would hide errors."""
    torch.manual_seed(1)
    network = ResnetGenerator(4, 1, **options)
    nn.init.normal_(network.model[-1].weight, std=0.01)
    return network.eval()


@pytest.fixture(scope="session", params=[(False, False), (True, True)], ids=["published", "ours"])
def network_file(request, tmp_path_factory):
    antialias, skip = request.param
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(random_generator(antialias=antialias, skip=skip).state_dict(), path)
    return path


def folder_of(tmp_path_factory, name, count, first):
    folder = tmp_path_factory.mktemp(name)
    for seed in range(first, first + count):
        pixels = (sample_image(72, 68, seed=seed)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
        cv2.imwrite(str(folder / f"{seed:02}.png"), pixels)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return folder_of(tmp_path_factory, "photos", 4, 0)


@pytest.fixture(scope="session")
def paintings(tmp_path_factory):
    return folder_of(tmp_path_factory, "paintings", 12, 50)
