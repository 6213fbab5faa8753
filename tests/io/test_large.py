"""Images that are read and written by regions are those that are read and written as a whole."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from samples import chunk, exif, metadata, png, same, sample_image

from imgtk.errors import ReadError, WriteError
from imgtk.geometry import Box, Size
from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions, read, write
from imgtk.io.large import DiskImage, Raster, check_encoder, check_installed, opened, output, raster, vips
from imgtk.io.read import read_headers

BIG = 10**9
NOISE = np.random.default_rng(5)
COLOURS = NOISE.integers(0, 256, (61, 83, 3), np.uint8)


@contextmanager
def on_disk(path: Path, page: int = 0, max_memory: int = BIG) -> Iterator[DiskImage]:
    with opened(path, read_headers(path)[page], page, path, max_memory) as decoded:
        yield decoded


def image_of(decoded: DiskImage, box: Box | None = None) -> Image:
    samples = decoded.read(box or Box.of(decoded.size))
    alpha = np.ascontiguousarray(samples[..., -1]) if decoded.has_alpha else None
    return Image(samples[..., : decoded.channels], alpha, decoded.metadata)


def as_read(path: Path) -> None:
    """`opened` gives all that `read` gives, and any region of it."""
    whole = read(path)
    with on_disk(path) as decoded:
        assert same(image_of(decoded), whole)
        assert decoded.metadata == whole.metadata
        assert decoded.size == whole.size
        box = Box(1, 2, whole.size.width - 1, whole.size.height // 2 + 2)
        part = Image(
            whole.pixels[box.top : box.bottom, box.left : box.right],
            None if whole.alpha is None else whole.alpha[box.top : box.bottom, box.left : box.right],
        )
        assert same(image_of(decoded, box), part)
    assert os.listdir(path.parent) == [path.name]


@pytest.fixture(autouse=True)
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small images have several."""
    monkeypatch.setattr(vips, "_STRIP_BYTES", 3000)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "gray", "gray+alpha"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_reads_what_is_written(tmp_path: Path, suffix: str, kind: str, dtype: str) -> None:
    if suffix == ".png" and dtype == "float32":
        return
    carried = metadata("GRAY" if "gray" in kind else "RGB")
    write(sample_image(kind, dtype, (83, 61), metadata=carried), tmp_path / f"a{suffix}")
    as_read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 90}),
        ("a.jpg", {"quality": 90, "subsampling": 0, "comment": b"hello"}),
        ("a.webp", {"quality": 90}),
        ("a.jpg", {"progressive": True}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "jpeg"}),
        ("a.bmp", {}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "1"])
def test_files_of_others(tmp_path: Path, name: str, options: dict, mode: str) -> None:
    try:
        PIL.Image.fromarray(COLOURS).convert(mode).save(tmp_path / name, **options)
    except (OSError, KeyError):
        pytest.skip("there is no such file")
    as_read(tmp_path / name)


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb", "tile": (16, 32), "compression": "zlib"},
        {"photometric": "rgb", "planarconfig": "separate"},
        {"photometric": "rgb", "bigtiff": True, "byteorder": ">"},
        {"photometric": "miniswhite"},
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
        {"photometric": "rgb", "extrasamples": ["assocalpha"]},
        {"photometric": "rgb", "extrasamples": ["unspecified", "unassalpha"]},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_tiff_layouts(tmp_path: Path, options: dict, dtype: str) -> None:
    channels = 1 if options["photometric"] == "miniswhite" else 3 + len(options.get("extrasamples", []))
    samples = NOISE.random((61, 83, channels))
    samples[..., :3] *= samples[..., -1:] if "assocalpha" in options.get("extrasamples", []) else 1
    samples = samples if "float" in dtype else samples * np.iinfo(dtype).max
    samples = np.squeeze(samples).astype(dtype)
    if "planarconfig" in options:
        samples = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", samples, metadata=None, **options)
    try:
        read(tmp_path / "a.tif")
    except ReadError:
        pytest.skip("imgtk does not read it")
    as_read(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_names_in_any_encoding(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"\udcff\n [1]{suffix}"
    write(Image(COLOURS), tmp_path / f"a{suffix}").rename(path)
    as_read(path)
    with on_disk(path) as decoded, output(path, 0, BIG) as result:
        result.add(decoded.samples, decoded.metadata)
    as_read(path)


def test_colour_keys(tmp_path: Path) -> None:
    deep = NOISE.integers(0, 3, (9, 8, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    key = chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in deep[2, 3])))
    (tmp_path / "a.png").write_bytes(png(rows, 8, 9, 16, 2, key))
    as_read(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_upright(tmp_path: Path, name: str, orientation: int) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / name, exif=b"Exif\0\0" + exif(orientation))
    as_read(tmp_path / name)


def test_opaque_alpha_is_left_out(tmp_path: Path) -> None:
    PIL.Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / "a.png")
    as_read(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_damage_is_found_at_once(tmp_path: Path, name: str) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    header = read_headers(tmp_path / name)[0]
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    with (
        pytest.raises(ReadError, match=rf"cannot read .*{name}: .*damaged"),
        opened(tmp_path / name, header, 0, tmp_path / name, BIG),
    ):
        pytest.fail("it was read")
    assert os.listdir(tmp_path) == [name]


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    samples = NOISE.random((61, 83, 3), np.float32)
    samples[60, 82, 2] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    with pytest.raises(ReadError, match="not a number"), on_disk(tmp_path / "a.tif"):
        pass


def test_what_is_decoded_whole_must_fit(tmp_path: Path) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / "a.jpg", progressive=True)
    with (
        pytest.raises(ReadError, match=r"progressive JPEG .*\n.*--max-memory"),
        on_disk(tmp_path / "a.jpg", max_memory=COLOURS.nbytes - 1),
    ):
        pass


def test_the_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vips, "find_spec", lambda name: None)
    with pytest.raises(ReadError, match=r"imgtk\[large\]"):
        check_installed(tmp_path / "a.tif")


def test_the_library_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the image."""
    path = write(Image(COLOURS), tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "pyvips", None)
    vips._library.cache_clear()
    with pytest.raises(ReadError, match=f"^cannot read {path}: libvips.*does not work"), on_disk(path):
        pass
    monkeypatch.undo()
    vips._library.cache_clear()


def test_regions_of_a_raster(tmp_path: Path) -> None:
    kept = np.zeros((40, 30, 2), np.uint16)
    with raster(tmp_path / "a.tif", kept.shape, kept.dtype) as pixels:
        assert len(os.listdir(tmp_path)) == 1
        for _ in range(30):
            left, right = sorted(NOISE.choice(31, 2, replace=False))
            top, bottom = sorted(NOISE.choice(41, 2, replace=False))
            patch = NOISE.integers(0, 65536, (bottom - top, right - left, 2), np.uint16)
            kept[top:bottom, left:right] = patch
            pixels.write(Box(left, top, right, bottom), patch)
            assert np.array_equal(pixels.read(Box(left, top, right, bottom)), patch)
            assert np.array_equal(pixels[top:bottom], kept[top:bottom])
        assert np.array_equal(pixels[:], kept)
        assert pixels.nbytes == kept.nbytes
    assert os.listdir(tmp_path) == []


def test_no_space_is_found_before_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match="No space left"), raster(tmp_path / "a", (10, 10, 3), np.dtype(np.uint8)):
        pytest.fail("there was space")
    assert os.listdir(tmp_path) == []


def test_shrinking_is_that_of_opencv(tmp_path: Path) -> None:
    write(sample_image("rgba", "uint16", (830, 610)), tmp_path / "a.png")
    with on_disk(tmp_path / "a.png") as decoded:
        for size in (Size(100, 70), Size(61, 610), Size(1, 1), Size(83, 61)):
            expected = cv2.resize(read(tmp_path / "a.png").numpy(), size, interpolation=cv2.INTER_AREA)
            shrunk = decoded.shrunk(size)
            assert shrunk.dtype == np.uint16
            assert np.abs(shrunk.astype(int) - expected.reshape(shrunk.shape)).max() <= 1


def written(path: Path, image: Image, max_memory: int = BIG) -> None:
    samples = np.atleast_3d(image.numpy())
    with output(path, samples.nbytes, max_memory) as result, raster(path, samples.shape, samples.dtype) as pixels:
        pixels.write(Box.of(image.size), samples)
        result.add(pixels, image.metadata)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "gray", "gray+alpha"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_writes_what_is_written(tmp_path: Path, suffix: str, kind: str, dtype: str) -> None:
    carried = metadata("GRAY" if "gray" in kind else "RGB")
    image = sample_image(kind, dtype, (83, 61), metadata=carried)
    try:
        write(image, tmp_path / f"whole{suffix}", WriteOptions(depth=8 * image.pixels.itemsize))
    except WriteError:
        return
    written(tmp_path / f"rows{suffix}", image)
    whole, rows = read(tmp_path / f"whole{suffix}"), read(tmp_path / f"rows{suffix}")
    assert same(whole, rows)
    assert whole.metadata == rows.metadata
    if suffix in (".jpg", ".png"):
        assert (tmp_path / f"whole{suffix}").read_bytes() == (tmp_path / f"rows{suffix}").read_bytes()
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pyramids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, big: bool) -> None:
    monkeypatch.setattr("imgtk.io.tiff.encode._BIG", 0 if big else 2**32)
    image = sample_image("rgba", dtype, (1100, 601), metadata=Metadata(pyramid=True))
    write(image, tmp_path / "whole.tif")
    written(tmp_path / "rows.tif", image)
    assert (tmp_path / "whole.tif").read_bytes() == (tmp_path / "rows.tif").read_bytes()
    assert read(tmp_path / "rows.tif").metadata.pyramid
    assert same(read(tmp_path / "rows.tif"), image)
    with tifffile.TiffFile(tmp_path / "rows.tif") as file:
        assert file.is_bigtiff == big
        assert [page.shape for page in file.pages] == [(601, 1100, 4), (301, 550, 4), (151, 275, 4)]
        assert [page.is_reduced for page in file.pages] == [False, True, True]
        assert file.pages[0].is_tiled
        half = file.pages[1].asarray()
        corner = image.numpy()[:2, :2].astype(np.float64).mean((0, 1))
        assert np.abs(half[0, 0] - corner).max() <= (1e-6 if dtype == "float32" else 0.5)
        last = image.numpy()[-1, -2:].astype(np.float64).mean(0)
        assert np.abs(half[-1, -1] - last).max() <= (1e-6 if dtype == "float32" else 0.5)


def test_formats_that_are_encoded_whole_must_fit(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"WebP is not encoded in pieces.*\n.*\.tif"):
        check_encoder(tmp_path / "a.webp", Size(16000, 16000), 3, BIG)
    check_encoder(tmp_path / "a.jpg", Size(60000, 60000), 3, BIG)
    with pytest.raises(WriteError, match="WebP is not encoded in pieces"):
        written(tmp_path / "a.webp", sample_image("rgb", "uint8", (83, 61)), 1000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """What is written after the pixels were kept."""
    rows = Raster.__getitem__

    def failing(self: Raster, part: slice) -> np.ndarray:
        if part.start:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rows(self, part)

    monkeypatch.setattr(Raster, "__getitem__", failing)
    monkeypatch.setattr(Raster, "flush", lambda self: failing(self, slice(1, 2)))
    with pytest.raises(WriteError, match="No space left") as caught:
        written(tmp_path / f"a{suffix}", sample_image("rgb", "uint8", (700, 700), metadata=Metadata(pyramid=True)))
    assert isinstance(caught.value.__cause__, OSError)
    assert os.listdir(tmp_path) == []


def test_a_jpeg_whose_file_fails(tmp_path: Path) -> None:
    """An error within libvips keeps its kind."""

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with raster(tmp_path / "a", (61, 83, 3), np.dtype(np.uint8)) as pixels, pytest.raises(OSError) as caught:
        vips.encode_jpeg(Full(), pixels, 95)  # type: ignore[arg-type]
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (530, 3), (83, 61)])
def test_small_results_in_tiles_are_read_again(tmp_path: Path, size: tuple[int, int]) -> None:
    """By libvips too, which refuses tiles that are much larger than the image."""
    pixels = NOISE.integers(0, 256, (size[1], size[0], 3), np.uint8)
    with (
        output(tmp_path / "a.tif", pixels.nbytes, BIG) as file,
        raster(tmp_path / "a", pixels.shape, pixels.dtype) as samples,
    ):
        samples.write(Box.of(samples.size), pixels)
        file.add(samples, Metadata())
    assert np.array_equal(read(tmp_path / "a.tif").pixels, pixels)
    with on_disk(tmp_path / "a.tif") as decoded:
        assert np.array_equal(decoded.read(Box.of(decoded.size)), pixels)
