"""Which images there are, and where their results go."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import PIL.Image
import pytest

from imgtk.batch.conflicts import without_conflicts
from imgtk.batch.sources import list_jobs
from imgtk.errors import ReadError, UsageError
from tests.batch.conftest import Make


def targets(*inputs: str, out: str | None = "out", **options: object) -> dict[str, str]:
    jobs = list_jobs(inputs, Path(out) if out else None, **options)  # type: ignore[arg-type]
    return {str(job.source): str(job.target) for job in without_conflicts(jobs, lambda job: [])}


def test_folders_are_kept(make: Make) -> None:
    make("in/b.png", "in/a.JPG", "in/sub/deep/c.png", "in/.thumbnails/d.png", "in/._a.jpg")
    Path("in/notes.txt").touch()
    assert targets("in") == {"in/a.JPG": "out/a.JPG", "in/b.png": "out/b.png"}
    deep = {"in/sub/deep/c.png": "out/sub/deep/c.png"}
    assert targets("in", recursive=True) == targets("in") | deep
    assert list(targets("in", recursive=True)) == ["in/a.JPG", "in/b.png", *deep]
    assert targets("in", recursive=True, out=None)["in/sub/deep/c.png"] == "in.imgtk/sub/deep/c.png"


def test_patterns_keep_folders_from_the_first_wildcard_on(make: Make) -> None:
    make("in/a.png", "in/x/b.png", "in/x/y/c.png", "in/x/y/d.jpg")
    assert targets("in/x/*.png") == {"in/x/b.png": "out/b.png"}
    assert targets("in/**/*.png")["in/x/y/c.png"] == "out/x/y/c.png"
    assert len(targets("in/**/*")) == 4
    assert targets(f"{Path().resolve()}/in/?/*.png") == {f"{Path().resolve()}/in/x/b.png": "out/x/b.png"}
    make("odd[1].png")
    assert targets("odd[1].png", out=None) == {"odd[1].png": "odd[1].imgtk.png"}


def test_folders_whose_names_look_like_patterns_are_literal(make: Make) -> None:
    make("[2024] Images/a.JPG", "[2024] Images/*/b.png", "2 Images/c.jpg")
    assert targets("[2024] Images/*.JPG") == {"[2024] Images/a.JPG": "out/a.JPG"}
    assert targets("[2024] Images/*/*.png") == {"[2024] Images/*/b.png": "out/b.png"}
    assert targets("[12] Images/*.jpg") == {"2 Images/c.jpg": "out/2 Images/c.jpg"}
    make("in/1/[raw] x/d.png", "in/2/[raw] x/e.png", "in/2/r x/f.png", "in/3/r x/g.png", "in/3/[b] 1.png")
    assert targets("in/*/[raw] x/*.png") == {
        "in/1/[raw] x/d.png": "out/1/[raw] x/d.png",
        "in/2/[raw] x/e.png": "out/2/[raw] x/e.png",
        "in/3/r x/g.png": "out/3/r x/g.png",
    }
    assert set(targets("in/**/[raw] x/*.png")) == set(targets("in/*/[raw] x/*.png"))
    assert targets("in/3/[b] *.png") == {"in/3/[b] 1.png": "out/[b] 1.png"}
    with pytest.raises(ReadError, match="no image matches"):
        targets("[2024] Images/*.webp")


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPE", "a.JFIF"])
def test_every_name_of_a_jpeg_is_kept(make: Make, name: str) -> None:
    make(f"in/{name}")
    assert targets("in") == {f"in/{name}": f"out/{name}"}
    assert targets(f"in/{name}") == {f"in/{name}": f"out/{name}"}


def test_backup_copies_are_what_their_original_is(make: Make) -> None:
    for image in make("in/a.JPG", "in/b.png", "in/c.jpg"):
        image.rename(f"{image}~")
    make("in/c.jpg")
    own = {"in/a.JPG~": "out/a.JPG", "in/b.png~": "out/b.png"}
    assert targets("in") == own | {"in/c.jpg": "out/c.jpg", "in/c.jpg~": "out/c.jpg~.jpg"}
    assert targets("in/a*", "in/b.png~") == own
    assert targets("in/a.JPG~", out=None) == {"in/a.JPG~": "a.imgtk.JPG"}
    assert len(set(targets("in", suffix="webp").values())) == 4


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("JPEG", ".jpg"), ("TIFF", ".tif"), ("WEBP", ".webp"), ("AVIF", ".avif"), ("BMP", ".bmp"), ("PNG", ".png")],
)
def test_content_tells_the_format_where_the_name_does_not(make: Make, form: str, suffix: str) -> None:
    Path("in").mkdir()
    for name in ("a", "a.jpg_large", "a.mpo"):
        PIL.Image.new("RGB", (3, 2)).save(f"in/{name}", form)
        assert targets(f"in/{name}") == {f"in/{name}": f"out/a{suffix}"}
    Path("in/b").write_text("no image")
    assert targets("in/b", "in/none") == {"in/b": "out/b.png", "in/none": "out/none.png"}


def test_names_that_share_all_but_the_suffix(make: Make) -> None:
    make("in/a.jpg", "in/a.jpg.png")
    assert targets("in") == {"in/a.jpg": "out/a.jpg", "in/a.jpg.png": "out/a.jpg.png"}
    assert targets("in", suffix="webp") == {"in/a.jpg": "out/a.webp", "in/a.jpg.png": "out/a.jpg.png.webp"}
    make("in/a.png")
    assert len(set(targets("in").values())) == 3
    changed = targets("in", suffix="webp")
    assert len(set(changed.values())) == 3
    assert set(changed.values()) == {"out/a.jpg.webp", "out/a.jpg.png.webp", "out/a.png.webp"}


@pytest.mark.parametrize("out", ["results.v2/", "results.png/", "results.mp4/"])
def test_a_name_that_ends_in_a_slash_is_a_folder(make: Make, out: str) -> None:
    make("in/a.png")
    for word in ("in/a.png", "in"):
        (job,) = list_jobs([word], out)
        assert job.target == Path(out) / "a.png"


def test_standard_output_is_refused(make: Make) -> None:
    make("a.png")
    with pytest.raises(UsageError, match="standard output"):
        list_jobs(["a.png"], "-")


def test_lists_keep_what_is_written(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/b b.png")
    absolute = Path("in/a.png").resolve()
    Path("list.txt").write_text(f"\ufeffin/b b.png\r\n\n{absolute}\nin/./../in/lost.png\n", encoding="utf-8")
    assert targets("@list.txt") == {
        "in/b b.png": "out/in/b b.png",
        str(absolute): f"out{absolute}",
        "in/../in/lost.png": "out/in/lost.png",
    }
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in/a.png\nin/\xff.png\n")))
    assert targets("@-") == {"in/a.png": "out/in/a.png", "in/\udcff.png": "out/in/\udcff.png"}


def test_results_never_become_images(make: Make) -> None:
    make("in/a.png", "in/out/a.png", "in/sub/b.png")
    Path("link").symlink_to("in/out")
    for out in ("in/out", "link", "in/sub/../out"):
        assert list(targets("in", out=out, recursive=True)) == ["in/a.png", "in/sub/b.png"]
        assert list(targets("in/**/*.png", out=out)) == ["in/a.png", "in/sub/b.png"]
    for out in ("in", "in/.", "../" + Path.cwd().name + "/in"):
        with pytest.raises(UsageError, match="among the images"):
            targets("in", out=out)


def test_images_that_share_a_name_keep_theirs(make: Make) -> None:
    make("in/a.png", "in/a.jpg", "in/a.webp", "in/b.jpg")
    assert targets("in") == {f"in/{name}": f"out/{name}" for name in ("a.jpg", "a.png", "a.webp", "b.jpg")}
    assert targets("in", suffix="png") == {
        "in/a.jpg": "out/a.jpg.png",
        "in/a.png": "out/a.png",
        "in/a.webp": "out/a.webp.png",
        "in/b.jpg": "out/b.png",
    }
    jobs = {job.source.name: job for job in list_jobs(["in"], Path("out"))}
    assert {name: job.fallback and job.fallback.name for name, job in jobs.items()} == {
        "a.jpg": "a.jpg.png", "a.png": None, "a.webp": "a.webp.png", "b.jpg": "b.png"
    }  # fmt: skip
    assert {job.name for job in jobs.values()} == {"a.jpg", "a.png", "a.webp", "b"}


def test_a_name_that_is_taken_after_all(make: Make) -> None:
    make("in/a.png", "in/a.jpg", "in/a.jpg.png")
    with pytest.raises(UsageError, match=r"both be written to out/a\.jpg\.png"):
        targets("in", suffix="png")
    jobs = without_conflicts(list_jobs(["in"], Path("out")), lambda job: [])
    assert {job.source.name: job.fallback for job in jobs}["a.jpg"] is None


def test_results_do_not_replace_other_images(make: Make) -> None:
    make("a.png", "out/a.png")
    Path("list").write_text("a.png\nout/a.png")
    with pytest.raises(UsageError, match=r"replace the image out/a\.png"):
        targets("@list")


def test_one_name_from_two_folders(make: Make) -> None:
    make("x/a.png", "y/a.png")
    with pytest.raises(UsageError, match="--recursive"):
        targets("x/a.png", "y/a.png")
    Path("list").write_text("y/a.png\nx/a.png")
    assert list(targets("@list").values()) == ["out/y/a.png", "out/x/a.png"]


def test_nothing_to_do(make: Make) -> None:
    make("in/sub/a.png")
    with pytest.raises(ReadError, match="--recursive"):
        targets("in")
    with pytest.raises(ReadError, match="no image matches"):
        targets("in/*.jpg")
    Path("empty").touch()
    with pytest.raises(ReadError, match="the list empty is empty"):
        targets("@empty")
    with pytest.raises(UsageError, match="No such file"):
        targets("@nowhere")
    with pytest.raises(UsageError, match="-o"):
        targets("in/**/*.png", out=None)


def test_a_folder_that_cannot_be_listed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/locked/b.png", "in/locked.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    jobs = list_jobs(["in"], Path("out"), suffix="png", recursive=True)
    assert [job.source.name for job in jobs] == ["a.png", "locked.jpg", "locked"]
    assert "cannot list the folder in/locked: Permission denied" in str(jobs[2].error)
    with pytest.raises(ReadError, match="cannot list"):
        list_jobs(["in/locked"], Path("out"))


def test_animations_keep_their_name(make: Make) -> None:
    make("in/a.gif", "in/a.png", "in/b.gif.gif", "in/b.gif.png")
    assert [str(job.moving.target) for job in list_jobs(["in"], Path("out"))] == [
        "out/a.gif", "out/a.png", "out/b.gif.gif", "out/b.gif.png"
    ]  # fmt: skip
    assert [str(job.moving.target) for job in list_jobs(["in/a.gif"])] == ["a.imgtk.gif"]
    assert [str(job.moving.target) for job in list_jobs(["in/a.gif", "in/a.png"])] == ["a.imgtk.gif", "a.imgtk.png"]
    (job,) = list_jobs(["in/b.gif.gif"], Path("out"), arriving=True)
    assert str(job.moving.target) == "out/b.gif.gif"
