"""JPEG on tensors, against files that libjpeg wrote and read."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from imgtk.nn.colour import luma
from imgtk.nn.jpeg import jpeg


def tensor(pixels):
    return torch.tensor(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def through_libjpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return tensor(np.array(Image.open(file)))


def psnr(a, b):
    return -10 * torch.log10((a - b).square().mean().clamp_min(1e-10)).item()


@pytest.mark.parametrize("quality", [5, 30, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("size", [(160, 160), (107, 133), (17, 16), (3, 40), (1, 1)])
def test_same_as_libjpeg_up_to_rounding(quality, size):
    pixels = np.ascontiguousarray(data.astronaut()[100 : 100 + size[0], 180 : 180 + size[1]])
    theirs = through_libjpeg(pixels, quality)
    ours = jpeg(tensor(pixels), quality)
    assert psnr(ours, theirs) > (46 if min(size) > 100 else 40)  # in a few blocks, one rounding is the other way
    assert (ours - theirs).mean().abs() < 1 / 255


def test_noise_and_saturated_colours_too():
    pixels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (48, 64, 3))
    assert psnr(jpeg(tensor(pixels), 60), through_libjpeg(pixels, 60)) > 33


def test_each_image_has_its_own_quality():
    x = tensor(data.astronaut()[:64, 200:264]).expand(3, -1, -1, -1)
    batch = jpeg(x, torch.tensor([10, 50, 90]))
    for result, quality in zip(batch, (10, 50, 90), strict=True):
        torch.testing.assert_close(result[None], jpeg(x[:1], quality), rtol=0, atol=0)
    losses = (batch - x).square().mean((1, 2, 3))
    assert losses[0] > losses[1] > losses[2] > 0


def test_flat_colours_stay():
    for colour in ((0, 0, 0), (255, 255, 255), (128, 128, 128)):
        x = tensor(np.full((20, 20, 3), colour, np.uint8))
        torch.testing.assert_close(jpeg(x, 95), x, rtol=0, atol=0)


def test_result_is_of_8_bits_and_does_not_change_with_autocast_layout_or_overshoot():
    x = torch.rand(2, 3, 33, 50) * 1.5 - 0.25
    result = jpeg(x, 40)
    torch.testing.assert_close(result * 255, (result * 255).round(), rtol=0, atol=1e-4)
    assert result.min() >= 0
    assert result.max() <= 1
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(jpeg(x.contiguous(memory_format=torch.channels_last), 40), result)
    assert torch.equal(jpeg(x.clamp(0, 1), 40), result)


def test_luma_is_a_share_of_each_colour():
    torch.testing.assert_close(luma(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))
    assert [round(luma(torch.eye(3)[i].view(1, 3, 1, 1)).item(), 3) for i in range(3)] == [0.299, 0.587, 0.114]
