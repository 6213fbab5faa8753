"""`imgtk bench upscale`: tables, files, and one message for each mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import Result

Cli = Callable[..., Result]
PLAIN = ("--ops", "bicubic,nearest", "--features", "none", "--device", "cpu")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of two images."""
    folder = tmp_path / "pets"
    folder.mkdir()
    for name, side in (("cat", 48), ("dog", 60)):
        small = np.random.default_rng(side).integers(0, 256, (side // 4, side // 4, 3), np.uint8)
        PIL.Image.fromarray(small).resize((side, side), PIL.Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


def test_table(cli: Cli, pets: Path) -> None:
    result = cli("bench", "upscale", "--data", pets, *PLAIN, "--pipeline", "upscale:bicubic x{}")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "pets: 2 images, x4, inputs made by MATLAB's bicubic"
    assert lines[1].split() == ["METHOD", "PSNR-Y", "SSIM-Y", "PSNR-RGB", "COLOUR", "SECONDS", "MB"]
    assert [line.split("  ")[0] for line in lines[2:5]] == ["bicubic", "nearest", "upscale:bicubic x4"]
    assert "cat.png" not in result.stdout
    assert "\nCAT " in cli("bench", "upscale", "--data", pets, *PLAIN, "--per-image").stdout


def test_json_on_standard_output_is_all_there_is(cli: Cli, pets: Path) -> None:
    document = json.loads(cli("bench", "upscale", "--data", pets, *PLAIN, "--scale", "3", "--json", "-").stdout)
    assert document["scale"] == 3
    (one,) = document["sets"]
    assert [result["pipeline"] for result in one["results"]] == ["upscale:bicubic x3 a=-0.5", "upscale:nearest x3"]
    assert set(one["results"][0]["by_image"]) == {"cat", "dog"}


def test_files(cli: Cli, pets: Path, tmp_path: Path) -> None:
    words = ("bench", "upscale", "--data", pets, *PLAIN, "--html", "page", "--json", "out.json", "--limit", "1")
    result = cli(*words)
    assert result.exit_code == 0, result.output
    assert f"page: {Path('page', 'index.html')}" in result.stdout
    assert json.loads((tmp_path / "out.json").read_text())["sets"][0]["images"] == 1
    assert len(list((tmp_path / "page" / "crops").iterdir())) == 5
    again = cli(*words)
    assert again.exit_code == 1
    assert "exists" in again.stderr
    assert cli(*words, "--overwrite").exit_code == 0


def test_builtin_is_the_default(cli: Cli) -> None:
    result = cli("bench", "upscale", "--ops", "nearest", "--device", "cpu", "--limit", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("builtin: 2 images, x4")
    assert "feature network: imgtk" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--data", "nowhere"], 1, "there is no folder nowhere"),
        (["--data", "empty"], 1, "there are no images for x4 in empty"),
        (["--data", "half"], 1, "half/a_HR.png has no a_LR.png beside it"),
        (["--data", "wrong"], 1, "wrong/a_LR.png is 24x24, which times 4 is 96x96, but wrong/a_HR.png is 48x48"),
        (["--data", "broken"], 1, "cannot read broken/a.png"),
        (["--data", "pets", "--ops", "compct"], 2, "Did you mean upscale:compact"),
        (["--data", "pets", "--ops", "bicubic,"], 2, "'' is not a bare name"),
        (["--data", "pets", "--pipeline", "upscale:bicubic x2"], 2, "returns 24x24 instead of 48x48"),
        (["--data", "pets", "--pipeline", "upscale:bicubic x4 |"], 2, "upscale:bicubic x4 |"),
        (["--data", "pets", "--crop", "10"], 2, "cannot be shrunk by 4"),
        (["--data", "pets", "--lr", "empty", "--make-lr"], 2, "cannot be combined"),
        (["--lr", "empty"], 2, "--lr needs --data"),
        (["--data", "pets", "--scale", "1"], 2, "--scale"),
        (["--data", "pets", "--features", "nowhere.pth"], 1, "nowhere.pth"),
        (["--data", "pets", "--device", "cuda:77"], 1, "cuda:77"),
        (["--data", "pets", "--html", "pets/cat.png"], 1, "it is a file"),
        (["--data", "pets", "--html", "pets"], 1, "it is not empty"),
        (["--data", "pets", "--json", "pets"], 1, "it is a directory"),
        (["--data", "pets", "--json", "no/where.json"], 1, "does not exist"),
    ],
)
def test_mistakes(cli: Cli, pets: Path, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    image = (pets / "cat.png").read_bytes()
    for name in ("empty", "half", "wrong", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "half" / "a_HR.png").write_bytes(image)
    (tmp_path / "wrong" / "a_HR.png").write_bytes(image)
    PIL.Image.new("RGB", (24, 24)).save(tmp_path / "wrong" / "a_LR.png")
    (tmp_path / "broken" / "a.png").write_bytes(image[:40])
    before = sorted(tmp_path.rglob("*"))
    outputs = [
        word
        for option, word in (("--html", "out"), ("--json", "out.json"))
        if option not in words
        for word in (option, word)
    ]
    options = [] if "--features" in words else ["--features", "none"]
    options += [] if {"--ops", "--pipeline"} & set(words) else ["--ops", "nearest"]
    result = cli("bench", "upscale", *words, *options, *outputs)
    assert result.exit_code == code, result.output
    assert result.stderr.count("error: ") == 1
    assert said in result.stderr.replace(os.sep, "/")
    assert sorted(tmp_path.rglob("*")) == before


def test_no_outputs_after_a_damaged_image(cli: Cli, pets: Path, tmp_path: Path) -> None:
    """Damage is found late, but nothing has been written by then."""
    (pets / "dog.png").write_bytes((pets / "dog.png").read_bytes()[:-400])
    result = cli("bench", "upscale", "--data", pets, *PLAIN, "--html", "page", "--json", "out.json")
    assert result.exit_code == 1
    assert "dog.png" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]
