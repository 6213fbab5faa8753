"""`-o "{name}-{pipeline}.jpg"`: each result has a name that is made of its image's."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from imgtk.batch.sources import list_jobs
from imgtk.cli import main
from imgtk.errors import ReadError, UsageError
from tests.batch.conftest import Make

TEXT = "upscale:nearest x2 | adjust:gamma 1.5"


def targets(output: str, *inputs: str, **options: object) -> dict[str, str]:
    jobs = list_jobs(inputs, output, pipeline=TEXT, **options)  # type: ignore[arg-type]
    return {str(job.source): str(job.target) for job in jobs}


def test_one_image(make: Make) -> None:
    make("in/a b.png")
    assert targets("{name}-{pipeline}.jpg", "in/a b.png") == {
        "in/a b.png": "a b-upscale-nearest-x2-adjust-gamma-1-5.jpg"
    }
    assert targets("out/{name}.tif", "in/a b.png") == {"in/a b.png": "out/a b.tif"}
    assert targets("out/{name}@2x", "in/a b.png") == {"in/a b.png": "out/a b@2x.png"}
    assert targets("/{pipeline}/{name}/x.jpg", "in/a b.png") == {
        "in/a b.png": "/upscale-nearest-x2-adjust-gamma-1-5/a b/x.jpg"
    }


def test_folders_are_kept(make: Make) -> None:
    make("in/a.png", "in/sub/b.jpg", "in/sub/b.png")
    assert targets("out/x2-{name}", "in", recursive=True) == {
        "in/a.png": "out/x2-a.png",
        "in/sub/b.jpg": "out/sub/x2-b.jpg.jpg",
        "in/sub/b.png": "out/sub/x2-b.png.png",
    }
    assert len(set(targets("out/{name}.webp", "in", recursive=True).values())) == 3


def test_earlier_results_are_no_images(make: Make) -> None:
    make("a.png", "a-x2.png", "b.png")
    assert targets("{name}-x2.png", "*.png") == {"a.png": "a-x2.png", "b.png": "b-x2.png"}
    assert targets("{name}-x2.png", ".") == {"a.png": "a-x2.png", "b.png": "b-x2.png"}


def test_what_is_no_template(make: Make) -> None:
    make("in/a.png", "in/{name}/b.png")
    assert targets("in/{name}", "in/a.png") == {"in/a.png": "in/{name}/a.png"}  # a folder that is there
    with pytest.raises(UsageError, match=r"unknown field \{nmae\}"):
        targets("{nmae}.png", "in/a.png")
    with pytest.raises(UsageError, match="one name"):
        targets("{pipeline}.png", "in")
    with pytest.raises(UsageError, match="names each result"):
        targets("{name}.png", "in", suffix="jpg")
    with pytest.raises(ReadError, match="no image matches"):
        targets("{name}.png", "in/*.gif")


def test_from_the_command_line(make: Make) -> None:
    make("in/a.png", "in/sub/b.png")
    words = ["run", "upscale:nearest x2", "in", "--recursive", "-o", "out/{pipeline}/{name}.tif"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert Path("out/upscale-nearest-x2/a.tif").exists()
    assert Path("out/sub/upscale-nearest-x2/b.tif").exists()
    assert CliRunner().invoke(main, words).exit_code == 1  # they exist
    again = CliRunner().invoke(main, [*words, "--resume"])
    assert again.exit_code == 0
    assert "2 skipped" in again.output
