"""`imgtk run`: what goes where, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import Result

Cli = Callable[..., Result]
HALF = "resize:bilinear x0.5"


def size(path: Path) -> tuple[int, int]:
    with PIL.Image.open(path) as image:
        return image.size


def copies(photo: Path, *names: str) -> list[Path]:
    paths = [photo.parent / name for name in names]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo.read_bytes())
    return paths


def test_result_is_named_after_the_input(cli: Cli, photo: Path) -> None:
    result = cli("run", HALF, photo)
    assert result.exit_code == 0, result.output
    assert result.stdout == "photo.imgtk.jpg\n"
    assert size(photo.with_name("photo.imgtk.jpg")) == (20, 15)
    assert size(photo) == (40, 30)


@pytest.mark.parametrize(
    ("output", "written"),
    [
        ("small.webp", "small.webp"),
        ("out", "out/photo.jpg"),
        ("new/", "new/photo.jpg"),
        ("folder.d", "folder.d/photo.jpg"),
    ],
)
def test_output(cli: Cli, photo: Path, output: str, written: str) -> None:
    (photo.parent / "folder.d").mkdir()
    result = cli("run", HALF, photo, "-o", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{written}\n"
    assert size(photo.parent / written) == (20, 15)


def test_folder(cli: Cli, photo: Path) -> None:
    copies(photo, "pets/a.jpg", "pets/b.JPG")
    photo.with_name("pets").joinpath("notes.txt").write_text("no image")
    assert cli("run", HALF, "pets").stdout.split() == ["pets.imgtk/a.jpg", "pets.imgtk/b.JPG"]
    assert cli("run", HALF, "pets", "-o", "out").stdout.split() == ["out/a.jpg", "out/b.JPG"]


def test_several_images_and_one_that_fails(cli: Cli, photo: Path) -> None:
    copies(photo, "a.jpg", "c.jpg")
    photo.with_name("b.jpg").write_text("no image")
    result = cli("run", HALF, "a.jpg", "b.jpg", "c.jpg", "-o", "out", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert list(rows[0].pop("seconds")) == ["read", "compute", "write"]
    assert rows[0].pop("sha256") == sha256(Path("out/a.jpg").read_bytes()).hexdigest()
    assert rows[0].pop("warnings") == []
    assert rows[0] == {"path": "a.jpg", "output": "out/a.jpg", "size": [20, 15], "status": "done", "error": None}
    assert "b.jpg" in rows[1]["error"]
    assert rows[1]["output"] is None
    assert result.stderr.count("error: ") == 1
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("names", "written"),
    [(("x.jpg", "x.png"), ["x.jpg.png", "x.png"]), (("x.jpg", "x.webp"), ["x.jpg.png", "x.webp.png"])],
)
@pytest.mark.parametrize("words", [("--depth", "16"), ("--format", "png")])
def test_no_result_replaces_another_one(
    cli: Cli, photo: Path, names: tuple[str, str], written: list[str], words: tuple[str, str]
) -> None:
    """Where both would become PNG, those that were none before keep their whole name."""
    copies(photo, *(f"pets/{name}" for name in names))
    assert cli("run", HALF, "pets", *words, "--overwrite").exit_code == 0
    assert sorted(path.name for path in Path("pets.imgtk").iterdir()) == written


def test_overwrite(cli: Cli, photo: Path) -> None:
    (out,) = copies(photo, "out.jpg")
    assert cli("run", HALF, photo, "-o", out, "--overwrite").exit_code == 0
    assert size(out) == (20, 15)


def test_format(cli: Cli, photo: Path) -> None:
    assert cli("run", HALF, photo, "--format", "png").stdout == "photo.imgtk.png\n"
    assert cli("run", HALF, photo, "--format", "tif", "-o", "out").stdout == "out/photo.tif\n"


def test_format_that_is_only_read_becomes_png(cli: Cli, photo: Path) -> None:
    PIL.Image.new("P", (8, 8)).save(photo.with_name("still.gif"))
    assert cli("run", HALF, "still.gif").stdout == "still.imgtk.png\n"


def test_size_that_the_format_cannot_hold_becomes_png(cli: Cli, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (9000, 2)).save(tmp_path / "wide.webp")
    assert cli("run", "upscale:nearest x2", "wide.webp").stdout == "wide.imgtk.png\n"


def test_sixteen_bits_that_the_format_cannot_hold_become_png(cli: Cli, tmp_path: Path) -> None:
    import cv2

    cv2.imwrite("deep.png", np.random.default_rng(0).integers(0, 65536, (8, 8, 3), np.uint16))
    Path("deep.png").rename("deep.jpg")
    assert cli("run", HALF, "deep.jpg").stdout == "deep.imgtk.png\n"
    assert cv2.imread("deep.imgtk.png", cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert cli("run", HALF, "deep.jpg", "--depth", "8").stdout == "deep.imgtk.jpg\n"
    assert "--depth 8" in cli("run", HALF, "deep.jpg", "-o", "chosen.jpg").stderr


def test_depth_and_quality(cli: Cli, photo: Path) -> None:
    import cv2

    pixels = np.random.default_rng(0).integers(0, 65536, (8, 8), np.uint16)
    cv2.imwrite("deep.png", pixels)
    assert cli("run", HALF, "deep.png", "-o", "same.png").exit_code == 0
    assert cli("run", HALF, "deep.png", "-o", "eight.png", "--depth", "8").exit_code == 0
    assert cv2.imread("same.png", cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert cv2.imread("eight.png", cv2.IMREAD_UNCHANGED).dtype == np.uint8
    for quality in ("10", "95"):
        assert cli("run", HALF, photo, "-o", f"q{quality}.jpg", "--quality", quality).exit_code == 0
    assert Path("q10.jpg").stat().st_size < Path("q95.jpg").stat().st_size


def test_pipeline_from_a_file(cli: Cli, photo: Path) -> None:
    Path("half.txt").write_text(f"{HALF}\n")
    Path("half.yaml").write_text(cli("plan", HALF, "--yaml").stdout)
    for name in ("half.txt", "half.yaml"):
        assert cli("run", "--pipeline-file", name, photo, "-o", f"{name}.png").exit_code == 0
    assert Path("half.txt.png").read_bytes() == Path("half.yaml.png").read_bytes()


def test_save_stage_writes_beside(cli: Cli, photo: Path) -> None:
    result = cli("run", f"{HALF} | save half.png | resize:nearest x3", photo)
    assert result.exit_code == 0, result.output
    assert size(Path("half.png")) == (20, 15)
    assert size(Path("photo.imgtk.jpg")) == (60, 45)


def test_quiet_says_nothing(cli: Cli, photo: Path) -> None:
    assert cli("run", HALF, photo, "--quiet").output == ""
    assert cli("run", HALF, photo, "-q", "--overwrite").output == ""
    assert "cannot read nowhere.jpg" in cli("run", HALF, "nowhere.jpg", "-q").stderr


@pytest.mark.parametrize("words", [("--tile", "16"), ("--tile", "off"), ("--dtype", "fp32"), ("--max-memory", "1G")])
def test_options_of_the_engine(cli: Cli, photo: Path, words: tuple[str, str]) -> None:
    assert cli("run", HALF, photo, "--device", "cpu", *words).exit_code == 0


def test_seed_is_that_of_stages_without_their_own(cli: Cli, photo: Path) -> None:
    def painted(pipeline: str, *words: str) -> bytes:
        cli("run", pipeline, photo, "-o", "out.png", "--overwrite", *words)
        return (photo.parent / "out.png").read_bytes()

    assert painted("style:monet", "--seed", "5") == painted("style:monet seed=5") != painted("style:monet")
    assert painted("style:monet seed=0", "--seed", "5") == painted("style:monet")
    assert cli("run", "style:monet", photo, "--seed", "-1").exit_code == 2
