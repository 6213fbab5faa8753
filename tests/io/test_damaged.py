"""Files that are not what they should be end in one clear ReadError, and in silence."""

from __future__ import annotations

import io
import os
import struct
import warnings

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import chunk, metadata, png, sample_image

from imgtk.errors import ReadError
from imgtk.image import Image
from imgtk.io import WriteOptions, read, read_size, write


def encoded(tmp_path, suffix: str, dtype: str = "uint8", options: WriteOptions = WriteOptions()) -> bytes:
    return write(
        sample_image("rgb", dtype, (40, 30), metadata=metadata()), tmp_path / f"whole{suffix}", options
    ).read_bytes()


def by_pillow(**options: object) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(sample_image(size=(40, 30)).pixels).save(data, **options)
    return data.getvalue()


SAMPLES = {
    "jpeg": lambda p: encoded(p, ".jpg"),
    "progressive jpeg": lambda p: by_pillow(format="JPEG", progressive=True),
    "png": lambda p: encoded(p, ".png"),
    "png16": lambda p: encoded(p, ".png", "uint16"),
    "webp": lambda p: encoded(p, ".webp"),
    "lossless webp": lambda p: encoded(p, ".webp", options=WriteOptions(lossless=True)),
    "tiff": lambda p: encoded(p, ".tif"),
    "tiff16": lambda p: encoded(p, ".tif", "uint16"),
    "tiff float": lambda p: encoded(p, ".tif", "float32"),
    "tiff lzw": lambda p: by_pillow(format="TIFF", compression="tiff_lzw"),
    "tiff raw": lambda p: by_pillow(format="TIFF"),
    "tiff jpeg": lambda p: by_pillow(format="TIFF", compression="jpeg"),
    "bmp": lambda p: encoded(p, ".bmp"),
    "gif": lambda p: by_pillow(format="GIF"),
    "ppm": lambda p: by_pillow(format="PPM"),
}


def read_or_refuse(path) -> Image | None:
    """The image, or None for a ReadError that names the file on one line; anything else fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read(path)
        except ReadError as refusal:
            message = refusal.message
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300
    return None


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_anywhere(tmp_path, capfd, name):
    """All of the image is there, or none of it."""
    data, path = SAMPLES[name](tmp_path), tmp_path / "cut"
    path.write_bytes(data)
    whole = read(path)
    for cut in sorted(
        {*range(1, 40), *range(40, len(data), max(1, len(data) // 60)), *range(len(data) - 12, len(data))}
    ):
        path.write_bytes(data[:cut])
        image = read_or_refuse(path)
        assert image is None or np.array_equal(image.pixels, whole.pixels), cut
        assert image is None or cut > len(data) - 40
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", SAMPLES)
def test_overwritten_anywhere(tmp_path, capfd, name):
    data, path = SAMPLES[name](tmp_path), tmp_path / "bad"
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, min(len(data), rng.choice([64, 400, len(data)]))))
            broken[at] = int(rng.choice([0, 255, rng.integers(256)]))
        path.write_bytes(broken)
        read_or_refuse(path)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"BM", b"GIF89a", b"P6 "]
    ),
    st.binary(min_size=1, max_size=300),
)
def test_rubbish_with_a_good_start(tmp_path, start, rest):
    path = tmp_path / "rubbish.png"
    path.write_bytes(start + rest)
    read_or_refuse(path)


def refusal(path, **options: object) -> str:
    with pytest.raises(ReadError) as info:
        read(path, **options)
    assert str(path) in info.value.message
    return str(info.value)


def test_a_dangling_link_is_named(tmp_path):
    (tmp_path / "a.jpg").symlink_to("gone.jpg")
    with pytest.raises(ReadError, match=r"it is a link to gone\.jpg, which does not exist"):
        read(tmp_path / "a.jpg")


def test_missing(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    assert f"Did you mean {tmp_path / 'holiday.jpg'}?" in refusal(tmp_path / "holidy.jpg")
    assert "there is no such file" in refusal(tmp_path / "q")
    assert "The directory" in refusal(tmp_path / "nowhere" / "a.png")
    assert "null byte" in refusal("a\0.png")
    assert "too long" in refusal(tmp_path / ("n" * 300))


def test_not_a_file(tmp_path):
    assert "is a directory" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")  # and does not wait for its other end
    (tmp_path / "empty.png").touch()
    assert "is empty" in refusal(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("This is no image.")
    assert "not an image" in refusal(tmp_path / "text.png")


def test_no_permission(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(sample_image(), tmp_path / "a.png")
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert "Permission denied" in refusal(tmp_path / "a.png")


def test_formats_that_run_programs_are_not_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    assert "PostScript" in refusal(tmp_path / "a.png")


def test_content_decides(tmp_path):
    image = sample_image()
    data = write(image, tmp_path / "a.png").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data)
    assert np.array_equal(read(tmp_path / "a.jpg").pixels, image.pixels)


@pytest.mark.parametrize(("form", "frames"), [("GIF", 2), ("WEBP", 3), ("PNG", 4), ("TIFF", 2)])
def test_several_images(tmp_path, form, frames):
    first, *rest = [PIL.Image.new("RGB", (8, 8), (50 * i, 0, 0)) for i in range(frames)]
    first.save(tmp_path / "a", form, save_all=True, append_images=rest)
    what = "pages" if form == "TIFF" else "frames"
    assert f"{frames} {what}" in refusal(tmp_path / "a")


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
@pytest.mark.parametrize("damage", [b"", bytes(1000), b"\xff" * 1000])
def test_a_page_that_cannot_be_found(tmp_path, options, damage):
    """The pages before it must not pass for all."""
    with tifffile.TiffWriter(tmp_path / "a.tif", **options) as file:
        for _ in range(2):
            file.write(sample_image().pixels, photometric="rgb", metadata=None)
    assert "2 pages" in refusal(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        second = file.pages[1].offset
    (tmp_path / "a.tif").write_bytes(data[:second] + damage)
    told = refusal(tmp_path / "a.tif")
    assert "damaged or cut short after page 1" in told or (0 in damage and "no pixels" in told)


def test_previews_do_not_count(tmp_path):
    """A reduced version of the image in the same TIFF, or behind a photo, is no second image."""
    image = sample_image()
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(image.pixels, photometric="rgb")
        file.write(image.pixels[::2, ::2], photometric="rgb", subfiletype=1)
    assert np.array_equal(read(tmp_path / "a.tif").pixels, image.pixels)
    photo = PIL.Image.fromarray(image.pixels)
    photo.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[photo.resize((3, 3))])
    assert read(tmp_path / "a.jpg").size == image.size


@pytest.mark.parametrize("photometric", [32803, 34892])
@pytest.mark.parametrize("inside", [False, True])
def test_camera_raw(tmp_path, inside, photometric):
    """Whose first image is a thumbnail, which must not pass for the photo."""
    samples = sample_image("gray", "uint16").pixels[..., 0] if photometric == 32803 else sample_image().pixels
    with tifffile.TiffWriter(tmp_path / "a.nef") as file:
        file.write(sample_image().pixels, photometric="rgb", subfiletype=1, subifds=int(inside), metadata=None)
        file.write(samples, photometric=photometric, metadata=None)
    assert "camera raw" in refusal(tmp_path / "a.nef")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_the_limit_of_pixels(tmp_path, suffix):
    path = write(sample_image(size=(40, 30)), tmp_path / f"a{suffix}")
    assert read(path, max_pixels=1200).size.width == 40
    text = refusal(path, max_pixels=1199)
    assert "40x30 = 1,200 pixels" in text
    assert "--max-pixels 1200" in text
    with pytest.raises(ReadError, match="above the limit"):
        read_size(path, max_pixels=1199)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_size_is_read_without_decoding(tmp_path, monkeypatch, name):
    path = tmp_path / "a"
    path.write_bytes(SAMPLES[name](tmp_path))
    expected = read(path).size
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("Pillow decoded"))
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("OpenCV decoded"))
    monkeypatch.setattr("tifffile.TiffPage.asarray", lambda *_: pytest.fail("tifffile decoded"))
    assert read_size(path) == expected


def test_no_size_of_what_is_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    for name, said in (("a.png", "damaged"), ("b.png", "no such file"), (".", "directory")):
        with pytest.raises(ReadError, match=said):
            read_size(tmp_path / name)


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_bombs_are_not_decoded(tmp_path, side):
    """Gigabytes would be asked for if they were, from a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\0" * 10) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(bomb)
    assert f"--max-pixels {side**2}" in refusal(tmp_path / "a.png")
    assert read_size(tmp_path / "a.png", max_pixels=side**2) == (side, side)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_our_limit_takes_the_place_of_pillows(tmp_path, monkeypatch, suffix):
    path = write(sample_image(), tmp_path / f"a{suffix}")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    assert read_or_refuse(path) is not None
    assert PIL.Image.MAX_IMAGE_PIXELS == 10


def test_no_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(png(b"", 0, 5, 8, 2))
    refusal(tmp_path / "a.png")
    (tmp_path / "b.ppm").write_bytes(b"P6 0 4 255\n")
    refusal(tmp_path / "b.ppm")


def test_samples_that_no_image_has(tmp_path):
    for samples in (np.full((4, 4), 100000, np.uint32), np.full((4, 4), -1, np.int16), np.zeros((4, 4, 3), np.int32)):
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb" if samples.ndim == 3 else "minisblack")
        assert "imgtk reads whole numbers of up to 16 bits without sign" in refusal(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4, 3), np.nan, np.float32), photometric="rgb")
    assert "not a number" in refusal(tmp_path / "a.tif")


def test_deep_pnm_colour_is_refused_rather_than_reduced(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 65535\n" + b"\x12\x34" * 3)
    assert "16-bit colour PNM" in refusal(tmp_path / "a.ppm")
