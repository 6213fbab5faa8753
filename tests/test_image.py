"""`Image`: the value that goes through the toolkit."""

from __future__ import annotations

import warnings

import numpy as np
import PIL.Image
import pytest

from imgtk.errors import ReadError, UsageError
from imgtk.geometry import Size
from imgtk.image import Image


def noise(channels: int, dtype: str) -> np.ndarray:
    values = np.random.default_rng(0).random((5, 7, channels))
    return (values if dtype == "float32" else values * np.iinfo(dtype).max).astype(dtype)


def test_size_and_colour():
    assert Image(noise(3, "uint8")).size == Size(7, 5)
    assert Image(noise(1, "uint8")).gray
    assert not Image(noise(3, "uint8")).gray


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tensor_is_rgb_from_0_to_1(channels, dtype):
    pixels = noise(channels, dtype)
    pixels[0, 0] = 1 if dtype == "float32" else np.iinfo(dtype).max
    kept = pixels.copy()
    tensor = Image(pixels).tensor()
    assert tensor.shape == (1, 3, 5, 7)
    assert tensor[0, :, 0, 0].tolist() == [1, 1, 1]
    scale = 1 if dtype == "float32" else np.iinfo(dtype).max
    expected = np.broadcast_to(pixels / scale, (5, 7, 3)).transpose(2, 0, 1)
    assert tensor[0].numpy() == pytest.approx(expected, abs=1e-7)
    tensor.mul(2)
    tensor[:, :, 1:].contiguous().zero_()
    assert np.array_equal(pixels, kept)


def test_tensor_shares_nothing_with_the_image():
    pixels = noise(3, "float32")
    pixels.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = Image(pixels).tensor()
    before = pixels.copy()
    tensor.zero_()
    assert np.array_equal(pixels, before)


def test_every_16_bit_value_survives_the_tensor():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    tensor = Image(values).tensor()
    assert np.array_equal((tensor[0, 0].numpy() * 65535).round().astype(np.uint16), values[..., 0])


@pytest.mark.parametrize(
    ("channels", "alpha", "shape"),
    [(1, False, (5, 7)), (1, True, (5, 7, 2)), (3, False, (5, 7, 3)), (3, True, (5, 7, 4))],
)
def test_numpy(channels, alpha, shape):
    image = Image(noise(channels, "uint16"), noise(1, "uint16")[..., 0] if alpha else None)
    array = image.numpy()
    assert array.shape == shape
    assert array.dtype == np.uint16
    assert not alpha or np.array_equal(array[..., -1], image.alpha)


def test_open_and_save(tmp_path):
    image = Image(noise(3, "uint8"))
    path = image.save(tmp_path / "a.png")
    assert np.array_equal(Image.open(path).pixels, image.pixels)
    assert Image.open(str(path)).path == path
    with pytest.raises(ReadError, match="limit of 34"):
        Image.open(path, max_pixels=34)
    image.save(path, overwrite=True, depth=16)
    assert Image.open(path).pixels.dtype == np.uint16
    assert image.save(tmp_path / "b.jpg", quality=20).stat().st_size < image.save(tmp_path / "c.jpg").stat().st_size


def test_pil_and_back():
    image = Image(noise(3, "uint8"), noise(1, "uint8")[..., 0])
    pil = image.pil()
    assert isinstance(pil, PIL.Image.Image)
    assert np.array_equal(Image.of(pil).numpy(), image.numpy())


def test_pixels_without_channels_are_refused():
    with pytest.raises(UsageError, match=r"\(H, W, C\), and these are \(4, 5\)") as caught:
        Image(np.zeros((4, 5), np.uint8))
    assert "Image.of" in str(caught.value)
