"""Running methods on sets, and what is reported."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path

import pytest

from imgtk.bench.data import find_sets
from imgtk.bench.report import BenchReport, Result, SetReport
from imgtk.bench.tables import rows, title
from imgtk.bench.upscale import default_methods, methods, run
from imgtk.errors import PipelineError, UsageError
from imgtk.nn.features import load_features


def test_names_and_pipelines() -> None:
    found = methods(["bicubic", "compact"], ["upscale:bicubic x{}", "upscale:lanczos x8 | resize:area x0.5"], 4)
    assert [method.pipeline for method in found] == [
        "upscale:bicubic x4 a=-0.5",
        "upscale:compact x4",
        "upscale:bicubic x4",
        "upscale:lanczos x8 | resize:area x0.5",
    ]
    assert [method.name for method in found[:2]] == ["bicubic", "compact"]
    assert {"bicubic", "lanczos", "compact", "esrgan"} <= set(default_methods())


def test_names_that_are_none() -> None:
    for name in ("", "upscale:compact", "compact x4"):
        with pytest.raises(UsageError, match="not a bare name"):
            methods([name], [], 4)
    with pytest.raises(UsageError, match="given twice"):
        methods(["bicubic", "lanczos", "bicubic"], [], 4)
    with pytest.raises(UsageError, match="nothing to measure"):
        methods([], [], 4)


def test_every_method_on_every_image(save, tmp_path: Path) -> None:
    save("Set5/a.png", 48, 36)
    save("Set5/b.png", 84, 60, mode="L")
    told = []
    report = run(
        find_sets(tmp_path / "Set5", 4),
        methods(["bicubic", "nearest"], [], 4),
        4,
        features=load_features(),
        device="cpu",
        comparisons=1,
        progress=lambda *status: told.append(status),
    )
    assert told == [("Set5 a", 1, 2), ("Set5 b", 2, 2)]
    (one,) = report.sets
    assert (one.name, one.images, one.inputs) == ("Set5", 2, "made")
    assert not one.published  # two images are not Set5
    assert len(one.comparisons) == 1
    bicubic, nearest = (result.mean for result in one.results)
    assert bicubic["psnr_y"] > nearest["psnr_y"]
    assert 0 < bicubic["feature_distance"] < 1
    assert bicubic["seconds"] > 0
    document = json.loads(json.dumps(report.to_dict()))
    assert document["features"] == "imgtk"
    first = document["sets"][0]["results"][0]
    assert first["pipeline"] == "upscale:bicubic x4 a=-0.5"
    mean = sum(row["psnr_y"] for row in first["by_image"].values()) / 2
    assert first["mean"]["psnr_y"] == pytest.approx(mean)


def test_methods_that_cannot_compete(save, tmp_path: Path) -> None:
    save("set/a.png")
    sets = find_sets(tmp_path / "set", 4)
    with pytest.raises(UsageError, match="returns 24x18 instead of 48x36"):
        run(sets, methods([], ["upscale:bicubic x2"], 4), 4, features=None)
    with pytest.raises(PipelineError, match=r"Did you mean .*upscale:bicubic"):
        run(sets, methods(["bicubi"], [], 4), 4, features=None)


def test_a_method_that_writes_files_is_refused(save, tmp_path: Path) -> None:
    save("pets/cat.png", 48, 48)
    text = f"upscale:nearest x4 | save {tmp_path / 'out.png'}"
    with pytest.raises(UsageError, match="saves an image"):
        run(find_sets(tmp_path / "pets", 4), methods([], [text], 4), 4, features=None, device="cpu")
    assert not (tmp_path / "out.png").exists()


def report_of(*figures: dict[str, float | None], name: str = "Mine") -> SetReport:
    results = tuple(Result(f"m{i}", f"upscale:m{i} x4", {"a": row, "b": row}) for i, row in enumerate(figures))
    return SetReport(name, 4, "made", results)


def test_the_title_says_what_the_inputs_are() -> None:
    results = report_of({"psnr_y": 30.0}).results
    titles = {kind: title(SetReport("Mine", 4, kind, results)) for kind in ("files", "made", "degraded")}
    assert "files" in titles["files"]
    assert "MATLAB" in titles["made"]
    assert "MATLAB" not in titles["degraded"]


def test_the_best_of_each_column_is_marked() -> None:
    one = report_of(
        {"psnr_y": 30.0, "mean_colour": 0.5, "peak_bytes": None},
        {"psnr_y": 31.0, "mean_colour": 0.7, "peak_bytes": None},
    )
    assert [row.best for row in rows(one)] == [(False, True, False), (True, False, False)]
    assert [row.cells[2] for row in rows(one)] == ["", ""]


def test_published_rows_stand_beside_ours() -> None:
    figures = {str(i): {"psnr_y": 30.0, "ssim_y": 0.9, "psnr": 28.0} for i in range(5)}
    one = SetReport("Set5", 4, "files", (Result("m", "m", figures),))
    found = {row.name: row for row in rows(one)}
    assert found["HAT (published)"].cells == ("33.04", "", "")
    assert found["bicubic (published)"].cells == ("28.42", "0.8104", "")
    assert found["HAT (published)"].published
    assert [row.name for row in rows(one, "3")] == ["m"]


def test_a_perfect_result_is_no_invalid_json() -> None:
    report = BenchReport(4, None, "cpu", "float32", (report_of({"psnr_y": inf}),), backend="torch")
    assert report.computed == "computed on cpu in float32 by torch"
    assert report.to_dict()["backend"] == "torch"
    document = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(document)["sets"][0]["results"][0]["mean"] == {"psnr_y": None}
    assert rows(report.sets[0])[0].cells == ("∞",)
