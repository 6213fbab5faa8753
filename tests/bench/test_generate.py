"""The benchmark of generators, on noise."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from imgtk.bench.generate import MEANINGS, run
from imgtk.cli import main
from imgtk.errors import ImgtkError
from imgtk.nn.features import load_features

GRAY, COLOURED = "generate:noise 32x32", "generate:noise 32x32 colour grain=2"


def real(save):
    return [save(f"real/{number}.png", 40 + number, 50) for number in range(9)]


def test_every_pipeline_is_compared_with_the_real_images(save) -> None:
    told = []
    files = [*real(save), save("real/broken.png")]
    files[-1].write_bytes(b"\x89PNG")
    report = run(
        files, [GRAY, COLOURED, "generate:colour 8x8 red"], 8, load_features(), progress=lambda *s: told.append(s)
    )
    assert told[-1] == ("generate:colour 8x8 red", 24, 24)
    assert (report.real, report.count) == (9, 8)
    assert all(set(figures) == set(MEANINGS) for figures in report.rows.values())
    assert report.rows[COLOURED]["kid"] < report.rows[GRAY]["kid"]
    plain = report.rows["generate:colour 8x8 red"]
    assert plain["diversity"] == pytest.approx(0, abs=1e-3)
    assert plain["precision"] == plain["recall"] == 0
    assert json.loads(json.dumps(report.to_dict()))["real_images"] == 9


def test_what_makes_no_sense(save) -> None:
    files, features = real(save), load_features()
    for pipelines, count, message in (
        ([], 8, "nothing to measure"),
        ([GRAY], 7, "7 images are too few"),
        (["adjust:invert"], 8, "needs an image"),
        (["generate:noise"], 8, "size of the image is not known"),
    ):
        with pytest.raises(ImgtkError, match=message):
            run(files, pipelines, count, features)
    with pytest.raises(ImgtkError, match="7 real images are too few"):
        run(files[:7], [GRAY], 8, features)


def test_the_command(save, tmp_path) -> None:
    folder = real(save)[0].parent
    words = ["bench", "generate", "--data", str(folder), "--count", "8", "--quiet", "--pipeline", GRAY]
    result = CliRunner().invoke(main, [*words, "--json", str(tmp_path / "scores.json")])
    assert result.exit_code == 0
    assert "DIVERSITY" in result.output
    assert json.loads((tmp_path / "scores.json").read_text())["results"][0]["pipeline"] == GRAY
