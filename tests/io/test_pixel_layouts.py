"""Every way to store pixels comes out as gray or RGB with straight alpha, and without losing bits."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.color
import tifffile
from samples import chunk, png, profile, sample_image

from imgtk.io import read


def gray_png(values: np.ndarray, depth: int, key: int | None = None) -> bytes:
    """A gray PNG of 1 to 16 bits, with a transparent value."""
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
        rows = [np.packbits(row.ravel()).tobytes() for row in bits]
    extra = b"" if key is None else chunk(b"tRNS", struct.pack(">H", key))
    return png(b"".join(b"\0" + row for row in rows), values.shape[1], values.shape[0], depth, 0, extra)


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_gray_png(tmp_path, depth, transparent):
    values = np.arange(30).reshape(5, 6) % 2**depth if depth < 16 else np.arange(30).reshape(5, 6) * 2000
    key = int(values[0, 1]) if transparent else None
    (tmp_path / "a.png").write_bytes(gray_png(values, depth, key))
    image = read(tmp_path / "a.png")
    dtype, largest = (np.uint16, 65535) if depth == 16 else (np.uint8, 255)
    assert image.pixels.dtype == dtype
    assert np.array_equal(image.pixels[..., 0], values * largest // (2**depth - 1))
    if key is None:
        assert image.alpha is None
    else:
        assert np.array_equal(image.alpha, np.where(values == key, 0, largest))


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_png_with_a_transparent_colour(tmp_path, depth):
    pixels = sample_image("rgb", f"uint{depth}").pixels
    extra = chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in pixels[2, 3])))
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    (tmp_path / "a.png").write_bytes(png(rows, 13, 7, depth, 2, extra))
    image = read(tmp_path / "a.png")
    assert np.array_equal(image.pixels, pixels)
    assert image.alpha is not None
    assert image.alpha[2, 3] == 0
    assert (image.alpha == 2**depth - 1).sum() == 13 * 7 - 1


def test_palettes(tmp_path):
    palette = PIL.Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.putdata([0, 1, 2])
    for options in ({}, {"transparency": 1}, {"transparency": bytes([0, 100, 255])}):
        palette.save(tmp_path / "a.png", **options)
        image = read(tmp_path / "a.png")
        assert image.pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
        wanted = {int: [[255, 0, 255]], bytes: [[0, 100, 255]]}.get(type(options.get("transparency")))
        assert (image.alpha.tolist() if image.alpha is not None else None) == wanted


def test_gif_transparency(tmp_path):
    palette = PIL.Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "a.gif", transparency=0)
    image = read(tmp_path / "a.gif")
    assert image.alpha is not None
    assert image.alpha.tolist() == [[0, 255]]
    assert image.pixels[0, 1].tolist() == [40, 50, 60]


def test_cmyk(tmp_path):
    """Ink: 0 is white in Pillow's CMYK, whatever sign the file uses."""
    for suffix in (".jpg", ".tif"):
        PIL.Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / f"a{suffix}")
        assert read(tmp_path / f"a{suffix}").pixels[4, 4] == pytest.approx([0, 255, 255], abs=2)


def test_cmyk_with_a_broken_profile(tmp_path):
    PIL.Image.new("CMYK", (8, 8), (0, 255, 0, 0)).save(tmp_path / "a.jpg", icc_profile=profile("CMYK"))
    image = read(tmp_path / "a.jpg")
    assert image.pixels[4, 4] == pytest.approx([255, 0, 255], abs=2)
    assert image.metadata.icc is None


def test_lab(tmp_path):
    """Against scikit-image; TIFF stores a and b as signed bytes."""
    colours = np.array([[[180, 100, 90], [90, 160, 80], [120, 130, 170], [128, 128, 128]]], np.uint8)
    lab = skimage.color.rgb2lab(colours)
    stored = np.dstack([np.rint(lab[..., 0] * 2.55), np.rint(lab[..., 1:]).astype(np.int8).view(np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", stored.astype(np.uint8), photometric="cielab")
    assert (
        np.abs(read(tmp_path / "a.tif").pixels.astype(int) - colours).max() <= 12
    )  # its white is D65, that of ICC profiles D50


def test_ycbcr_tiff(tmp_path):
    pixels = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., ::-1])
    PIL.Image.fromarray(pixels).save(tmp_path / "b.tif", compression="jpeg")
    for name in "ab":
        assert np.abs(read(tmp_path / f"{name}.tif").pixels.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize("compression", [1, 5, 8, 32946])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("kind", ["gray", "rgb"])
def test_tiff_of_opencv(tmp_path, kind, dtype, compression):
    """None, LZW and the two Deflates, with and without predictors."""
    pixels = sample_image(kind, dtype, (60, 50)).pixels
    for predictor in (1, 2, 3):
        if (predictor == 3) != (dtype == "float32") and predictor != 1:
            continue
        options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
        cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., ::-1], options)
        assert np.array_equal(read(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "separate"},
        {"tile": (16, 16)},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib", "predictor": True, "byteorder": ">"},
        {"rowsperstrip": 3, "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tiff_of_any_structure(tmp_path, dtype, options):
    pixels = sample_image("rgb", dtype, (60, 50)).pixels
    samples = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", resolution=(100, 50), resolutionunit=3, **options)
    image = read(tmp_path / "a.tif")
    assert np.array_equal(image.pixels, pixels)
    assert image.metadata.dpi == pytest.approx((254, 127))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero(tmp_path, dtype):
    values = sample_image("gray", dtype).pixels[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert np.array_equal(read(tmp_path / "a.tif").pixels[..., 0], np.iinfo(dtype).max - values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_premultiplied_alpha_becomes_straight(tmp_path, dtype):
    largest = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    straight, alpha = np.array([0.8, 0.4, 0.2]) * largest, np.array([1, 0.5, 0.25, 0]) * largest
    samples = np.array([[[*(straight * a / largest), a] for a in alpha]]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    image = read(tmp_path / "a.tif")
    assert image.alpha == pytest.approx(samples[..., 3])
    assert image.pixels[0, :3] == pytest.approx(np.tile(straight, (3, 1)), abs=0.02 * largest)
    assert (image.pixels[0, 3] == 0).all()


def test_other_extra_channels_are_not_alpha(tmp_path):
    pixels = sample_image("rgb", "uint16").pixels
    depth_map = pixels[..., :1] // 2
    tifffile.imwrite(
        tmp_path / "a.tif", np.dstack([pixels, depth_map]), photometric="rgb", extrasamples=["unspecified"]
    )
    image = read(tmp_path / "a.tif")
    assert image.alpha is None
    assert np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats(tmp_path, dtype):
    values = sample_image("rgb", "float32").pixels.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert read(tmp_path / "a.tif").pixels == pytest.approx(values.astype(np.float32))


def test_deep_gray_elsewhere(tmp_path):
    values = (np.arange(20).reshape(4, 5) * 3000).astype(np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5 5 4 65535\n" + values.astype(">u2").tobytes())
    assert np.array_equal(read(tmp_path / "a.pgm").pixels[..., 0], values)


def test_interlaced_png(tmp_path):
    """What OpenCV and Pillow decode, they decode alike."""
    for dtype in ("uint8", "uint16"):
        pixels = sample_image("rgb", dtype).pixels
        rows = b"".join(
            b"\0" + pixels[y0::dy, x0::dx].astype(pixels.dtype.newbyteorder(">"))[row].tobytes()
            for x0, y0, dx, dy in (
                (0, 0, 8, 8),
                (4, 0, 8, 8),
                (0, 4, 4, 8),
                (2, 0, 4, 4),
                (0, 2, 2, 4),
                (1, 0, 2, 2),
                (0, 1, 1, 2),
            )
            for row in range(pixels[y0::dy, x0::dx].shape[0])
        )
        data = bytearray(png(rows, 13, 7, 8 * pixels.itemsize, 2))
        header = bytes(data[16:28]) + b"\1"
        (tmp_path / "a.png").write_bytes(bytes(data[:8]) + chunk(b"IHDR", header) + bytes(data[33:]))
        assert np.array_equal(read(tmp_path / "a.png").pixels, pixels)
