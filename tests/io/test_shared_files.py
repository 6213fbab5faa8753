"""Every file of the project's collection of difficult ones: read as Pillow reads it, or refused in one sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps

from imgtk.errors import ReadError
from imgtk.io import WriteOptions, read, read_size, write

pytestmark = pytest.mark.shared

REFUSED = {
    "imageio/multipage.tif": "2 pages",
    "imageio/multipage_rgb.tif": "2 pages",
    "imageio/newtonscradle.gif": "36 frames",
    "pillow/apng_mode_16bit.png": "3 frames",
    "pillow/apng_mode_palette_alpha.png": "3 frames",
    "pillow/broken_data_stream.png": "damaged or cut short",
    "pillow/decompression_bomb.gif": "above the limit",
    "pillow/dispose_bgnd_transparency.gif": "10 frames",
    "pillow/g4-multi.tiff": "3 pages",
    "pillow/iss634.apng": "41 frames",
    "pillow/iss634.gif": "42 frames",
    "pillow/iss634.webp": "42 frames",
    "pillow/multipage-mmap.tiff": "3 pages",
    "pillow/multipage.tiff": "3 pages",
    "pillow/truncated_end_chunk.png": "damaged or cut short",
    "pillow/truncated_image.png": "damaged or cut short",
    "reports/README.md": "not an image",
    "reports/alpha_vp9.webm": "not an image",
    "reports/fp8.pth": "not an image",
    "reports/ghost_apng.png": "5 frames",
    "reports/signed_int8.tif": "whole numbers with sign, of 8 bits",
    "reports/theora_repeat.ogv": "not an image",
    "reports/two_pages_cmyk.tif": "2 pages",
}

UNLIKE_PILLOW = {
    "pillow/truncated_jpeg.jpg",
    "reports/bigtiff_bigendian.tif",
    "reports/bmp_rgb32bf.bmp",
    "reports/exif_orientation_byte.jpg",
    "reports/gdal_internal_mask.tif",
    "reports/jpeg_without_eoi.jpg",
    "reports/palette_8bit_values.tif",
    "reports/png_ztxt_2MB.png",
    "reports/thumbnail_first.tif",
}
"""Files that Pillow reads in part, wrong, or not at all."""


def upright_by_pillow(path: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PIL.Image.open(path) as other:
            return np.asarray(ImageOps.exif_transpose(other).convert("RGBA"))


def test_every_file(shared, tmp_path, capfd):
    files = sorted((shared / "files").glob("*/*"))
    assert len(files) > 60
    for path in files:
        name = path.relative_to(shared / "files").as_posix()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if name in REFUSED:
                with pytest.raises(ReadError, match=REFUSED[name]) as info:
                    read(path)
                assert str(path) in info.value.message
                assert "\n" not in info.value.message
                continue
            image = read(path)
            assert read_size(path) == image.size, name
        if image.pixels.dtype == np.uint8 and name not in UNLIKE_PILLOW:
            expected = upright_by_pillow(path)
            assert np.array_equal(np.broadcast_to(image.pixels, (*image.pixels.shape[:2], 3)), expected[..., :3]), name
            assert np.array_equal(255 if image.alpha is None else image.alpha, expected[..., 3]) or image.alpha is None
        again = read(write(image, tmp_path / "again.tif", WriteOptions(overwrite=True)))
        assert np.array_equal(again.numpy(), image.numpy()), name
        assert again.metadata.xmp == image.metadata.xmp or image.metadata.xmp_extension, name
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["12in16bit.tif", "16_bit_noise.tif", "16bit.MM.deflate.tif", "tiff_16bit_RGB.tiff"])
def test_deep_files_as_opencv_reads_them(shared, name):
    path = shared / "files" / "pillow" / name
    expected = np.atleast_3d(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    assert expected.dtype == np.uint16
    assert np.array_equal(read(path).pixels, expected[..., ::-1])


def test_premultiplied_deep_colour(shared):
    path = shared / "files" / "pillow" / "tiff_16bit_RGBa.tiff"
    image, stored = read(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(float)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, stored[..., 3])
    assert np.abs(image.pixels * (image.alpha[..., None] / 65535) - stored[..., 2::-1]).max() <= 1


def test_the_same_scene_in_eight_orientations(shared):
    upright = read(shared / "files" / "orientation" / "Landscape_1.jpg").pixels.astype(float)
    for number in range(2, 9):
        pixels = read(shared / "files" / "orientation" / f"Landscape_{number}.jpg").pixels
        assert pixels.shape == upright.shape
        centre = np.s_[300:900:10, 300:1500:10]  # the number in the image differs
        assert np.corrcoef(pixels[centre].ravel(), upright[centre].ravel())[0, 1] > 0.9


def test_profiles_travel(shared, tmp_path):
    image = read(shared / "files" / "icc" / "adobe_rgb_canyon-wren.jpg")
    assert image.metadata.icc
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        assert read(write(image, tmp_path / f"a{suffix}")).metadata.icc == image.metadata.icc
