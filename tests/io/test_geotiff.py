"""An image stays at its place on Earth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import read, write
from imgtk.io.geotiff import GeoReference, reference

AREA = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)  # version, 2 keys: projected; pixels are areas
POINT = (*AREA[:-1], 2)
SCALE, TIES, MATRIX, KEYS = 33550, 33922, 34264, 34735


def place(geo: GeoReference, column: float, row: float) -> tuple[float, float]:
    """Where the point (column, row) lies, in pixels from the image's corner."""
    if geo.tags[KEYS] == POINT:
        column, row = column - 0.5, row - 0.5
    if MATRIX in geo.tags:
        a, b, _, d, e, f, _, h, *_ = geo.tags[MATRIX]
        return a * column + b * row + d, e * column + f * row + h
    across, down, _ = geo.tags[SCALE]
    left, top, _, x, y, _ = geo.tags[TIES]
    return x + (column - left) * across, y - (row - top) * down


@pytest.mark.parametrize("keys", [AREA, POINT])
@pytest.mark.parametrize(
    "how",
    [
        {SCALE: (0.5, 0.25, 0.0), TIES: (3.0, 5.0, 0.0, 1000.0, 2000.0, 0.0)},
        {MATRIX: (0.5, 0.1, 0.0, 1000.0, 0.2, -0.25, 0.0, 2000.0, 0, 0, 0, 0, 0, 0, 0, 1.0)},
    ],
)
def test_places_stay(keys: tuple[int, ...], how: dict[int, tuple[float, ...]]) -> None:
    geo = GeoReference(Size(100, 60), {KEYS: keys, **how})
    larger = geo.resized(Size(400, 120))
    for column, row in ((0, 0), (100, 60), (31, 7)):
        assert place(larger, column * 4, row * 2) == pytest.approx(place(geo, column, row))
    back = larger.resized(Size(100, 60))
    for tag in how:
        assert back.tags[tag] == pytest.approx(geo.tags[tag])


def georeferenced(path: Path, *, keys: object = AREA, scale: tuple[float, ...] = (0.5, 0.5, 0.0)) -> None:
    tags = [
        (SCALE, 12, len(scale), scale, True),
        (TIES, 12, 6, (0.0, 0.0, 0.0, 1e6, 5e6, 0.0), True),
        (KEYS, 3, len(AREA), keys, True),
        (34736, 12, 1, (6378137.0,), True),
        (34737, 2, 0, "WGS 84|", True),
        (42113, 2, 0, "-9999", True),
    ]
    tifffile.imwrite(path, np.zeros((6, 9, 3), np.uint8), photometric="rgb", metadata=None, extratags=tags)


def test_tags_survive(tmp_path: Path) -> None:
    georeferenced(tmp_path / "a.tif")
    image = read(tmp_path / "a.tif")
    assert image.metadata.geo
    larger = Image(image.pixels.repeat(2, 0).repeat(2, 1), metadata=image.metadata)
    write(larger, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        geo = reference(file.pages[0])
        assert file.geotiff_metadata["ModelPixelScale"] == [0.25, 0.25, 0.0]
    assert geo == image.metadata.geo.resized(Size(18, 12))
    assert geo.tags[42113] == "-9999"
    write(larger, tmp_path / "b.png")
    assert read(tmp_path / "b.png").metadata.geo is None


def test_damaged_tags_are_left_out(tmp_path: Path) -> None:
    georeferenced(tmp_path / "a.tif", scale=(0.5, 0.5))
    assert read(tmp_path / "a.tif").metadata.geo is None
