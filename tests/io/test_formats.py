"""Every format that imgtk reads, in all combinations of what its files may be, in memory and by pieces: equal pixels,
or a refusal that names what is not read. What comes out is a table in docs/files.md:

    python tests/io/test_formats.py
"""

from __future__ import annotations

import io
import random
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from combinations import KINDS, Case, Kind

from imgtk.errors import ReadError
from imgtk.geometry import Box
from imgtk.io import read
from imgtk.io.large import opened
from imgtk.io.read import read_headers

DOCS = Path(__file__).parents[2] / "docs" / "files.md"
MARKS = "<!-- outcome of tests/io/test_formats.py -->", "<!-- end of that outcome -->"
YES = {True: "yes", False: "no"}


def outcome(path: Path, model: np.ndarray, tolerance: float) -> str:
    """ "yes", or why the file is refused; fails where pixels differ."""
    try:
        image = read(path)
    except ReadError as error:
        refusal = error.message.partition(": ")[2]
    else:
        refusal = ""
    if refusal:
        assert "damaged" not in refusal
        return refusal
    found = np.atleast_3d(image.numpy())
    if model.shape[2] in (2, 4) and found.shape[2] == model.shape[2] - 1:  # alpha that hides nothing
        assert (model[..., -1] == model[..., -1].max()).all()
        model = model[..., :-1]
    assert found.shape == model.shape
    assert found.dtype == model.dtype
    top = 1 if found.dtype.kind == "f" else np.iinfo(found.dtype).max
    assert np.abs(found.astype(float) - model).max() <= tolerance * top
    with opened(path, read_headers(path)[0], 0, path, 10**9) as kept:
        assert np.array_equal(kept.read(Box.of(kept.size)), found)
        assert kept.metadata == image.metadata
    return "yes"


def outcomes(path: Path, kind: Kind, cases: list[Case]) -> set[str]:
    found = set()
    for case in cases:
        model = kind.make(path, *case)
        if model is None:
            continue
        try:
            found.add(outcome(path, model, kind.tolerance))
        except AssertionError as error:
            raise AssertionError(f"{dict(zip(kind.dimensions, case, strict=True))}: {error}") from error
    return found


def chosen(kind: Kind, count: int) -> list[Case]:
    """So many for each value of the first dimension, the same at every call, and all values of the others."""
    draw, cases = random.Random(5), kind.cases()
    groups = [[case for case in cases if case[0] == value] for value in next(iter(kind.dimensions.values()))]
    plain = [case for case in cases if sum(a != b for a, b in zip(case, cases[0], strict=True)) <= 1]
    return list(
        dict.fromkeys([*plain, *(case for group in groups for case in draw.sample(group, min(count, len(group))))])
    )


def row(name: str, kind: Kind, found: set[str]) -> str:
    combined = "; ".join(f"{what}: {', '.join(map(said, values))}" for what, values in kind.dimensions.items())
    refused = "; ".join(sorted(found - {"yes"})) or "none"
    return f"| {name} | {combined} | {refused} |"


def said(value: object) -> str:
    if isinstance(value, bool):
        return YES[value]
    if isinstance(value, tuple):
        return "/".join(f"{mask:x}" for mask in value)
    return str(value)


def documented() -> list[str]:
    text = DOCS.read_text(encoding="utf-8")
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0].strip().splitlines()


@pytest.mark.parametrize("name", KINDS)
def test_some_of_each(tmp_path, name):
    found = outcomes(tmp_path / "a", KINDS[name], chosen(KINDS[name], 3))
    assert row(name, KINDS[name], found) in documented()


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_all_of_each(tmp_path, name):
    found = outcomes(tmp_path / "a", KINDS[name], KINDS[name].cases())
    assert row(name, KINDS[name], found) in documented()


if __name__ == "__main__":
    lines = ["| format | combined | refused |", "|---|---|---|"]
    with TemporaryDirectory() as folder:
        for name, kind in KINDS.items():
            lines.append(row(name, kind, outcomes(Path(folder, "a"), kind, kind.cases())))
    made = "\n".join(lines)
    text = DOCS.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(MARKS[0])}.*{re.escape(MARKS[1])}", re.DOTALL)
    DOCS.write_text(pattern.sub(lambda _: f"{MARKS[0]}\n{made}\n{MARKS[1]}", text), encoding="utf-8")
    print(made, file=io.TextIOWrapper(sys.stdout.buffer, "utf-8"))
