"""Files appear whole or not at all, and what cannot work is said before the work."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from samples import same, sample_image

from imgtk.errors import WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import WriteOptions, check_target, read, write


def problem(path, options: WriteOptions = WriteOptions(), **traits) -> str:
    with pytest.raises(WriteError) as info:
        check_target(path, options, **traits)
    assert str(path) in info.value.message
    return str(info.value)


def test_a_good_target(tmp_path):
    for suffix in (".jpg", ".JPEG", ".png", ".webp", ".tif", ".TIFF", ".bmp"):
        assert check_target(str(tmp_path / f"a{suffix}")) == tmp_path / f"a{suffix}"
    assert list(tmp_path.iterdir()) == []


def test_bad_names(tmp_path):
    assert "a single image cannot be written as .gif" in problem(tmp_path / "a.gif")
    assert ".jpg, .jpeg, .jfif, .jpe, .png" in problem(tmp_path / "a.gif")
    assert "no suffix" in problem(tmp_path / "a")
    assert "no suffix" in problem(tmp_path / ".png")


def test_bad_places(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "there.png").write_bytes(b"mine")
    assert "is a directory" in problem(tmp_path / "folder.png", WriteOptions(overwrite=True))
    assert "does not exist" in problem(tmp_path / "no" / "a.png")
    assert "is a file, not a directory" in problem(tmp_path / "there.png" / "a.png")
    assert "--overwrite" in problem(tmp_path / "there.png")
    check_target(tmp_path / "there.png", WriteOptions(overwrite=True))


def test_a_directory_that_is_not_writable(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "not writable" in problem(tmp_path / "a.png")


def test_a_disk_for_reading_only(tmp_path, monkeypatch):
    """The error tells it from a directory that is not ours: no other image could be written either."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    for flag, number, words in ((os.ST_RDONLY, errno.EROFS, "on a read-only disk"), (0, None, "not writable")):
        monkeypatch.setattr(os, "statvfs", lambda _, flag=flag: SimpleNamespace(f_flag=flag))
        with pytest.raises(WriteError, match=words) as info:
            check_target(tmp_path / "a.png")
        assert getattr(info.value.__cause__, "errno", None) == number


def test_what_formats_cannot_hold(tmp_path):
    for suffix in (".jpg", ".bmp"):
        assert ".webp or .tif" in problem(tmp_path / f"a{suffix}", has_alpha=True)
    for suffix in (".jpg", ".bmp", ".webp"):
        assert "depth=8" in problem(tmp_path / f"a{suffix}", sixteen_bit=True)
        check_target(tmp_path / f"a{suffix}", WriteOptions(depth=8), sixteen_bit=True)
        assert "not 16" in problem(tmp_path / f"a{suffix}", WriteOptions(depth=16))
    assert "8 or 16 bits per sample, not 32" in problem(tmp_path / "a.png", WriteOptions(depth=32))
    check_target(
        tmp_path / "a.tif", WriteOptions(depth=32), has_alpha=True, sixteen_bit=True, size=Size(100_000, 100_000)
    )


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65500), (".webp", 16383)])
def test_sides_at_the_limit(tmp_path, suffix, side):
    image = Image(np.zeros((1, side, 1), np.uint8))
    assert read(write(image, tmp_path / f"a{suffix}")).size == Size(side, 1)
    with pytest.raises(WriteError, match=f"1x{side + 1} is too large"):
        write(Image(np.zeros((side + 1, 1, 1), np.uint8)), tmp_path / f"b{suffix}")


def test_bad_options(tmp_path):
    assert "no quality" in problem(tmp_path / "a.png", WriteOptions(quality=90))
    for quality in (0, 101, -1):
        assert "1..100" in problem(tmp_path / "a.jpg", WriteOptions(quality=quality))
    assert "does not write lossless JPEG" in problem(tmp_path / "a.jpg", WriteOptions(lossless=True))
    assert "not 12" in problem(tmp_path / "a.png", WriteOptions(depth=12))
    check_target(tmp_path / "a.png", WriteOptions(lossless=True))


def test_write_checks_the_image(tmp_path):
    with pytest.raises(WriteError, match="transparency"):
        write(sample_image("rgba"), tmp_path / "a.jpg")
    with pytest.raises(WriteError, match="16 bits"):
        write(sample_image("rgb", "uint16"), tmp_path / "a.webp")
    write(sample_image("rgb", "uint16"), tmp_path / "a.jpg", WriteOptions(depth=8))
    with pytest.raises(WriteError, match="1 values of the image are not numbers"):
        write(Image(np.array([[[0.5], [np.nan]]], np.float32)), tmp_path / "nan.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_overwriting(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    path.chmod(0o640)
    with pytest.raises(WriteError, match="exists"):
        write(sample_image(size=(3, 3)), path)
    assert same(read(path), sample_image())
    write(sample_image(size=(3, 3)), path, WriteOptions(overwrite=True))
    assert same(read(path), sample_image(size=(3, 3)))
    assert path.stat().st_mode & 0o777 == 0o640


def test_new_files_get_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    assert write(sample_image(), tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_links_are_followed(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(path)
    write(sample_image(size=(3, 3)), tmp_path / "link.png", WriteOptions(overwrite=True))
    assert (tmp_path / "link.png").is_symlink()
    assert same(read(path), sample_image(size=(3, 3)))


def test_onto_the_file_it_came_from(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    assert same(read(write(read(path), path, WriteOptions(overwrite=True))), sample_image())


SAVERS = {
    ".png": "imgtk.io.png.zlib.crc32",
    ".tif": "imgtk.io.tiff.compression.zlib.compress",
    ".jpg": "PIL.Image.Image.save",
}


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), MemoryError(), OSError(errno.ENOSPC, "No space left on device")]
)
@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("exists", [False, True])
def test_failures_leave_nothing(tmp_path, monkeypatch, suffix, exists, failure):
    path = tmp_path / f"a{suffix}"
    if exists:
        path.write_bytes(b"what was there")

    def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(SAVERS[suffix], fail)
        with pytest.raises(WriteError if isinstance(failure, OSError) else type(failure)) as info:
            write(sample_image(), path, WriteOptions(overwrite=True))
    if isinstance(failure, OSError):
        assert str(info.value) == f"cannot write {path}: No space left on device"
    assert list(tmp_path.iterdir()) == ([path] if exists else [])
    assert not exists or path.read_bytes() == b"what was there"


def test_a_disk_that_is_full():
    """A real one, where the system has it."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    from imgtk.io import png

    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        png.write(file, sample_image().pixels, sample_image().metadata)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_a_disk_that_takes_only_a_part(tmp_path, files_end_at, suffix):
    noise = Image(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    size = write(noise, tmp_path / f"whole{suffix}").stat().st_size
    for kept in (size // 2, size - 1):
        with files_end_at(kept), pytest.raises(WriteError, match="File too large"):
            write(noise, tmp_path / f"a{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"whole{suffix}"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
def test_dpi_also_where_exif_states_another(tmp_path: Path, suffix: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 72.0, 72.0, 3  # per centimetre
    PIL.Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", exif=exif, dpi=(72, 72))
    Image.open(tmp_path / "a.jpg").save(tmp_path / f"b.{suffix}", dpi=300)
    with PIL.Image.open(tmp_path / f"b.{suffix}") as written:
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        stated = written.getexif()
        assert stated.get(0x011A, 300) == pytest.approx(300)
        assert stated.get(0x0128, 2) == 2


def test_webp_states_no_dpi(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="does not store a resolution"):
        Image.of(np.zeros((2, 2), np.uint8)).save(tmp_path / "a.webp", dpi=300)
