"""`restore:auto`: what it chooses, and that it shows it."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from imgtk import Pipeline
from imgtk.errors import ReadError
from imgtk.registry import default
from imgtk_restore.auto import steps
from imgtk_restore.light import darkened


def tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def photo():
    return cv2.resize(skimage.data.astronaut(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def noisy(pixels, sigma=20):
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def compressed(pixels, quality=25):
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def test_each_image_is_given_what_it_needs(photo):
    assert steps(tensor(photo)) == []
    assert steps(tensor(noisy(photo))) == ["restore:denoise"]
    assert steps(tensor(compressed(photo))) == ["restore:jpeg"]
    assert steps(tensor(cv2.GaussianBlur(photo, (0, 0), 2))) == ["restore:deblur"]


def dark(photo):
    return np.rint(darkened(tensor(photo), torch.tensor([16.0]))[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def test_dark_images_are_brightened_by_what_they_lack(photo):
    """Not more: what results needs nothing."""
    (step,) = steps(tensor(dark(photo)))
    name, stops = step.split()
    assert name == "restore:lowlight"
    assert 2 < float(stops) < 4
    result = Pipeline("restore:auto", device="cpu")(dark(photo)).pixels
    assert np.abs(result.astype(int) - Pipeline(step, device="cpu")(dark(photo)).pixels).max() <= 1
    assert steps(tensor(result)) == []


def test_it_does_what_the_pipeline_does_that_it_stands_for(photo):
    auto = Pipeline("restore:auto", device="cpu", dtype="fp32")
    assert np.array_equal(auto(photo).pixels, photo)
    for image, text in ((noisy(photo), "restore:denoise"), (compressed(photo), "restore:jpeg")):
        expected = Pipeline(text, device="cpu", dtype="fp32")(image).pixels
        assert np.abs(auto(image).pixels.astype(int) - expected).max() <= 1


def test_the_plan_shows_what_is_done(photo, tmp_path):
    cv2.imwrite(str(tmp_path / "noisy.png"), noisy(photo)[..., ::-1])
    op = default().build("restore:auto", like=str(tmp_path / "noisy.png"))
    assert op.summary() == {"pipeline": "restore:denoise"}
    cv2.imwrite(str(tmp_path / "hazy.png"), 128 + noisy(photo)[..., ::-1] // 2)
    assert "adjust:dehaze" in default().build("restore:auto", like=str(tmp_path / "hazy.png")).summary()["haze"]
    assert "each image" in default().build("restore:auto").summary()["pipeline"]


def test_an_image_that_cannot_be_measured(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ReadError, match="like= cannot be used"):
        Pipeline(f"restore:auto like={tmp_path / 'text.png'}", device="cpu")(np.zeros((9, 9, 3), np.uint8))
