"""What is measured of images: noise, blocks, blur, darkness and haze."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from imgtk_restore.light import darkened
from imgtk_restore.measure import blockiness, blur_width, haziness, noise_level, stops_needed


def tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def noisy(pixels, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def compressed(pixels, quality):
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


@pytest.fixture(scope="module")
def photo():
    """A photo without noise or blocks of its own: made smaller."""
    return cv2.resize(skimage.data.astronaut(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("sigma", [5, 15, 25])
def test_noise_is_estimated(photo, sigma):
    assert noise_level(tensor(noisy(np.full((128, 128, 3), 128), sigma))) == pytest.approx(sigma, rel=0.1)
    assert noise_level(tensor(noisy(photo, sigma))) == pytest.approx(sigma, rel=0.25)


def test_images_without_noise_have_none(photo):
    assert noise_level(tensor(photo)) < 2
    gradient = np.add.outer(np.arange(128), np.arange(128))[..., None].repeat(3, 2).astype(np.uint8)
    assert noise_level(tensor(gradient)) == 0


def test_what_is_clipped_does_not_count(photo):
    image = noisy(photo, 15)
    image[:128] = 255
    assert noise_level(tensor(image)) == pytest.approx(15, rel=0.35)
    assert noise_level(torch.ones(1, 3, 64, 64)) == 0


@pytest.mark.parametrize("crop", [0, 3])
def test_blocks_are_found_wherever_the_grid_begins(photo, crop):
    assert blockiness(tensor(photo)) < 1.2
    found = [blockiness(tensor(compressed(photo, quality)[crop:, crop:])) for quality in (60, 30, 10)]
    assert found == sorted(found)
    assert found[0] > 1.3


def test_noise_has_no_blocks(photo):
    assert blockiness(tensor(noisy(photo, 20))) < 1.2


@pytest.mark.parametrize("size", [(1, 1), (15, 40), (1, 300), (16, 16)])
def test_any_size(size):
    x = torch.rand(1, 3, *size)
    assert noise_level(x) >= 0
    assert blockiness(x) >= 1
    assert blur_width(x) >= 0
    assert stops_needed(x).item() >= 0
    assert 0 <= haziness(x) <= 1


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_the_width_of_edges_is_estimated(photo, sigma):
    assert blur_width(tensor(photo)) < 0.7
    assert blur_width(tensor(cv2.GaussianBlur(photo, (0, 0), sigma))) == pytest.approx(sigma, rel=0.2)


def test_images_without_edges_are_not_blurred():
    gradient = np.add.outer(np.arange(128), np.arange(128))[..., None].repeat(3, 2).astype(np.uint8)
    assert blur_width(tensor(gradient)) == 0
    assert blur_width(torch.zeros(1, 3, 40, 40)) == 0


def test_a_blurred_background_is_no_fault(photo):

    image = cv2.GaussianBlur(photo, (0, 0), 3)
    image[64:192, 64:192] = photo[64:192, 64:192]
    assert blur_width(tensor(image)) < 1


def test_darkness_is_measured_in_stops(photo):
    assert stops_needed(tensor(photo)).item() < 1
    found = [stops_needed(darkened(tensor(photo), torch.tensor([gain]))).item() for gain in (4.0, 16.0)]
    assert 1 < found[0] < found[1] <= 5
    assert stops_needed(torch.zeros(1, 3, 4, 4)).item() == 5


def test_haze_makes_the_darkest_bright(photo):
    assert haziness(tensor(photo)) + 0.2 < haziness(0.5 + tensor(photo) / 2)
