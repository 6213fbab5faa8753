"""PFM through the hook of file formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from imgtk import Image, Pipeline
from imgtk.errors import PluginError, ReadError, WriteError
from imgtk.file_format import FileFormat
from imgtk.io import foreign, read_size
from imgtk.io.formats import format_of, readable, writable


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 3)])
def test_floats_are_kept(tmp_path: Path, channels: int, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).normal(0.5, 1, (*size, channels)).astype(np.float32)
    path = Image(pixels).save(tmp_path / "a.pfm")
    assert np.array_equal(Image.open(path).pixels, pixels)
    assert read_size(path) == (size[1], size[0])


def test_gray_is_what_pillow_reads(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((4, 5, 1), np.float32)
    with PIL.Image.open(Image(pixels).save(tmp_path / "a.pfm")) as image:
        assert np.array_equal(np.asarray(image), pixels[..., 0])


def test_big_endian_and_other_line_ends(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    (tmp_path / "a.pfm").write_bytes(b"PF\r\n4 2\r\n1.0\n" + pixels[::-1].astype(">f4").tobytes())
    assert np.array_equal(Image.open(tmp_path / "a.pfm").pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_become_floats(tmp_path: Path, dtype: type) -> None:
    top = np.iinfo(dtype).max
    path = Image(np.array([[[0], [top]]], dtype)).save(tmp_path / "a.pfm")
    assert Image.open(path).pixels.ravel().tolist() == [0, 1]


def test_transparency_and_quality_are_refused(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(WriteError, match="transparency"):
        Image(pixels, pixels[..., 0]).save(tmp_path / "a.pfm")
    with pytest.raises(WriteError, match="no quality"):
        Image(pixels).save(tmp_path / "a.pfm", quality=90)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [
        *(b"PF\n", b"PF\n2 2\n", b"PF\n2 2\n-1.0\n123", b"Pf\n2 2\n0\n" + bytes(16), b"PF\na b\n-1\n" + bytes(99)),
        *(b"Pf\n0 2\n-1\n", b"Pf\n-2 2\n-1\n" + bytes(99), b"PF\n99999 99999\n-1\n", b"PF\n" + b"1" * 99),
        *(b"Pf\n1 1\nnan\n" + bytes(4), b"Pf\n1 1\n-1\n\0\0\xc0\x7f"),
    ],
)
def test_damaged_and_hostile_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pfm").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.pfm"):
        Image.open(tmp_path / "a.pfm")
    with pytest.raises(ReadError, match=r"a\.pfm"):
        Pipeline("resize:area x0.5", device="cpu").run_file(tmp_path / "a.pfm", tmp_path / "b.pfm")
    assert not (tmp_path / "b.pfm").exists()


def test_a_folder_and_the_command_line(tmp_path: Path) -> None:
    Image(np.zeros((4, 6, 3), np.float32)).save(tmp_path / "a.pfm")
    Image(np.zeros((4, 6, 3), np.float32)).save(tmp_path / "photo.tif")
    command = [sys.executable, "-m", "imgtk", "run", "resize:area x0.5", str(tmp_path), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out" / "a.pfm").size == (3, 2)
    assert Image.open(tmp_path / "out" / "a.pfm").pixels.dtype == np.float32
    result = Pipeline("resize:area x0.5", device="cpu").run_file(tmp_path / "photo.tif", tmp_path / "c.pfm")
    assert result
    assert Image.open(tmp_path / "c.pfm").size == (3, 2)


def test_its_suffix_is_known() -> None:
    assert ".pfm" in writable()
    assert ".pfm" in readable()
    assert format_of(Path("a.PFM")).name == "PFM"


class Liar:
    """A codec that gives what the test sets."""

    answer: object = None

    def size(self, file: object) -> tuple[int, int]:
        return (2, 2)

    def read(self, file: object) -> object:
        return self.answer

    def write(self, file: object, image: Image, options: object) -> None:
        raise KeyError("oops")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "gave NoneType"),
        (Image(np.zeros((2, 2, 5), np.uint8)), "gave pixels"),
        (Image(np.zeros((2, 2, 3))), "float64"),
        (Image(np.zeros((2, 3, 3), np.uint8)), "states"),
        (Image(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint16)), "gave alpha"),
    ],
)
def test_a_codec_that_breaks_its_contract_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object, said: str
) -> None:
    form = FileFormat("Lie", (".lie",), starts=(b"LIE",), codec=f"{__name__}:Liar")
    monkeypatch.setattr(foreign, "formats", lambda: (form,))
    monkeypatch.setattr(foreign, "_codec", lambda form: Liar())
    monkeypatch.setattr(Liar, "answer", answer)
    (tmp_path / "a.lie").write_bytes(b"LIE")
    with pytest.raises((PluginError, ReadError), match=said) as caught:
        Image.open(tmp_path / "a.lie")
    assert "codec of Lie" in str(caught.value)
    with pytest.raises(WriteError, match="oops"):
        Image(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "b.lie")
    assert not (tmp_path / "b.lie").exists()
