"""What is written is what is read, by imgtk and by other programs."""

from __future__ import annotations

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import KINDS, same, sample_image

from imgtk.image import Image
from imgtk.io import WriteOptions, png, read, write

SIZES = [(1, 1), (1, 9), (9, 1), (13, 7), (700, 501)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_png_and_tiff_keep_every_bit(tmp_path, suffix, kind, dtype, size):
    image = sample_image(kind, dtype, size)
    assert same(read(write(image, tmp_path / f"a{suffix}")), image)


@pytest.mark.parametrize("kind", KINDS)
def test_tiff_keeps_floats(tmp_path, kind):
    image = sample_image(kind, "float32")
    bright = Image(image.pixels * 3 - 1, image.alpha)
    assert same(read(write(bright, tmp_path / "a.tif")), bright)


def test_bmp_keeps_every_bit(tmp_path):
    for kind in ("gray", "rgb"):
        image = sample_image(kind)
        assert same(read(write(image, tmp_path / f"{kind}.bmp")), image)


@pytest.mark.parametrize("kind", ["rgb", "rgba"])
def test_lossless_webp_keeps_every_bit_even_where_nothing_shows(tmp_path, kind):
    image = sample_image(kind)
    if image.alpha is not None:
        image.alpha[0] = 0
    assert same(read(write(image, tmp_path / "a.webp", WriteOptions(lossless=True))), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_read_the_same_png(tmp_path, kind, dtype):
    image = sample_image(kind, dtype, (61, 40))
    path = write(image, tmp_path / "a.png")
    decoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if kind == "gray":
        assert np.array_equal(decoded, image.pixels[..., 0])
    else:
        assert np.array_equal(decoded[..., 2::-1], np.broadcast_to(image.pixels, (40, 61, 3)))
        assert image.alpha is None or np.array_equal(decoded[..., 3], image.alpha)
    if dtype == "uint8":
        with PIL.Image.open(path) as other:
            assert np.array_equal(np.asarray(other), image.numpy())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_read_the_same_tiff(tmp_path, kind, dtype):
    image = sample_image(kind, dtype, (300, 900))
    path = write(image, tmp_path / "a.tif")
    assert np.array_equal(tifffile.imread(path), image.numpy())
    if image.alpha is None:
        decoded = np.atleast_3d(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        assert np.array_equal(decoded[..., ::-1], image.pixels)


def test_big_tiff(tmp_path, monkeypatch):
    monkeypatch.setattr("imgtk.io.tiff.encode._BIG", 0)
    image = sample_image("rgba", "uint16", (300, 900))
    path = write(image, tmp_path / "a.tif")
    assert path.read_bytes()[:4] == b"II+\0"
    assert same(read(path), image)
    assert np.array_equal(tifffile.imread(path), image.numpy())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.sampled_from(["uint8", "uint16"]), st.integers(0, 99)
)
def test_png_of_any_samples(tmp_path_factory, width, height, channels, dtype, seed):
    """Also where differences wrap around, which smooth images hardly do."""
    samples = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, channels), endpoint=True)
    image = Image.of(samples.astype(dtype))
    path = tmp_path_factory.mktemp("png") / "a.png"
    with path.open("wb") as file:
        png.write(file, samples.astype(dtype), image.metadata)
    assert same(read(path), image)


@pytest.mark.parametrize("kind", ["gray", "rgb"])
def test_jpeg_is_close_and_full_colour(tmp_path, kind):
    y, x = np.mgrid[:64, :64]
    smooth = np.stack([x * 4, y * 4, 255 - x * 2 - y * 2], axis=-1).astype(np.uint8)
    image = Image(smooth if kind == "rgb" else smooth[..., :1])
    path = write(image, tmp_path / "a.jpg")
    assert np.abs(read(path).pixels.astype(int) - image.pixels).max() <= 6
    with PIL.Image.open(path) as other:
        assert other.mode == ("RGB" if kind == "rgb" else "L")
        assert kind == "gray" or [layer[1:3] for layer in other.layer] == [(1, 1)] * 3  # not subsampled


def test_quality_changes_the_size(tmp_path):
    image = sample_image(size=(200, 200))
    for suffix in (".jpg", ".webp"):
        low, high = (write(image, tmp_path / f"{q}{suffix}", WriteOptions(quality=q)).stat().st_size for q in (30, 95))
        assert low < high / 2
        assert write(image, tmp_path / f"default{suffix}").stat().st_size == high


@pytest.mark.parametrize(
    ("dtype", "value", "depth", "expected"),
    [
        ("uint16", 65535, 8, 255),
        ("uint16", 128, 8, 0),
        ("uint16", 129, 8, 1),
        ("uint8", 200, 16, 51400),
        ("float32", 0.5, 8, 128),
        ("float32", 1.7, 8, 255),
        ("float32", -0.2, 8, 0),
        ("float32", 0.25, 16, 16384),
        ("uint8", 255, 32, 1.0),
        ("uint16", 32768, 32, 32768 / 65535),
    ],
)
def test_depth_rounds_to_the_nearest(tmp_path, dtype, value, depth, expected):
    image = Image(np.full((2, 2, 3), value, dtype))
    pixels = read(write(image, tmp_path / "a.tif", WriteOptions(depth=depth))).pixels
    assert pixels == pytest.approx(np.full((2, 2, 3), expected))
    assert 8 * pixels.itemsize == depth


def test_floats_become_8_bits_where_the_format_has_no_floats(tmp_path):
    image = Image(np.full((2, 2, 3), 0.5, np.float32), np.full((2, 2), 0.2, np.float32))
    back = read(write(image, tmp_path / "a.png"))
    assert back.pixels.dtype == np.uint8
    assert back.alpha is not None
    assert (back.pixels == 128).all()
    assert (back.alpha == 51).all()


def test_opaque_alpha_is_no_alpha(tmp_path):
    """So that such an image can become a JPEG."""
    PIL.Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png")
    assert image.alpha is None
    write(image, tmp_path / "a.jpg")
