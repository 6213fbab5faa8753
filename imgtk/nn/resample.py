"""Separable resampling to any size, of whole images or of any window of the result.

Pixel centres lie at half-integers, as in OpenCV, Pillow and MATLAB: output pixel `i` looks at the input coordinate
`(i + 1/2) * in / out - 1/2`. The phase is computed in integers, so a window is exactly the crop of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.geometry import Box, Size, Window

__all__ = ["KERNELS", "resample", "support", "with_longest_side"]


def _linear(t: Tensor, a: float) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


def _cubic(t: Tensor, a: float) -> Tensor:
    """Return keys, "Cubic convolution interpolation for digital image processing" (1981), eq. 4 with free `a`."""
    t = t.abs()
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((t - 5) * t + 8) * t * a - 4 * a
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))


def _lanczos(t: Tensor, a: float) -> Tensor:
    """Return sinc(t) sinc(t / 4): Duchon, "Lanczos filtering in one and two dimensions" (1979), with 8 taps as
    OpenCV."""
    return torch.where(t.abs() < 4, torch.sinc(t) * torch.sinc(t / 4), 0.0)


_CONTINUOUS: dict[str, tuple[int, Callable[[Tensor, float], Tensor]]] = {
    "bilinear": (1, _linear),
    "bicubic": (2, _cubic),
    "lanczos": (4, _lanczos),
}
KERNELS = ("nearest", *_CONTINUOUS, "area")
"""Names of the kernels of `resample`."""


def support(kernel: str, scale: Fraction, *, antialias: bool = True) -> int:
    """Return the halo for `resample` by `scale`: input pixels it reads on each side beyond those under the output
    window.

    It covers the stretch of an antialiased kernel, and the drift of the phase when the output size had to be rounded
    (at most half an output pixel).
    """
    shrink = max(Fraction(1), 1 / scale)
    radius = _CONTINUOUS[kernel][0] if kernel in _CONTINUOUS else 0
    return ceil(radius * (shrink if antialias else 1)) + ceil(shrink)


def resample(
    x: Tensor,
    size: Size,
    *,
    kernel: str = "bicubic",
    a: float = -0.5,
    antialias: bool = True,
    window: Window | None = None,
    periodic: tuple[bool, bool] = (False, False),
) -> Tensor:
    """Resample images to `size`, in float32. Bicubic and Lanczos overshoot; nothing is clamped.

    Args:
        x: (N, C, H, W), any float dtype and device; the whole image, or what `window.input` covers.
        size: size of the whole result.
        kernel: one of `KERNELS`. "area" averages what each output pixel covers; "nearest" takes the pixel at its
            centre (OpenCV's INTER_NEAREST_EXACT).
        a: slope of the cubic at 1: -0.5 as MATLAB, Pillow and Keys; -0.75 as OpenCV.
        antialias: widen bilinear, bicubic and lanczos by the factor by which an axis shrinks. Without it they are
            those of OpenCV.
        window: produce only `window.output`; `window.input` must reach `support` pixels around it.
        periodic: whether the image repeats itself beyond its border, across (x) and down (y). `window.input` then
            reaches beyond the border.

    Returns:
        (N, C, height, width) of the window, else of `size`; dtype of `x`, channels_last. Beyond its border an image
        that is not periodic repeats its edge pixels.

    >>> resample(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), Size(1, 1), kernel="area").item()
    0.5
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    whole = Size(x.shape[3], x.shape[2])
    window = window or Window(Box.of(size), size, Box.of(whole), whole)
    source, target, image = window.input, window.output, window.input_size
    rows = _taps(kernel, a, antialias, image.height, size.height, source[1::2], target[1::2], periodic[1])
    columns = _taps(kernel, a, antialias, image.width, size.width, source[0::2], target[0::2], periodic[0])
    y = x.float().permute(2, 3, 0, 1)  # (H, W, N, C)
    if target.size.height <= source.size.height:
        y = _gather(_gather(y, *rows).transpose(0, 1), *columns).transpose(0, 1)
    else:
        y = _gather(_gather(y.transpose(0, 1), *columns).transpose(0, 1), *rows)
    return y.permute(2, 3, 0, 1).to(x.dtype).contiguous(memory_format=torch.channels_last)


def _gather(y: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Return weighted sums of rows: (rows, …) to (len(index), …)."""
    index, weight = index.to(y.device), weight.to(y.device)
    if index.shape[1] == 1:
        return y[index[:, 0]]
    table = y.reshape(len(y), -1)
    return F.embedding_bag(index, table, mode="sum", per_sample_weights=weight).unflatten(1, y.shape[1:])


def _taps(
    kernel: str,
    a: float,
    antialias: bool,
    length: int,
    out_length: int,
    source: tuple[int, ...],
    target: tuple[int, ...],
    periodic: bool,
) -> tuple[Tensor, Tensor]:
    """Return which input pixels (index within `source`) each output pixel of `target` sums, and their float32 weights:
    two tensors (target, taps). `source` and `target` are (start, stop) on this axis."""
    i = torch.arange(*target)[:, None]
    if kernel == "area":
        count = -(-length // out_length) + 1
        index = i * length // out_length + torch.arange(count)
        start, stop = i * length, (i + 1) * length  # of the output pixel, in units of 1 / out_length input pixels
        overlap = torch.minimum(stop, (index + 1) * out_length) - torch.maximum(start, index * out_length)
        weight = overlap.clamp(min=0).double()
    elif kernel == "nearest":
        index = (2 * i + 1) * length // (2 * out_length)
        weight = torch.ones_like(index).double()
    else:
        radius, function = _CONTINUOUS[kernel]
        stretch = max(1.0, length / out_length) if antialias else 1.0
        reach = ceil(radius * stretch)
        doubled = (2 * i + 1) * length - out_length  # the centre, in units of 1 / (2 out_length) input pixels
        floor = doubled.div(2 * out_length, rounding_mode="floor")
        fraction = (doubled - floor * 2 * out_length).double() / (2 * out_length)
        offset = torch.arange(1 - reach, reach + 1)
        index = floor + offset
        weight = function((offset - fraction) / stretch, a)
    weight = weight / weight.sum(1, keepdim=True)
    if not periodic:
        index = index.clamp(0, length - 1)
    elif source[1] - source[0] == length:  # nothing around the image
        index = (index - source[0]) % length + source[0]
    return index.sub(source[0]).clamp(0, source[1] - source[0] - 1), weight.float()


def with_longest_side(x: Tensor, side: int) -> Tensor:
    """Return images (N, C, H, W), enlarged or shrunk bilinearly to a longest side of `side` pixels, antialiased."""
    scale = side / max(x.shape[2:])
    size = [max(1, round(length * scale)) for length in x.shape[2:]]
    return x if size == list(x.shape[2:]) else F.interpolate(x, size=size, mode="bilinear", antialias=True)
