"""A large GeoTIFF with alpha, moved from file to file: equal to Pillow's, tags included, in less than 1 GB."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL.Image import Transpose

pytestmark = pytest.mark.long

SIDE = 20_000
STRIP = 500
SCALE, TIES, MATRIX, KEYS = 33550, 33922, 34264, 34735
AREA = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)
NORTH = {SCALE: (0.5, 0.25, 0.0), TIES: (0.0, 0.0, 0.0, 1e6, 5e6, 0.0)}

Moved = Callable[[PIL.Image.Image], PIL.Image.Image]

CASES: dict[str, tuple[Moved, dict[int, tuple[float, ...]]]] = {
    "flip h": (
        lambda image: image.transpose(Transpose.FLIP_LEFT_RIGHT),
        {MATRIX: (-0.5, 0, 0, 1e6 + 0.5 * SIDE, 0, -0.25, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1)},
    ),
    "rotate 90": (
        lambda image: image.transpose(Transpose.ROTATE_90),
        {MATRIX: (0, -0.5, 0, 1e6 + 0.5 * SIDE, -0.25, 0, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1)},
    ),
    "crop 15000 9001 x=4000 y=77": (
        lambda image: image.crop((4000, 77, 19_000, 9078)),
        {SCALE: NORTH[SCALE], TIES: (0, 0, 0, 1e6 + 2000, 5e6 - 19.25, 0)},
    ),
    "pad 20100 20050 colour=transparent gravity=north-west": (
        lambda image: image.crop((0, 0, 20_100, 20_050)),
        NORTH,
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that differ, columns that differ, and alpha of all values."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    across = np.arange(SIDE, dtype=np.uint32)
    tags = [(SCALE, 12, 3, NORTH[SCALE], True), (TIES, 12, 6, NORTH[TIES], True), (KEYS, 3, len(AREA), AREA, True)]

    def tiles() -> object:
        for top in range(0, SIDE, 512):
            down = np.arange(top, top + 512, dtype=np.uint32)[:, None]
            planes = [
                across // 79 + 0 * down,
                down // 79 + 0 * across,
                across // 7 + down // 5,
                across // 50 + down // 50,
            ]
            rows = np.stack([plane.astype(np.uint8) for plane in planes], -1)
            for left in range(0, SIDE, 512):
                tile = rows[:, left : left + 512]
                yield np.pad(tile, ((0, 0), (0, 512 - tile.shape[1]), (0, 0)))

    tifffile.imwrite(
        path,
        tiles(),
        shape=(SIDE, SIDE, 4),
        dtype="uint8",
        tile=(512, 512),
        compression="zlib",
        photometric="rgb",
        extrasamples=["unassalpha"],
        metadata=None,
        extratags=tags,
    )
    return path


@pytest.mark.parametrize("text", CASES)
def test_equal_to_pillow(source: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.tif"
    command = [sys.executable, "-m", "imgtk", "run", text, source, "-o", target, "--max-memory", "400M"]
    code = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:])\n"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    words = [sys.executable, "-c", code, *map(str, command), "--max-pixels", "500M"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.splitlines()[-1]) * 1024
    print(f"{text}: {peak / 1e6:.0f} MB")
    assert peak < 1e9
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    moved, places = CASES[text]
    expected = moved(PIL.Image.open(source))
    with tifffile.TiffFile(target) as file:
        tags = file.pages[0].tags
        assert {tag: tags.valueof(tag) for tag in (SCALE, TIES, MATRIX) if tag in tags} == places
        assert tags.valueof(KEYS) == AREA
    result = PIL.Image.open(target)
    assert (result.size, result.mode) == (expected.size, expected.mode)
    for top in range(0, result.height, STRIP):
        box = (0, top, result.width, min(result.height, top + STRIP))
        assert np.array_equal(np.asarray(result.crop(box)), np.asarray(expected.crop(box))), f"rows from {top}"
