"""Starting weights: signals keep their strength through rectified layers."""

import pytest
import torch
from torch import nn

from imgtk.nn.initialise import kaiming


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_deep_networks_keep_the_strength_of_signals(slope: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 64, 32, 32)
    for _ in range(8):
        x = nn.functional.leaky_relu(kaiming(nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"), slope)(x), slope)
    assert 0.2 < x.square().mean() < 5


def test_gain_and_bias() -> None:
    weights = []
    for gain in (1.0, 0.5):
        torch.manual_seed(0)
        convolution = kaiming(nn.Conv2d(3, 8, 3), 0.2, gain)
        assert convolution.bias is not None
        assert not convolution.bias.any()
        weights.append(convolution.weight)
    assert torch.equal(weights[0] / 2, weights[1])
    assert kaiming(nn.Conv2d(3, 8, 3, bias=False)).bias is None
