"""Resampling: known answers, whole against windows, and other libraries."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from imgtk.geometry import Box, Size, Window
from imgtk.nn.resample import KERNELS, resample, support, with_longest_side

SCALES = [Fraction(4), Fraction(5, 2), Fraction(11, 10), Fraction(1), Fraction(2, 3), Fraction(1, 4), Fraction(7, 64)]


def noise(width: int, height: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(width * 1000 + height))


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_window_is_the_crop_of_the_whole(kernel: str, scale: Fraction) -> None:
    size = Size(83, 61)
    x, whole_size, halo = noise(*size), size.scaled(scale), support(kernel, scale)
    whole = resample(x, whole_size, kernel=kernel)
    width, height = whole_size
    for box in (
        Box(0, 0, width, height),
        Box(width // 3, height // 4, width // 3 + 1, height // 4 + 1),
        Box(width // 2, height // 3, width, height),
        Box(0, height // 2, ceil(width / 2), ceil(height * 2 / 3)),
    ):
        if min(box.size) < 1:
            continue
        needed = Box(
            max(0, floor(box.left / scale) - halo),
            max(0, floor(box.top / scale) - halo),
            min(size.width, ceil(box.right / scale) + halo),
            min(size.height, ceil(box.bottom / scale) + halo),
        )
        tile = x[:, :, needed.top : needed.bottom, needed.left : needed.right]
        part = resample(tile, whole_size, kernel=kernel, window=Window(box, whole_size, needed, size))
        torch.testing.assert_close(part, whole[:, :, box.top : box.bottom, box.left : box.right], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [Size(1, 1), Size(1, 40), Size(7, 2), Size(130, 3)])
def test_a_constant_stays_constant(kernel: str, size: Size) -> None:
    x = torch.full((2, 3, 9, 1), 0.3)
    result = resample(x, size, kernel=kernel)
    assert result.shape == (2, 3, size.height, size.width)
    torch.testing.assert_close(result, torch.full_like(result, 0.3))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_same_size_is_the_same_image(kernel: str) -> None:
    x = noise(13, 9)
    torch.testing.assert_close(resample(x, Size(13, 9), kernel=kernel), x)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_a_ramp_stays_a_ramp_away_from_the_border(kernel: str) -> None:
    ramp = torch.arange(24.0).expand(1, 3, 5, 24)
    result = resample(ramp, Size(60, 5), kernel=kernel)[0, 0, 0]
    expected = (torch.arange(60) + 0.5) / 2.5 - 0.5
    torch.testing.assert_close(result[8:-8], expected[8:-8], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [Size(20, 12), Size(5, 30), Size(1, 1), Size(2, 1)], ids=str)
def test_a_periodic_image_is_the_middle_of_its_copies(kernel: str, size: Size) -> None:
    x = noise(8, 6)
    copies = resample(x.repeat(1, 1, 9, 9), Size(size.width * 9, size.height * 9), kernel=kernel)
    width, height = size
    expected = copies[..., 4 * height : 5 * height, 4 * width : 5 * width]
    assert torch.allclose(resample(x, size, kernel=kernel, periodic=(True, True)), expected, atol=1e-5)


def test_area_averages_blocks() -> None:
    x = noise(12, 8)
    torch.testing.assert_close(resample(x, Size(3, 2), kernel="area"), torch.nn.functional.avg_pool2d(x, 4))


@pytest.mark.parametrize(
    ("kernel", "filter"), [("bilinear", Pillow.Resampling.BILINEAR), ("bicubic", Pillow.Resampling.BICUBIC)]
)
def test_shrinking_agrees_with_pillow_away_from_the_border(kernel: str, filter: Pillow.Resampling) -> None:
    x = noise(90, 70)
    expected = np.asarray(Pillow.fromarray(x[0, 0].numpy()).resize((31, 22), filter))
    result = resample(x, Size(31, 22), kernel=kernel)[0, 0].numpy()
    np.testing.assert_allclose(result[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-5)


def test_dtype_is_kept_and_input_is_not_touched() -> None:
    x = noise(20, 20).to(torch.bfloat16)
    before = x.clone()
    result = resample(x, Size(33, 10))
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


def test_gradients_flow() -> None:
    x = noise(8, 8).requires_grad_()
    resample(x, Size(5, 13), kernel="lanczos").sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad.sum(), torch.tensor(3 * 5 * 13.0))


def test_unknown_kernel() -> None:
    with pytest.raises(ValueError, match="nearest, bilinear"):
        resample(noise(4, 4), Size(2, 2), kernel="cubic")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_it_is_the_downsampling_of_the_benchmarks(shared: Path, name: str) -> None:
    """MATLAB's imresize made these files; Pillow- or OpenCV-like downsampling without antialiasing is at 20 dB."""
    for path in sorted((shared / "srbench" / name / "image_SRF_4").glob("*_HR.png")):
        high, low = (
            torch.from_numpy(np.array(Pillow.open(p).convert("RGB"))).permute(2, 0, 1)[None].float()
            for p in (path, path.with_name(path.name.replace("_HR", "_LR")))
        )
        result = resample(high, Size(low.shape[3], low.shape[2])).clamp(0, 255).round()
        assert 10 * torch.log10(255**2 / (result - low).square().mean()) > 54, path.name


@pytest.mark.parametrize(
    ("size", "side", "expected"), [((30, 20), 15, (15, 10)), ((1, 300), 3, (1, 3)), ((7, 5), 7, (7, 5))]
)
def test_the_longest_side(size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    x = torch.full((1, 3, *size), 0.4)
    y = with_longest_side(x, side)
    assert y.shape[2:] == expected
    assert torch.allclose(y, torch.tensor(0.4))
