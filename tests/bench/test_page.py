"""The page: complete, without scripts, all of it or nothing."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from math import inf
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from imgtk.bench import page
from imgtk.bench.crops import compare
from imgtk.bench.page import check_folder, write_page
from imgtk.bench.plane import plane
from imgtk.bench.report import BenchReport, Result, SetReport
from imgtk.errors import WriteError

NAME = '<b>"a" & co'


def report(psnr: float = 30.0) -> BenchReport:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    outputs = {"bicubic": pixels, "upscale:lanczos x4 | blend <b>": 255 - pixels}
    comparison = compare(NAME, pixels[::4, ::4], outputs, pixels, 4)
    figures = {NAME: {"psnr_y": psnr, "ssim_y": 0.9, "feature_distance": 0.1, "seconds": 0.5, "peak_bytes": None}}
    results = tuple(Result(method, method, figures) for method in outputs)
    return BenchReport(4, "imgtk", "cpu", "float32", (SetReport("Mine", 4, "made", results, (comparison,)),))


def test_the_page_is_complete_in_itself(tmp_path: Path) -> None:
    written = write_page(report(), tmp_path / "page")
    assert written == tmp_path / "page" / "index.html"
    text = written.read_text("utf-8")
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 1 + 4  # the whole, the input, two methods, the truth
    assert {f"crops/{file.name}" for file in (written.parent / "crops").iterdir()} == set(sources)
    assert {path.name for path in written.parent.iterdir()} == {"index.html", "crops"}
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<b>&quot;" not in text
    assert text.count("&lt;b&gt;&quot;a&quot; &amp; co") == 3
    assert PIL.Image.open(written.parent / sources[1]).size == (20, 15)
    assert PIL.Image.open(written.parent / sources[2]).size == (80, 60)


def test_a_perfect_result_has_no_place_in_the_plane(tmp_path: Path) -> None:
    assert "<svg" in write_page(report(), tmp_path / "a").read_text("utf-8")
    text = write_page(report(inf), tmp_path / "b").read_text("utf-8")
    assert "<svg" not in text
    assert "∞" in text


def test_nothing_is_replaced_without_being_asked(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    write_page(report(), folder)
    (folder / "mine.txt").write_text("keep")
    (folder / "crops" / "old.png").write_bytes(b"")
    with pytest.raises(WriteError, match="it is not empty"):
        write_page(report(), folder)
    write_page(report(), folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "keep"
    assert not (folder / "crops" / "old.png").exists()
    (tmp_path / "empty").mkdir()
    write_page(report(), tmp_path / "empty")


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="it is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(WriteError, match="there is no folder"):
        check_folder(tmp_path / "file" / "page")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(WriteError, match="not writable"):
            check_folder(tmp_path / "locked" / "page")


@pytest.mark.parametrize("existed", [False, True])
def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool) -> None:
    folder = tmp_path / "page"
    if existed:
        write_page(report(), folder)
        before = sorted(path.name for path in folder.rglob("*"))

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "_plane", full)
    with pytest.raises(WriteError, match="No space left on device"):
        write_page(report(), folder, overwrite=True)
    assert folder.exists() == existed
    if existed:
        assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize(
    "points",
    [
        [("only", 30.0, 0.1)],
        [("a", 30.0, 0.1), ("b", 30.0, 0.1), ("c", 30.01, 0.1)],
        [("<&>", -3.0, 0.0), ("b", 90.0, 1e-9)],
        [("zero", 0.0, 0.0)],
    ],
)
def test_the_plane_is_an_svg_with_all_points_inside(points: list[tuple[str, float, float]]) -> None:
    root = ET.fromstring(plane(points, "x →", "y"))
    space = {"s": "http://www.w3.org/2000/svg"}
    circles = root.findall("s:circle", space)
    assert len(circles) == len(points)
    for circle in circles:
        assert 70 <= float(circle.attrib["cx"]) <= 610
        assert 20 <= float(circle.attrib["cy"]) <= 365
    texts = [text.text for text in root.findall("s:text", space)]
    assert {name for name, _, _ in points} <= set(texts)


def test_names_in_the_plane_do_not_cover_each_other() -> None:
    root = ET.fromstring(plane([("a", 30.0, 0.1), ("b", 30.0, 0.1), ("c", 30.0, 0.1)], "x", "y"))
    places = [float(text.attrib["y"]) for text in root.iter("{http://www.w3.org/2000/svg}text") if text.text in "abc"]
    assert min(np.diff(sorted(places))) >= 12
