"""The losses of a JPEG file, on batches of images and on their device.

Baseline JPEG (ITU-T T.81) as libjpeg writes and reads it by default: colour conversion, chroma at half the size
(4:2:0), quantised 8x8 cosine transforms, and the way back. Entropy coding loses nothing and is left out.
"""

from __future__ import annotations

from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.nn.border import to_multiple
from imgtk.nn.colour import LUMA, luma

__all__ = ["jpeg"]

RED, GREEN, BLUE = LUMA  # as JFIF demands

# fmt: off
LUMA_STEPS = (  # T.81, table K.1
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
)
CHROMA_STEPS = (  # T.81, table K.2
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
)
# fmt: on


def _cosines() -> list[list[float]]:
    """Return the orthonormal 8x8 cosine transform of a block as one 64x64 matrix (T.81, A.3.3)."""
    line = [[sqrt((1 if u == 0 else 2) / 8) * cos((2 * x + 1) * u * pi / 16) for x in range(8)] for u in range(8)]
    return [[line[v][y] * line[u][x] for y in range(8) for x in range(8)] for v in range(8) for u in range(8)]


COSINES = _cosines()


def jpeg(x: Tensor, quality: Tensor | int) -> Tensor:
    """Return `x` after writing it as JPEG and reading it again.

    Args:
        x: RGB (N, 3, H, W), 0..1, of any size; rounded to 8 bits first.
        quality: 1..100 as libjpeg means it, whole numbers, for all images or for each (N,).

    Returns:
        (N, 3, H, W) float32, 0..1, in steps of 1/255. Chroma is shared by 2x2 pixels and brought back by a triangle
        filter ("fancy upsampling").
    """
    height, width = x.shape[2:]
    quality = torch.as_tensor(quality, device=x.device).float().expand(x.shape[0])
    with torch.autocast(x.device.type, enabled=False):
        x = x.float().mul(255).round().clamp(0, 255)
        red, _, blue = x.split(1, 1)
        bright = luma(x)
        chroma = (torch.cat([blue, red], 1) - bright) / _chroma_range(x.device)
        chroma = _halved(chroma.round())

        bright = _coded(bright.round() - 128, _steps(LUMA_STEPS, quality)) + 128
        chroma = _coded(chroma, _steps(CHROMA_STEPS, quality))

        chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear")[..., :height, :width].round()
        blue, red = (bright + chroma * _chroma_range(x.device)).split(1, 1)
        green = (bright - RED * red - BLUE * blue) / GREEN
        return torch.cat([red, green, blue], 1).round().clamp(0, 255) / 255


def _chroma_range(device: torch.device) -> Tensor:
    """Return how far blue and red can be from luma, (2, 1, 1), over what 8 bits hold: Cb and Cr are the share of it."""
    return torch.tensor([2 * (1 - BLUE), 2 * (1 - RED)], device=device).view(2, 1, 1)


def _halved(chroma: Tensor) -> Tensor:
    """Return the averages of 2x2 pixels in whole numbers; like libjpeg, halves go down in even columns and up in
    odd ones."""
    average = F.avg_pool2d(to_multiple(chroma, 2), 2)
    up = torch.arange(average.shape[3], device=chroma.device) % 2
    return torch.where(up == 1, (average + 0.5).floor(), (average - 0.5).ceil())


def _steps(table: tuple[int, ...], quality: Tensor) -> Tensor:
    """Return the quantisation steps (N, 1, 64, 1) for qualities (N,), by libjpeg's rule (jcparam.c,
    jpeg_quality_scaling)."""
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    base = torch.tensor(table, device=quality.device)
    return ((base * percent[:, None] + 50) / 100).floor().clamp(1, 255)[:, None, :, None]


def _coded(plane: Tensor, steps: Tensor) -> Tensor:
    """Return planes (N, C, H, W), -128..127, with each cosine of their 8x8 blocks rounded to a multiple of its step."""
    count, channels, height, width = plane.shape
    cosines = torch.tensor(COSINES, device=plane.device)
    blocks = F.pixel_unshuffle(to_multiple(plane, 8), 8)
    values = cosines @ blocks.view(count, channels, 64, -1)
    values = (values / steps).round() * steps
    blocks = (cosines.T @ values).view_as(blocks)
    return F.pixel_shuffle(blocks, 8)[..., :height, :width].round().clamp(-128, 127)
