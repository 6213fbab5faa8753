"""Interpolation operators against `cv2.resize`, and tiles against the whole."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Box, Extent, Size, Window
from imgtk.op import ImageOp
from imgtk_interpolate import imgtk_operators

SPECS = {spec.name: spec for spec in imgtk_operators()}
OPENCV = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}


def image(width: int, height: int) -> torch.Tensor:
    pixels = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(width + height))
    return pixels.contiguous(memory_format=torch.channels_last)


def build(name: str, **params: Any) -> ImageOp:
    op = SPECS[name].build(BuildContext(), **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


def resized(x: torch.Tensor, size: Size, kernel: str) -> torch.Tensor:
    array = cv2.resize(np.ascontiguousarray(x[0].permute(1, 2, 0).numpy()), size, interpolation=OPENCV[kernel])
    return torch.from_numpy(array).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", [(37, 23), (1, 1), (1, 9), (8, 1)])
@pytest.mark.parametrize(
    ("kernel", "scale"),
    [
        (kernel, scale)
        for kernel in OPENCV
        for scale in ("x4", "x3", "x2.5", "x1")
        if (kernel, scale) != ("nearest", "x2.5")  # OpenCV's fixed point decides ties by rounding errors
    ],
)
def test_upscale_is_opencv(kernel: str, size: tuple[int, int], scale: str) -> None:
    x, op = image(*size), build(f"upscale:{kernel}", scale=scale)
    expected = resized(x, op.output_size(Size(*size)), kernel)
    torch.testing.assert_close(op(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", ["x1/2", "x1/3", "x0.3"])
def test_shrinking_by_area_is_opencv(scale: str) -> None:
    x, op = image(91, 64), build("resize:area", scale=scale)
    torch.testing.assert_close(op(x), resized(x, op.output_size(Size(91, 64)), "area"), atol=1e-5, rtol=0)


def test_enlarging_by_area_takes_no_pixel_that_only_touches() -> None:
    """In the middle of 192 pixels that become 326, edges of input and output meet, which OpenCV rounds."""
    x = image(192, 1).expand(-1, -1, 10, -1)
    result = build("upscale:area", scale="x1.7")(x)
    torch.testing.assert_close(result[..., 163], x[..., :1, 96].expand(-1, -1, 17), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        (name, scale)
        for name in SPECS
        for scale in ("x4", "x3", "x2.5", "x1.37", *(["x1/2", "x2/7"] if name.startswith("resize:") else []))
    ],
)
def test_tiles_are_the_whole(name: str, scale: str) -> None:
    """Whether OpenCV or torch computes it: the region arithmetic is the engine's."""
    size = Size(71, 53)
    x, op = image(*size), build(name, scale=scale)
    whole, halo, factor = op(x), op.geometry.halo, op.geometry.scale
    output = op.output_size(size)
    for left, top in ((0, 0), (output.width // 2, output.height // 3)):
        box = Box(left, top, min(output.width, left + 17), min(output.height, top + 11))
        needed = Box(
            max(0, floor(box.left / factor) - halo),
            max(0, floor(box.top / factor) - halo),
            min(size.width, ceil(box.right / factor) + halo),
            min(size.height, ceil(box.bottom / factor) + halo),
        )
        tile = x[:, :, needed.top : needed.bottom, needed.left : needed.right]
        part = op.render(tile, window=Window(box, output, needed, size))
        torch.testing.assert_close(part, whole[:, :, box.top : box.bottom, box.left : box.right], atol=2e-6, rtol=0)


def test_opencv_gets_a_view_and_gives_one() -> None:
    x = image(32, 16)
    result = build("upscale:bicubic", scale=4)(x)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, image(32, 16))


def test_layouts_agree() -> None:
    """Contiguous, channels_last and expanded gray tensors are the same image."""
    op = build("upscale:bicubic", scale=2)
    gray = torch.rand(1, 1, 9, 7).expand(1, 3, 9, 7)
    torch.testing.assert_close(op(gray), op(gray.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(op(gray), op(gray.contiguous()))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"scale": "x0.5"}, Size(50, 34)),
        ({"width": 50}, Size(50, 34)),
        ({"height": 670}, Size(1000, 670)),
        ({"width": 50, "height": 50}, Size(50, 34)),
        ({"width": 50, "height": 10}, Size(15, 10)),
        ({"width": 50, "height": 50, "fit": "stretch"}, Size(50, 50)),
        ({"width": 50, "height": 500, "fit": "shrink"}, Size(50, 34)),
        ({"width": 500, "height": 500, "fit": "shrink"}, Size(100, 67)),
        ({"width": 1}, Size(1, 1)),
    ],
)
def test_resize_sizes(params: dict[str, Any], expected: Size) -> None:
    op = build("resize:bicubic", **params)
    assert op.output_size(Size(100, 67)) == expected
    assert op(image(100, 67)).shape[2:] == (expected.height, expected.width)
    assert (op.geometry.extent is Extent.WHOLE) == ("scale" not in params)


def test_upscale_to_odd_scale_rounds_the_size() -> None:
    op = build("upscale:bilinear", scale="x1.5")
    assert op.output_size(Size(5, 3)) == Size(8, 5)
    assert op.geometry.scale == Fraction(3, 2)


@pytest.mark.parametrize("params", [{}, {"scale": "x2", "width": 5}, {"scale": "x2", "height": 5}])
def test_resize_needs_one_way_to_say_the_size(params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="either a scale or"):
        build("resize:bicubic", **params)


@pytest.mark.parametrize("params", [{}, {"scale": "x0.5"}, {"scale": "x65"}, {"scale": "four"}])
def test_upscale_needs_a_scale_of_at_least_one(params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="scale"):
        build("upscale:bicubic", **params)
