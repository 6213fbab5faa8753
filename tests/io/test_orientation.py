"""Every image comes upright, and says so."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageOps
from samples import chunk, exif, sample_image

from imgtk.image import Image, Metadata
from imgtk.io import exif as exif_block
from imgtk.io import read, read_size, write

# Where each side of the stored image shows (Exif 2.32, tag 274): [0, 0] of the upright image, in stored coordinates
FIRST = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}


def stored(tmp_path, suffix: str, dtype: str, orientation: int):
    """A file whose pixels are `sample_image(...)`, stated to be in `orientation`."""
    image = sample_image("rgb", dtype)
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, image.pixels, photometric="rgb", metadata=None, extratags=tags, compression="zlib")
    elif dtype == "uint16":
        write(Image(image.pixels, metadata=Metadata(exif=exif(orientation))), path)
    else:
        options = {"lossless": True} if suffix == ".webp" else {"quality": 100, "subsampling": 0}
        PIL.Image.fromarray(image.pixels).save(path, exif=b"Exif\0\0" + exif(orientation), **options)
    return path, image.pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".jpg", "uint8"),
        (".webp", "uint8"),
        (".png", "uint8"),
        (".png", "uint16"),
        (".tif", "uint8"),
        (".tif", "uint16"),
    ],
)
def test_upright(tmp_path, suffix, dtype, orientation):
    path, pixels = stored(tmp_path, suffix, dtype, orientation)
    image = read(path)
    assert read_size(path) == image.size
    assert image.pixels.shape == (pixels.shape if orientation < 5 else (pixels.shape[1], pixels.shape[0], 3))
    if suffix != ".jpg":
        assert np.array_equal(image.pixels[0, 0], pixels[FIRST[orientation]])
        assert sorted(image.pixels.ravel()) == sorted(pixels.ravel())
    if dtype == "uint8":
        with PIL.Image.open(path) as other:
            assert np.array_equal(np.asarray(ImageOps.exif_transpose(other)), image.pixels)
    again = read(write(image, tmp_path / "again.png"))
    assert np.array_equal(again.pixels, image.pixels)
    if image.metadata.exif:
        assert exif_block.orientation(image.metadata.exif) in (1, None)


@pytest.mark.parametrize("stated", [0, 9, 255, 65535])
def test_nonsense_means_upright(tmp_path, stated):
    path, pixels = stored(tmp_path, ".png", "uint8", stated)
    assert np.array_equal(read(path).pixels, pixels)


def test_xmp_speaks_where_exif_is_silent(tmp_path):
    pixels = sample_image().pixels
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    path = write(Image(pixels, metadata=Metadata(xmp=xmp)), tmp_path / "a.png")
    image = read(path)
    assert image.pixels.shape == (13, 7, 3)
    assert read_size(path) == image.size
    assert image.metadata.xmp == xmp.replace(b"6", b"1")
    upright = read(write(Image(pixels, metadata=Metadata(xmp=xmp, exif=exif(1))), tmp_path / "b.png"))
    assert np.array_equal(upright.pixels, pixels)


def test_png_may_state_it_after_the_pixels(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    end = chunk(b"IEND", b"")
    path.write_bytes(path.read_bytes().removesuffix(end) + chunk(b"eXIf", exif(6)) + end)
    assert read(path).size == read_size(path) == (7, 13)


def test_a_tiff_is_turned_once(tmp_path):
    """Although its XMP repeats the orientation."""
    for dtype in ("uint8", "uint16"):
        pixels = sample_image("rgb", dtype).pixels
        xmp = b'<rdf:Description tiff:Orientation="6"/>'
        tags = [(274, 3, 1, 6, True), (700, 1, len(xmp), xmp, True)]
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=tags)
        image = read(tmp_path / "a.tif")
        assert np.array_equal(image.pixels, np.rot90(pixels, -1))
        assert b'="1"' in (image.metadata.xmp or b"")


def test_pil_images_are_turned(tmp_path):
    data = io.BytesIO()
    PIL.Image.fromarray(sample_image().pixels).save(data, "PNG", exif=b"Exif\0\0" + exif(8))
    with PIL.Image.open(data) as source:
        assert Image.of(source).pixels.shape == (13, 7, 3)
