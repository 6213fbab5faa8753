"""Every mistake ends in one clear message, an exit code, and no file left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
import PIL.Image
import pytest
import torch
from click.testing import Result

from imgtk import pipeline as pipeline_module

Cli = Callable[..., Result]
Refused = Callable[..., str]
CHEAP = "resize:bilinear x0.5"


@pytest.fixture
def refused(cli: Cli, tmp_path: Path) -> Refused:
    """Runs a command that must fail with `code`, say so once and write nothing; gives what it said."""

    def run(*words: str | Path, code: int) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        result = cli(*words)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert result.stderr.count("error: ") == 1, result.stderr
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return result.stderr

    return run


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("resize:bilinaer x2", "resize:bilinear"),
        ("resize x2", "resize:bilinear"),
        ("wibble", "imgtk ops"),
        ("resize:bilinear x2 widht=4", "width"),
        ("resize:bilinear width=wide", "a whole number"),
        ("resize:bilinear x-3", "x-3"),
        ("resize:bilinear 'x2", "'x2"),
        ("blend (resize:bilinear x1", "("),
        ("resize:bilinear x1)", ")"),
        ("blend @later | resize:bilinear x1 as later", "later"),
        ("resize:bilinear x1 |", "operator"),
        ("upscale:bicubic", "scale"),
        ("", "empty"),
    ],
)
def test_wrong_pipelines(refused: Refused, photo: Path, pipeline: str, said: str) -> None:
    message = refused("run", pipeline, photo, code=2)
    assert said in message
    refused("plan", pipeline, code=2)


def test_wrong_parameters_are_reported_once_whatever_the_images(refused: Refused, photo: Path) -> None:
    photo.with_name("bad.jpg").write_text("no image")
    assert "photo.jpg" not in refused("run", "resize:bicubic", photo, "bad.jpg", "-o", "out", code=2)


LONG = "n" * 300


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((LONG,), 1),
        ((f"{LONG}/*.png", "-o", "out"), 1),
        ((f"@{LONG}", "-o", "out"), 2),
        (("photo.jpg", "-o", LONG), 1),
        (("photo.jpg", "-o", f"{LONG}/out.jpg"), 1),
        (("photo.jpg", "-o", f"{LONG}.jpg"), 1),
        (("photo.jpg", "--report", LONG), 1),
        ((LONG, "-o", "out", "--watch"), 2),
    ],
)
def test_names_that_are_too_long(refused: Refused, photo: Path, words: tuple[str, ...], code: int) -> None:
    assert LONG in refused("run", CHEAP, *words, code=code)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter any folder")
def test_folders_that_cannot_be_entered(refused: Refused, photo: Path) -> None:
    closed = photo.parent / "closed"
    closed.mkdir(mode=0)
    assert "Permission denied" in refused("run", CHEAP, "closed/in.jpg", "-o", "out", code=1)
    for target in ("closed", "closed/out"):
        assert "closed" in refused("run", CHEAP, photo, "-o", target, code=1)


def test_no_input_and_no_pipeline(refused: Refused) -> None:
    assert "input" in refused("run", CHEAP, code=2)
    assert "pipeline" in refused("run", code=2)
    assert "nothing.yaml" in refused("run", "--pipeline-file", "nothing.yaml", "in.jpg", code=2)


def test_pipeline_file_that_is_no_pipeline(refused: Refused, photo: Path) -> None:
    (photo.parent / "bad.yaml").write_text("stages: [unclosed")
    (photo.parent / "photo.txt").write_bytes(photo.read_bytes())
    refused("run", "--pipeline-file", "bad.yaml", photo, code=2)
    assert "UTF-8" in refused("run", "--pipeline-file", "photo.txt", photo, code=2)


def truncated(photo: Path) -> bytes:
    return photo.read_bytes()[:-400]


def corrupt(photo: Path) -> bytes:
    data = bytearray(photo.read_bytes())
    data[20:400] = bytes(380)
    return bytes(data)


def png(width: int, height: int) -> bytes:
    """The start of a PNG file that claims to be of this size, with next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        lambda photo: b"",
        lambda photo: b"this is a text, not an image\n" * 9,
        truncated,
        corrupt,
        lambda photo: png(0, 0),
        lambda photo: png(200_000, 200_000),
    ],
    ids=["empty", "text", "truncated", "corrupt", "zero pixels", "bomb"],
)
def test_damaged_images(refused: Refused, photo: Path, content: Callable[[Path], bytes]) -> None:
    bad = photo.with_name("bad.png")
    bad.write_bytes(content(photo))
    assert "bad.png" in refused("run", CHEAP, bad, code=1)


def test_missing_image(refused: Refused, tmp_path: Path) -> None:
    assert "missing.jpg" in refused("run", CHEAP, "missing.jpg", code=1)


def test_folder_without_images(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("run", CHEAP, "empty", code=1)


def test_folder_where_a_file_is_expected(refused: Refused, tmp_path: Path, photo: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "folder" in refused("run", f"upscale:compact model={tmp_path / 'folder'}", photo, code=1)
    assert "folder" in refused("run", "--pipeline-file", "folder", photo, code=2)


def test_max_pixels(refused: Refused, photo: Path) -> None:
    assert "photo.jpg" in refused("run", CHEAP, photo, "--max-pixels", "1K", code=1)
    assert "--max-pixels 1200" in refused("plan", CHEAP, photo, "--max-pixels", "1K", code=1)
    assert "lots" in refused("run", CHEAP, photo, "--max-pixels", "lots", code=2)


def test_output_exists(refused: Refused, photo: Path) -> None:
    photo.with_name("photo.imgtk.jpg").write_text("precious")
    assert "--overwrite" in refused("run", CHEAP, photo, code=1)
    refused("run", CHEAP, photo, "-o", photo, code=1)


def test_output_is_refused_before_anything_is_computed(
    refused: Refused, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo.with_name("photo.imgtk.jpg").write_text("precious")
    monkeypatch.setattr(pipeline_module.Pipeline, "__call__", lambda *_, **__: pytest.fail("it computed"))
    refused("run", CHEAP, photo, code=1)


@pytest.mark.parametrize("output", ["out.xyz", "nowhere/out.png", "photo.jpg/out.png"])
def test_output_that_cannot_be(refused: Refused, photo: Path, output: str) -> None:
    assert output.partition("/")[0] in refused("run", CHEAP, photo, "-o", output, code=1)


def test_output_is_a_file_without_suffix(refused: Refused, photo: Path) -> None:
    photo.with_name("plain").write_text("precious")
    assert "not a folder" in refused("run", CHEAP, photo, "-o", "plain", code=2)


def test_no_folder_stays_behind(refused: Refused, photo: Path) -> None:
    photo.with_name("bad.png").write_text("no image")
    assert "bad.png" in refused("run", CHEAP, "bad.png", "-o", "a/b/c", code=1)
    assert "photo.jpg" in refused("run", CHEAP, photo, "-o", "a/../photo.jpg/c", code=1)


def test_alpha_into_jpeg(refused: Refused, tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((8, 8, 4), 99, np.uint8)).save(tmp_path / "alpha.png")
    message = refused("run", CHEAP, "alpha.png", "-o", "out.jpg", code=1)
    assert "out.jpg" in message
    refused("run", CHEAP, "alpha.png", "--format", "jpg", code=1)


def test_one_name_for_several_images(refused: Refused, photo: Path) -> None:
    other = photo.with_name("other.jpg")
    other.write_bytes(photo.read_bytes())
    assert "folder" in refused("run", CHEAP, photo, other, "-o", "out.jpg", code=2)
    twin = photo.parent / "sub" / "photo.jpg"
    twin.parent.mkdir()
    twin.write_bytes(photo.read_bytes())
    assert "both" in refused("run", CHEAP, photo, twin, code=2)


def test_save_and_result_in_one_file(refused: Refused, photo: Path) -> None:
    (photo.parent / "link").symlink_to(photo.parent)
    for output in ("half.png", "link/half.png"):
        assert "both" in refused("run", f"{CHEAP} | save half.png", photo, "-o", output, "--overwrite", code=2)
    PIL.Image.new("LA", (8, 8)).save(photo.with_name("alpha.png"))
    photo.with_name("alpha.png").rename(photo.with_name("alpha.jpg"))
    assert "transparency" in refused("run", f"{CHEAP} | save alpha.imgtk.png", "alpha.jpg", "--overwrite", code=1)


class Harmful:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.touch, (Path("harmed"),))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["hostile", "truncated", "unknown", "text"])
def test_bad_weights(refused: Refused, photo: Path, kind: str) -> None:
    weights = photo.with_name("bad.pth")
    if kind == "hostile":
        torch.save({"params": Harmful()}, weights)
    elif kind == "truncated":
        torch.save({"conv.weight": torch.zeros(64, 64, 3, 3)}, weights)
        weights.write_bytes(weights.read_bytes()[:5000])
    elif kind == "unknown":
        torch.save({"some.weight": torch.zeros(8, 8)}, weights)
    else:
        weights.write_text("no weights")
    assert "bad.pth" in refused("run", "upscale:compact model=bad.pth", photo, code=1)
    assert not Path("harmed").exists()


def test_weights_that_are_not_there(refused: Refused, photo: Path) -> None:
    assert "compcat-x4" in refused("run", "upscale:compact model=compcat-x4", photo, code=1)
    assert "lost.pth" in refused("run", "upscale:compact model=lost.pth", photo, code=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_absent_gpu(refused: Refused, photo: Path) -> None:
    assert "cpu" in refused("run", CHEAP, photo, "--device", "cuda", code=1)
    refused("run", CHEAP, photo, "--device", "toaster", code=1)
    refused("plan", CHEAP, "--device", "cuda", code=1)


def test_too_little_memory(refused: Refused, photo: Path) -> None:
    assert "--max-memory" in refused("run", CHEAP, photo, "--max-memory", "1K", code=1)


@pytest.mark.parametrize("words", [("--tile", "0"), ("--tile", "big"), ("--max-memory", "-1"), ("--dtype", "fp8")])
def test_wrong_options(refused: Refused, photo: Path, words: tuple[str, str]) -> None:
    message = refused("run", CHEAP, photo, *words, code=2)
    assert words[0] in message
    assert "imgtk run --help" in message


def test_interrupt(cli: Cli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline_module.Pipeline, "__call__", interrupt)
    result = cli("run", CHEAP, photo, photo)
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"
    assert [path.name for path in photo.parent.iterdir()] == [photo.name]


def test_reader_that_goes_away() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imgtk", "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""


def test_save_with_several_images(refused: Refused, photo: Path) -> None:
    other = photo.with_name("other.jpg")
    other.write_bytes(photo.read_bytes())
    assert "save" in refused("run", f"{CHEAP} | save half.png", photo, other, code=2)
    photo.with_name("half.png").write_text("precious")
    assert "half.png" in refused("run", f"{CHEAP} | save half.png", photo, code=1)


def test_a_mistake_of_ours(cli: Cli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh dear")

    monkeypatch.setattr(pipeline_module.Pipeline, "__call__", fail)
    result = cli("run", CHEAP, photo)
    assert result.exit_code == 70
    assert "oh dear" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" in cli("run", CHEAP, photo, "--debug").stderr


def test_unknown_commands_and_operators(refused: Refused) -> None:
    assert "imgtk --help" in refused("rnu", code=2)
    assert "upscale:bicubic" in refused("help", "upscale:bicubik", code=2)


def test_training_mistakes(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ("--data", "data", "--out", "out")
    refused("train", "upscale:wibble", *words, code=2)
    refused("train", "resize:area", *words, code=1)
    assert "data" in refused("train", "upscale:compact", *words, code=1)
    assert "stpes" in refused("train", "upscale:compact", *words, "--set", "stpes=3", code=1)
    assert "key=value" in refused("train", "upscale:compact", *words, "--set", "steps", code=2)
