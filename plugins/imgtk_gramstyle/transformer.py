"""`TransformerNet`: the network of Johnson et al. 2016 as its public checkpoints have it.

"Perceptual losses for real-time style transfer and super-resolution", supplementary material, with instance
normalisation, interpolation before convolutions, and reflected borders.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from imgtk.nn.normalise import OWN, Measured, Normalise, NormalisingNetwork, Source

__all__ = ["TransformerNet"]


class Reflected(nn.Module):
    """A convolution with reflected borders, after repeating each pixel `enlarge` times in both directions."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, enlarge: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(channels, width, kernel, stride)
        self.reach, self.enlarge = kernel // 2, enlarge

    def forward(self, x: Tensor) -> Tensor:
        if self.enlarge > 1:
            x = F.interpolate(x, scale_factor=self.enlarge, mode="nearest")
        y: Tensor = self.conv2d(F.pad(x, [self.reach] * 4, mode="reflect"))
        return y


class Residual(Measured):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Reflected(channels, channels, 3), Normalise(channels)
        self.conv2, self.in2 = Reflected(channels, channels, 3), Normalise(channels)

    def forward(self, x: Tensor, source: Source) -> Tensor:
        y = self.in1(self.conv1(x), source).relu()
        return x + self.in2(self.conv2(y), source)


class TransformerNet(NormalisingNetwork):
    """Paints images (N, 3, H, W), RGB, 0..1, whose sides are multiples of 4 and at least 20 pixels; the output has
    the same size, within 0..1. Inside, and in its tensors, colours are 0..255."""

    multiple = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = Reflected(3, 32, 9), Normalise(32)
        self.conv2, self.in2 = Reflected(32, 64, 3, stride=2), Normalise(64)
        self.conv3, self.in3 = Reflected(64, 128, 3, stride=2), Normalise(128)
        self.res1, self.res2, self.res3, self.res4, self.res5 = (Residual(128) for _ in range(5))
        self.deconv1, self.in4 = Reflected(128, 64, 3, enlarge=2), Normalise(64)
        self.deconv2, self.in5 = Reflected(64, 32, 3, enlarge=2), Normalise(32)
        self.deconv3 = Reflected(32, 3, 9)

    @property
    def description(self) -> str:
        return "TransformerNet"

    @property
    def radius(self) -> int:
        """Receptive radius in pixels, a multiple of `multiple`."""
        return 60

    def forward(self, x: Tensor, source: Source = OWN) -> Tensor:
        x = x * 255
        for conv, norm in ((self.conv1, self.in1), (self.conv2, self.in2), (self.conv3, self.in3)):
            x = norm(conv(x), source).relu()
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            x = block(x, source)
        for conv, norm in ((self.deconv1, self.in4), (self.deconv2, self.in5)):
            x = norm(conv(x), source).relu()
        painted: Tensor = self.deconv3(x).float() / 255
        return painted.clamp(0, 1)
