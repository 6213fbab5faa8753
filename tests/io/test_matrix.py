"""All combinations of what files can be: equal pixels in memory and by pieces and all metadata, or a named refusal.

A sample runs with the other tests, all of it with `make long`. The table of outcomes stands in docs/files.md, between
two marks; where it is not true, `python tests/io/test_matrix.py` writes it anew.
"""

from __future__ import annotations

import io
import random
import re
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tifffile
from samples import KINDS, metadata, same, sample_image

from imgtk.errors import ReadError, WriteError
from imgtk.geometry import Box
from imgtk.image import Image
from imgtk.io import WriteOptions, read, write
from imgtk.io.carried import fitting
from imgtk.io.convert import oriented
from imgtk.io.formats import FORMATS
from imgtk.io.large import opened, output, raster
from imgtk.io.read import read_headers

DOCS = Path(__file__).parents[2] / "docs" / "files.md"
MARKS = "<!-- outcome of tests/io/test_matrix.py -->", "<!-- end of the outcome -->"
SIZE = (37, 29)

COLOURS = {"gray": 1, "white is zero": 1, "RGB": 3, "palette": 1, "CMYK": 4, "L*a*b*": 3}
PHOTOMETRIC = dict(zip(COLOURS, (1, 0, 2, 3, 5, 8), strict=True))
DEPTHS = ("bool", "uint8", "uint16", "uint32", "int8", "int16", "float16", "float32", "float64")
EXTRA = {"no extra channel": None, "alpha": "unassalpha", "premultiplied alpha": "assocalpha", "other": "unspecified"}
COMPRESSIONS = (None, "zlib", "lzw", "zstd", "lzma", "packbits", "webp", "jpegxl", "jpeg2000")
LAYOUTS = ({}, {"rowsperstrip": 5}, {"tile": (16, 32)})
HEADERS = ({}, {"byteorder": ">"}, {"bigtiff": True}, {"bigtiff": True, "byteorder": ">"})
TIFF = list(product(COLOURS, DEPTHS, EXTRA, COMPRESSIONS, ("contig", "separate"), LAYOUTS, HEADERS, (1, 6)))

RANDOM = np.random.default_rng(3)


def tiff_file(path: Path, case: tuple) -> np.ndarray | None:
    """Write a TIFF; returns its samples (H, W, S) as stored, or None if tifffile cannot write such a file."""
    colour, dtype, extra, compression, planar, layout, header, orientation = case
    channels = COLOURS[colour] + (EXTRA[extra] is not None)
    shape = (SIZE[1], SIZE[0], channels)
    if np.dtype(dtype).kind == "f":
        samples = RANDOM.random(shape).astype(dtype)
    else:
        top = 2 if dtype == "bool" else min(np.iinfo(dtype).max, 2**31)
        samples = RANDOM.integers(0, top, shape).astype(dtype)
    stored = np.squeeze(np.moveaxis(samples, -1, 0) if planar == "separate" else samples)
    options = {"compression": compression, "metadata": None, **layout, **header}
    options |= {"planarconfig": planar} if channels > 1 else {}
    options |= {"extrasamples": [EXTRA[extra]]} if EXTRA[extra] else {}
    if compression in ("jpegxl", "jpeg2000", "webp"):
        options["compressionargs"] = (
            {"lossless": True} if compression != "jpeg2000" else {"reversible": True, "level": 0}
        )
    if colour == "palette":
        options["colormap"] = (np.arange(768).reshape(3, 256) * 84 % 65536).astype(np.uint16)
    try:
        photometric = PHOTOMETRIC[colour]
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, stored, photometric=photometric, extratags=tags, **options)
        with tifffile.TiffFile(path) as file:
            decoded = file.pages[0].asarray()
        if not np.array_equal(np.squeeze(decoded), stored):
            return None
    except Exception:  # whatever it says, there is no such file
        return None
    return samples


def tiff_model(samples: np.ndarray, case: tuple) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Pixels and alpha as they should be; None where another test compares colours."""
    colour, dtype, extra, *_, orientation = case
    if colour in ("CMYK", "L*a*b*"):
        return None
    values, top = samples[..., : COLOURS[colour]], 1.0
    if dtype == "bool":
        values, samples, top = values * np.uint8(255), samples * np.uint8(255), 255
    elif np.dtype(dtype).kind == "f":
        values, samples = values.astype(np.float32), samples.astype(np.float32)
    else:
        top = np.iinfo(dtype).max
    if colour == "white is zero":
        values = (top - values).astype(values.dtype)
    if colour == "palette":
        values = ((np.arange(768).reshape(3, 256) * 84 % 65536) >> 8).astype(np.uint8).T[values[..., 0]]
    alpha = samples[..., -1] if extra in ("alpha", "premultiplied alpha") else None
    if extra == "premultiplied alpha":
        return None
    turned = oriented(values, orientation), None if alpha is None else oriented(alpha, orientation)
    return turned


def by_pieces(path: Path) -> Image:
    with opened(path, read_headers(path)[0], 0, path, 10**9) as kept:
        samples = kept.read(Box.of(kept.size))
        alpha = np.ascontiguousarray(samples[..., -1]) if kept.has_alpha else None
        return Image(samples[..., : kept.channels], alpha, kept.metadata)


def outcome(path: Path, model: tuple[np.ndarray, np.ndarray | None] | None) -> str:
    """ "read", or why it is refused; fails where pixels or metadata differ."""
    try:
        image = read(path)
    except ReadError as error:
        refusal = error.message
    else:
        refusal = ""
    if refusal:
        assert "damaged" not in refusal, refusal
        with pytest.raises(ReadError):
            by_pieces(path)
        return refusal.rpartition(": ")[2]
    pieces = by_pieces(path)
    assert same(pieces, image)
    assert pieces.metadata == image.metadata
    if model:
        pixels, alpha = model
        assert np.array_equal(image.pixels, pixels)
        if alpha is not None:
            assert np.array_equal(image.alpha, alpha)
    return "read"


def tiff_outcomes(folder: Path, cases: list[tuple]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        samples = tiff_file(folder / "a.tif", case)
        if samples is None:
            continue
        try:
            result = outcome(folder / "a.tif", tiff_model(samples, case))
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from error
        found.setdefault((case[0], case[1]), set()).add(result)
    return found


def chosen(cases: list[tuple], count: int) -> list[tuple]:
    """So many of each combination of the first two dimensions, the same at every call."""
    draw = random.Random(7)
    groups: dict[tuple, list[tuple]] = {}
    for case in cases:
        groups.setdefault(case[:2], []).append(case)
    plain = [group[0] for group in groups.values()]
    return plain + [case for group in groups.values() for case in draw.sample(group, count)]


FIELDS = ("icc", "exif", "xmp", "dpi", "iptc", "text")


@pytest.mark.parametrize("target", FORMATS, ids=lambda form: form.name)
def test_writers(tmp_path, target):
    """What is written is read again, or was announced: in memory and by pieces alike."""
    path = tmp_path / f"a{target.suffixes[0]}"
    for kind, dtype, field in product(KINDS, ("uint8", "uint16", "float32"), (None, *FIELDS)):
        carried = replace(metadata("GRAY" if "gray" in kind else "RGB"), iptc=b"\x1c\2\5\0\1a")
        empty = {name: {} if name == "text" else None for name in FIELDS if name != field}
        image = sample_image(kind, dtype, SIZE, metadata=replace(carried, **empty))
        options = WriteOptions(overwrite=True, lossless=target.name == "WebP")
        reason = "transparency" if image.alpha is not None and not target.alpha else "16 bits"
        if reason == "transparency" or (dtype == "uint16" and 16 not in target.depths):
            with pytest.raises(WriteError, match=reason):
                write(image, path, options)
            continue
        write(image, path, options)
        again = read(path)
        if not target.lossy and again.pixels.dtype == image.pixels.dtype:
            assert same(again, image)
        assert again.pixels.dtype == image.pixels.dtype or dtype == "float32"
        told = fitting(image.metadata, image.size, image.gray, target).warnings
        kept = bool(field) and bool(getattr(again.metadata, field))
        assert kept or not field or told, (kind, dtype, field)
        if again.pixels.dtype == image.pixels.dtype:
            whole, other = np.atleast_3d(image.numpy()), tmp_path / f"b{path.suffix}"
            with (
                output(other, whole.nbytes, 10**9, options=options) as result,
                raster(path, whole.shape, whole.dtype) as pixels,
            ):
                pixels.write(Box.of(image.size), whole)
                result.add(pixels, image.metadata)
            assert same(read(other), again)


def cell(outcomes: set[str]) -> str:
    if not outcomes:
        return "—"
    refusals = sorted(reason.removeprefix("its samples are ") for reason in outcomes - {"read"})
    return "; ".join([*(["yes"] if "read" in outcomes else []), *(f"no: {reason}" for reason in refusals)])


def table(found: dict[tuple[str, str], set[str]]) -> str:
    """Of which TIFF files are read: a row for each depth."""
    lines = ["| TIFF | " + " | ".join(COLOURS) + " |", "|---" * (1 + len(COLOURS)) + "|"]
    for depth in DEPTHS:
        cells = [cell(found.get((colour, depth), set())) for colour in COLOURS]
        lines.append(f"| {depth} | {' | '.join(cells)} |")
    return "\n".join(lines)


def documented() -> str:
    text = DOCS.read_text(encoding="utf-8")
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0].strip()


def test_tiff(tmp_path):
    assert table(tiff_outcomes(tmp_path, chosen(TIFF, 4))) == documented()


@pytest.mark.long
def test_tiff_of_every_kind(tmp_path):
    assert table(tiff_outcomes(tmp_path, TIFF)) == documented()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made = table(tiff_outcomes(Path(folder), chosen(TIFF, int(sys.argv[1]) if len(sys.argv) > 1 else 6)))
    text = DOCS.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(MARKS[0])}.*{re.escape(MARKS[1])}", re.DOTALL)
    DOCS.write_text(pattern.sub(f"{MARKS[0]}\n{made}\n{MARKS[1]}", text), encoding="utf-8")
    print(made, file=io.TextIOWrapper(sys.stdout.buffer, "utf-8"))
