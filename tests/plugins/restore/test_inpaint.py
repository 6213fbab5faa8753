"""`inpaint:telea`, `inpaint:ns`, and `inpaint:network` with random weights."""

import cv2
import numpy as np
import pytest
import skimage.data

from imgtk import Image, Pipeline
from imgtk.errors import ImgtkError

METHODS = ("telea", "ns", "network")


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()[:120, 100:260]


@pytest.fixture(scope="module")
def scratch():
    mask = np.zeros((120, 160), np.uint8)
    cv2.line(mask, (5, 10), (150, 100), 255, 3)
    cv2.line(mask, (20, 110), (90, 4), 255, 4)
    return mask


@pytest.fixture
def mask_file(scratch, tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), scratch)
    return tmp_path / "mask.png"


@pytest.fixture
def fill(inpaint_file):
    def filled(method, image, **params):
        if method == "network":
            params["model"] = inpaint_file
        return _fill(method, image, **params)

    return filled


def _fill(method, image, **params):
    words = "".join(f" {name}={value}" for name, value in params.items())
    return Pipeline(f"inpaint:{method}{words}", device="cpu")(image)


@pytest.mark.parametrize("method", METHODS)
def test_a_scratch_is_filled_and_nothing_else_changed(fill, photo, scratch, mask_file, method):
    damaged = np.where(scratch[..., None] > 0, 0, photo).astype(np.uint8)
    result = fill(method, damaged, mask=mask_file).pixels
    hole = scratch > 0
    assert (result[~hole] == photo[~hole]).all()
    before, after = (np.abs(image[hole].astype(float) - photo[hole]).mean() for image in (damaged, result))
    assert after < (0.35 if method != "network" else 1) * before  # random weights


@pytest.mark.parametrize("method", METHODS)
def test_what_is_transparent_is_filled_and_opaque(fill, photo, scratch, mask_file, method):
    image = Image(np.where(scratch[..., None] > 0, 0, photo).astype(np.uint8), 255 - scratch)
    result = fill(method, image)
    assert result.alpha is None or (result.alpha == 255).all()
    assert np.array_equal(result.pixels, fill(method, image.pixels, mask=mask_file).pixels)


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_keeps_alpha(fill, photo, mask_file, method):
    alpha = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
    assert np.array_equal(fill(method, Image(photo, alpha), mask=mask_file).alpha, alpha)


@pytest.mark.parametrize("method", METHODS)
def test_16_bits_are_kept(fill, photo, scratch, mask_file, method):
    deep = photo.astype(np.uint16) * 257 + 3
    result = fill(method, deep, mask=mask_file).pixels
    assert result.dtype == np.uint16
    assert (result[scratch == 0] == deep[scratch == 0]).all()
    assert (result[scratch > 0] % 257 != 3).any()


def test_the_mask_may_come_from_the_pipeline(photo):
    """Everything that is brighter than a threshold, here by a strong contrast."""
    text = "adjust:brightness-contrast -0.4 contrast=10 as bright; @in | inpaint:telea where=@bright"
    assert not np.array_equal(Pipeline(text, device="cpu")(photo).pixels, photo)


@pytest.mark.parametrize(
    ("size", "value", "message"),
    [
        ((120, 159), 255, "the mask .* has 159x120 pixels, but the image has 160x120"),
        ((120, 160), 0, "the mask marks no pixel"),
        ((120, 160), 255, "all pixels are to be filled"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_masks_that_make_no_sense(fill, photo, tmp_path, size, value, message, method):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full(size, value, np.uint8))
    with pytest.raises(ImgtkError, match=message):
        fill(method, photo, mask=tmp_path / "mask.png")


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 2), (2, 2), (2, 9)])
@pytest.mark.parametrize("method", ["telea", "ns"])
def test_narrow_images(method, size):
    """OpenCV alone reads what it has not written where a side has one or two pixels."""
    pixels = np.full((*size, 4), 90, np.uint8)
    pixels.reshape(-1, 4)[0, 3] = 255
    pixels.reshape(-1, 4)[1:] = 0
    for _ in range(20):
        junk = [np.full(n, 7e4, np.float32) for n in (9, 40, 99)]  # what freed memory holds
        del junk
        result = Pipeline(f"inpaint:{method}", device="cpu")(pixels).pixels
        assert np.abs(result.astype(int) - 90).max() <= 3


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 2), (2, 2), (37, 301)])
@pytest.mark.parametrize("method", METHODS)
def test_any_size(fill, method, size):
    image = np.full((*size, 4), 90, np.uint8)
    image[:, size[1] // 2 :, 3] = 0
    image[:1, :1, 3] = 255
    image[-1, -1, 3] = 0
    result = fill(method, image)
    assert result.pixels.shape == (*size, 3)
    assert np.abs(result.pixels.astype(int) - 90).max() <= (3 if method == "telea" else 0)  # OpenCV's is not exact


def test_large_images_with_a_mask_are_planned(inpaint_file, tmp_path):
    """The plan looks at other sizes, too, which the mask need not have."""
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((2400, 3600), np.uint8))
    pipeline = Pipeline(f"inpaint:network model={inpaint_file} mask={tmp_path / 'mask.png'}", device="cpu")
    assert pipeline.plan_for(Image(np.zeros((2400, 3600, 3), np.uint8))).input_size == (3600, 2400)


def test_gray_is_filled_with_gray(fill, photo, mask_file):
    assert fill("network", photo[..., 0], mask=mask_file).gray


def test_other_things_that_make_no_sense(fill, photo, tmp_path, mask_file):
    with pytest.raises(ImgtkError, match="no pixel is transparent"):
        fill("telea", photo)
    with pytest.raises(ImgtkError, match="the mask cannot be used"):
        fill("telea", photo, mask=tmp_path / "missing.png")
    with pytest.raises(ImgtkError, match="both mask= and an image"):
        Pipeline(f"adjust:grayscale as g; @in | inpaint:ns where=@g mask={mask_file}", device="cpu")(photo)
    with pytest.raises(ImgtkError, match="radius: expected a number from 1 to 32"):
        Pipeline("inpaint:telea radius=0", device="cpu")
