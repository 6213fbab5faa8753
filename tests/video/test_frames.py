"""Clips become folders of images, and images become clips."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner, Result

from imgtk.batch import Row, list_jobs, run
from imgtk.batch.conflicts import without_conflicts
from imgtk.cli import main
from imgtk.errors import UsageError
from imgtk.image import Image
from imgtk.io import WriteOptions
from imgtk.io.temporary import remove_segments, segments_folder, temporary
from imgtk.pipeline import Pipeline
from imgtk.video.folder import AT_ONCE
from imgtk.video.formats import Encoding
from imgtk.video.timestamps import read_timestamps
from tests.video.clips import UNEVEN, codec_of, frames_of, image, make, times_of
from tests.video.test_animation import animation, frames_in

Cli = Callable[..., Result]
SAME = "adjust:gamma 1"
DOUBLE = "upscale:nearest x2"
EXACT = Encoding("ffv1")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cli(*words: str | Path) -> Result:
    """`imgtk run`; none may end in a traceback."""
    result = CliRunner().invoke(main, ["run", *map(str, words)])
    assert "Traceback" not in result.output
    return result


def once(source: str, target: str, text: str = SAME, **options: Any) -> Row:
    (row,) = run(Pipeline(text, device="cpu"), source, target, **options)
    return row


def images(folder: str, names: Sequence[str] = ("1.png", "2.png", "3.png"), size: tuple[int, int] = (48, 32)) -> None:
    Path(folder).mkdir()
    for index, name in enumerate(names):
        PIL.Image.fromarray(image(index, size)).save(Path(folder, name))


def names(folder: str | Path = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def pixels(path: str | Path) -> np.ndarray:
    return Image.open(path).pixels


# Clips to folders


def test_there_and_back(tmp_path: Path) -> None:
    """Nothing is lost on the way: no value, no time."""
    make(tmp_path / "in.mkv", codec="ffv1", pixel_format="bgr0")
    row = once("in.mkv", "out", suffix="png")
    assert row.error is None
    assert (row.output, row.size, row.sha256) == ("out/in", (48, 32), None)
    assert names("out/in") == [*(f"{number:06}.png" for number in range(1, 9)), "timestamps.txt"]
    before = frames_of(tmp_path / "in.mkv")
    for index, frame in enumerate(before):
        assert np.array_equal(pixels(f"out/in/{index + 1:06}.png"), frame)
    assert once("out/in", "back.mkv", clips=EXACT).error is None
    assert times_of(tmp_path / "back.mkv") == times_of(tmp_path / "in.mkv")
    for frame, old in zip(frames_of(tmp_path / "back.mkv"), before, strict=True):
        assert np.array_equal(frame, old)


def test_times_finer_than_milliseconds_are_kept(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=UNEVEN)
    assert once("in.mp4", "out", suffix="bmp").error is None
    times = read_timestamps(tmp_path / "out/in/timestamps.txt")
    assert len(times) == len(UNEVEN) + 1
    assert times[-1] > times[-2]
    assert once("out/in", "back.mp4").error is None
    assert times_of(tmp_path / "back.mp4") == [Fraction(pts, 90_000) for pts in UNEVEN]


def test_names_and_messages(tmp_path: Path) -> None:
    make(tmp_path / "a.mp4", times=(0, 3600), audio="aac")
    make(tmp_path / "b.v2.avi", times=(0, 1), time_base=Fraction(1, 25), codec="mpeg4")
    result = cli(SAME, "a.mp4", "--format", "jpg", "--quality", "30")
    assert (result.exit_code, result.stdout) == (0, "a.imgtk\n")
    assert "sound" in result.stderr
    assert names("a.imgtk") == ["000001.jpg", "000002.jpg", "timestamps.txt"]
    result = cli(SAME, "*.*4", "*.avi", "-o", "out", "--format", "tif", "--json")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["output"], row["sha256"]) for row in rows] == [("out/a", None), ("out/b.v2", None)]
    assert names("out/b.v2") == ["000001.tif", "000002.tif", "timestamps.txt"]


def test_quality_and_depth(tmp_path: Path) -> None:
    make(tmp_path / "deep.mkv", codec="ffv1", pixel_format="yuv444p10le", times=(0, 3600))
    for suffix in ("png", "tif"):
        assert once("deep.mkv", suffix, suffix=suffix).error is None
        assert pixels(f"{suffix}/deep/000002.{suffix}").dtype == np.uint16
    refused = cli(SAME, "deep.mkv", "-o", "out", "--format", "jpg")
    assert refused.exit_code == 1
    assert "out/deep/000001.jpg" in refused.stderr
    assert "--depth 8" in refused.stderr
    assert not Path("out").exists()
    for quality in ("20", "95"):
        words = ("--format", "jpg", "--depth", "8", "--quality", quality)
        assert cli(SAME, "deep.mkv", "-o", quality, *words).exit_code == 0
    size = {quality: Path(quality, "deep/000001.jpg").stat().st_size for quality in ("20", "95")}
    assert size["20"] < size["95"]
    assert "lossless" in cli(SAME, "deep.mkv", "-o", "out", "--format", "png", "--quality", "9").stderr


def test_deep_frames_come_back_as_they_were(tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", codec="ffv1", pixel_format="gbrp16le", times=(0, 3600))
    once("in.mkv", "out", suffix="png")
    once("out/in", "back.mkv", clips=EXACT)
    once("back.mkv", "again", suffix="png")
    assert pixels("out/in/000001.png").dtype == np.uint16
    for name in ("000001.png", "000002.png"):
        assert np.array_equal(pixels(f"again/back/{name}"), pixels(f"out/in/{name}"))
    assert once("out/in", "lossy.mp4").error is None
    with av.open(tmp_path / "lossy.mp4") as clip:
        assert clip.streams.video[0].codec_context.pix_fmt == "yuv420p10le"


def test_animations_become_folders_where_their_format_does_not_move(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    animation(tmp_path / "in/fox.gif")
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "in/still.gif")
    rows = list(run(Pipeline(DOUBLE, device="cpu"), "in", "out", suffix="jpg"))
    assert [(row.output, row.size) for row in rows] == [("out/fox", (96, 64)), ("out/still.jpg", (16, 16))]
    assert names("out/fox") == [*(f"{number:06}.jpg" for number in range(1, 5)), "timestamps.txt"]
    times = [Fraction(ms, 1000) for ms in (0, 100, 140, 180, 430)]
    assert read_timestamps(tmp_path / "out/fox/timestamps.txt") == times
    again = run(Pipeline(DOUBLE, device="cpu"), "in", "out", suffix="jpg", resume=True)
    assert [row.status for row in again] == ["skipped", "skipped"]
    assert once("in/fox.gif", "out2", suffix="png").output == "out2/fox.png"  # an animation still
    assert "as .jpg" in str(once("in/fox.gif", "fox.jpg").error)


def test_transparent_frames(tmp_path: Path) -> None:
    animation(tmp_path / "in.webp", hole=True)
    assert "transparency" in str(once("in.webp", "out", suffix="jpg").error)
    assert names() == ["in.webp"]
    assert once("in.webp", "out", suffix="tif").error is None
    alpha = Image.open("out/in/000002.tif").alpha
    assert alpha is not None
    assert not alpha[:, 12:24].any()
    assert once("out/in", "back.apng").error is None
    for (old, _), (new, _) in zip(frames_in(tmp_path / "in.webp"), frames_in(tmp_path / "back.apng"), strict=True):
        assert np.array_equal(old[..., 3], new[..., 3])
    assert once("out/in", "back.mkv", clips=EXACT).error is None
    refused = once("out/in", "back.mp4", clips=Encoding("libx264"))
    assert "transparency" in str(refused.error)
    assert not Path("back.mp4").exists()


def test_transparency_that_comes_late_is_not_lost_either() -> None:
    images("in")
    PIL.Image.new("RGBA", (48, 32), (9, 9, 9, 100)).save("in/3.png")
    refused = once("in", "out.mp4", clips=Encoding("libx264"))
    assert "transparency" in str(refused.error)
    assert names() == ["in"]
    assert once("in", "out.mkv", clips=EXACT).error is None


def test_what_is_there_stays(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600, 7200))
    assert once("in.mp4", "out", suffix="png").error is None
    mine = ("000007.png", "20240101.png", "1.png", "000001.jpg", "notes.txt", "000002.png.bak")
    for name in mine:
        Path("out/in", name).write_text("mine")
    Path("out/in/sub").mkdir()
    first = Path("out/in/000001.png").read_bytes()
    refused = cli("adjust:gamma 2", "in.mp4", "-o", "out", "--format", "png")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert Path("out/in/000001.png").read_bytes() == first
    make(tmp_path / "in.mp4", times=(0, 3600))
    assert cli("adjust:gamma 2", "in.mp4", "-o", "out", "--format", "png", "--overwrite").exit_code == 0
    assert Path("out/in/000001.png").read_bytes() != first
    assert names("out/in") == sorted(["000001.png", "000002.png", "timestamps.txt", "sub", *mine])
    assert {Path("out/in", name).read_text() for name in mine} == {"mine"}
    assert names("out") == ["in"]
    Path("file").write_text("mine")
    make(tmp_path / "file.mp4", times=(0, 3600))
    assert "it is a file" in str(once("file.mp4", ".", suffix="png", write=WriteOptions(overwrite=True)).error)
    assert Path("file").read_text() == "mine"


def test_frames_do_not_go_where_other_results_or_images_are(tmp_path: Path) -> None:
    (tmp_path / "in/fox").mkdir(parents=True)
    make(tmp_path / "in/fox.mp4", times=(0, 3600))
    PIL.Image.new("RGB", (8, 8)).save("in/fox/000001.png")
    for clip in ("fox.mp4", "fox.gif"):
        with pytest.raises(UsageError, match=f"{clip}.*out/fox"):
            without_conflicts(list_jobs(["in/**/*"], Path("out"), suffix="jpg"), lambda job: [])
        (tmp_path / "in/fox.mp4").unlink(missing_ok=True)
        animation(tmp_path / "in/fox.gif")
    (tmp_path / "in/fox.gif").unlink()
    PIL.Image.new("RGB", (8, 8)).save("in/fox.gif")  # not an animation
    assert len(without_conflicts(list_jobs(["in/**/*"], Path("out"), suffix="jpg"), lambda job: [])) == 2


def test_a_failure_leaves_nothing(tmp_path: Path, computed: Any) -> None:
    make(tmp_path / "in.mp4")
    computed.fail_at = 5
    assert "power cut" in str(once("in.mp4", "out", suffix="png").error)
    assert names() == ["in.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_told_with_the_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in.mp4")
    opened = Path.open
    full = lambda self, mode="r", *rest, **how: opened(  # noqa: E731
        Path("/dev/full") if mode == "xb" and self.parent.name.startswith(".imgtk") else self,
        "wb" if mode == "xb" else mode, *rest, **how
    )  # fmt: skip
    monkeypatch.setattr(Path, "open", full)
    result = cli(SAME, "in.mp4", "-o", "out", "--format", "bmp")
    assert result.exit_code == 1
    assert "out/in" in result.stderr
    assert "No space left" in result.stderr
    assert ".imgtk-" not in result.stderr
    assert names() == ["in.mp4"]


def test_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    (tmp_path / "out").mkdir()
    ours = temporary(tmp_path / "out/in")
    ours.mkdir()
    gone = ours.with_name(ours.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))  # no such process
    gone.mkdir()
    (gone / "000001.png").touch()
    once("in.mp4", "out", suffix="png")
    assert names("out") == sorted([ours.name, "in"])


def test_parts_of_other_results_are_left_alone(tmp_path: Path) -> None:
    """Those of `clip.mp4` are not those of the folder `clip`."""
    film, folder = segments_folder(tmp_path / "clip.mp4", "a"), segments_folder(tmp_path / "clip", "a")
    film.mkdir()
    folder.mkdir()
    remove_segments([tmp_path / "clip"])
    assert names() == [film.name]


def test_resuming_a_folder(tmp_path: Path, computed: Any) -> None:
    make(tmp_path / "in.mp4", times=UNEVEN)
    computed.fail_at = 5
    assert once("in.mp4", "out", suffix="png", resume=True).status == "failed"
    (draft,) = (tmp_path / "out").iterdir()
    assert names(draft) == [*(f"{number:06}.png" for number in range(1, 6)), "timestamps.txt"]
    computed.clear()
    computed.fail_at = 10**9
    assert once("in.mp4", "out", suffix="png", resume=True).error is None
    assert len(computed) == len(UNEVEN) - 5
    once("in.mp4", "straight", suffix="png")
    for name in names("straight/in"):
        assert Path("out/in", name).read_bytes() == Path("straight/in", name).read_bytes()
    assert names("out") == ["in"]
    assert once("in.mp4", "out", suffix="png", resume=True).status == "skipped"
    Path("out/in/timestamps.txt").unlink()  # so it is not whole
    assert once("in.mp4", "out", suffix="png", resume=True).status == "done"
    os.utime("in.mp4")
    assert once("in.mp4", "out", suffix="png", resume=True).status == "done"


@pytest.mark.parametrize("what", ["pipeline", "format", "lost", "all"])
def test_only_what_fits_is_kept(tmp_path: Path, computed: Any, what: str) -> None:
    make(tmp_path / "in.mp4", times=UNEVEN)
    computed.fail_at = 8 if what == "all" else 5
    with pytest.MonkeyPatch.context() as patch:
        if what == "all":  # killed just before the folder gets its name
            patch.setattr("imgtk.video.folder.FolderWriter._publish", lambda self: 1 / 0)
        once("in.mp4", "out", suffix="png", resume=True)
    (draft,) = (tmp_path / "out").iterdir()
    if what == "lost":
        (draft / "000003.png").unlink()
    computed.clear()
    computed.fail_at = 10**9
    text, suffix = "adjust:gamma 2" if what == "pipeline" else SAME, "jpg" if what == "format" else "png"
    assert once("in.mp4", "out", text, suffix=suffix, resume=True).error is None
    assert len(computed) == {"lost": 6, "all": 0}.get(what, 8)
    assert names("out") == ["in"]
    assert names("out/in") == [*(f"{number:06}.{suffix}" for number in range(1, 9)), "timestamps.txt"]
    times = read_timestamps(tmp_path / "out/in/timestamps.txt")
    assert [round(time * 90_000) for time in times[:-1]] == list(UNEVEN)


def test_killed_and_resumed(tmp_path: Path) -> None:
    """By -9; the result is that of a run that was left alone, and the frames are not done again."""
    make(tmp_path / "in.mp4", times=range(0, 3000 * 60, 3000), size=(96, 64))
    text, words = "adjust:blur 30", ["in.mp4", "-o", "out", "--format", "png", "--deflicker", "0.5", "--resume"]
    process = subprocess.Popen([sys.executable, "-m", "imgtk", "run", text, *words, "--device", "cpu"], cwd=tmp_path)
    while len(list(tmp_path.glob("out/.in.*.segments/0*"))) < 12 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (draft,) = (tmp_path / "out").iterdir()
    kept = {file.name: file.stat().st_mtime_ns for file in draft.glob("0*.png")}
    assert len(kept) >= 12
    deflicker = Encoding(deflicker=0.5)
    assert once("in.mp4", "out", text, suffix="png", clips=deflicker, resume=True).error is None
    assert once("in.mp4", "straight", text, suffix="png", clips=deflicker).error is None
    assert names("out") == ["in"]
    assert names("out/in") == names("straight/in")
    redone = {name for name in kept if Path("out/in", name).stat().st_mtime_ns != kept[name]}
    assert redone <= set(sorted(kept)[-AT_ONCE - 1 :])  # those that were being encoded: their times had not been noted
    for name in names("straight/in"):
        if name.endswith(".png"):
            assert np.abs(pixels(f"out/in/{name}").astype(int) - pixels(f"straight/in/{name}")).max() <= 1
    assert Path("out/in/timestamps.txt").read_text() == Path("straight/in/timestamps.txt").read_text()


# Images to clips


def test_natural_order(tmp_path: Path) -> None:
    images("in", ["frame1.png", "frame2.png", "frame10.png", "Frame11.png", "frame100.png"])
    Path("in/.hidden.png").write_text("no image")
    for words in (["in"], ["in/*.png"]):
        result = cli(SAME, *words, "-o", "out.mkv", "--codec", "ffv1", "--overwrite")
        assert (result.exit_code, result.stdout) == (0, "out.mkv\n"), result.output
        assert "--fps" in result.stderr
        for index, frame in enumerate(frames_of(tmp_path / "out.mkv")):
            assert np.array_equal(frame, image(index))
        assert times_of(tmp_path / "out.mkv") == [Fraction(40 * index, 1000) for index in range(5)]
    Path("list.txt").write_text("in/frame10.png\nin/frame1.png\nin/frame10.png\n")
    assert once("@list.txt", "list.mkv", clips=EXACT).error is None
    for index, frame in zip((2, 0, 2), frames_of(tmp_path / "list.mkv"), strict=True):
        assert np.array_equal(frame, image(index))


def test_rates(tmp_path: Path) -> None:
    images("in")
    result = cli(SAME, "in", "-o", "out.mp4", "--fps", "29.97")
    assert (result.exit_code, result.stderr) == (0, "")
    assert times_of(tmp_path / "out.mp4") == [Fraction(1001 * index, 30_000) for index in range(3)]
    with av.open(tmp_path / "out.mp4") as clip:
        assert clip.streams.video[0].average_rate == Fraction(30_000, 1001)
    Path("in/timestamps.txt").write_text("# timestamp format v2\n0\n33.37\n90\n100.5")
    assert once("in", "own.mp4").notes == ()
    assert times_of(tmp_path / "own.mp4") == [0, Fraction(3337, 100_000), Fraction(9, 100)]
    assert once("in", "given.mp4", clips=Encoding(rate=Fraction(1, 10))).error is None
    assert times_of(tmp_path / "given.mp4") == [0, 10, 20]
    Path("in/timestamps.txt").write_text("# timestamp format v2\n0\n40\n200\n")  # without the end
    once("in", "open.gif")
    assert [duration for _, duration in frames_in(tmp_path / "open.gif")] == [40, 160, 160]
    for lines in ("0\n40\n", "0\n40\n80\n120\n160\n"):
        Path("in/timestamps.txt").write_text(f"# timestamp format v2\n{lines}")
        result = cli(SAME, "in", "-o", "wrong.mp4")
        assert result.exit_code == 1
        assert f"in/timestamps.txt: it has {lines.count(chr(10))} times, and there are 3 images" in result.stderr
        assert "--fps" in result.stderr
    assert not Path("wrong.mp4").exists()


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.webm", "out.gif", "out.webp", "out.apng"])
def test_every_kind_of_result_even_of_one_image(tmp_path: Path, target: str) -> None:
    for folder, count in (("one", 1), ("two", 2)):
        images(folder, [f"{index}.jpg" for index in range(count)])
        row = once(folder, target, DOUBLE, write=WriteOptions(overwrite=True))
        assert (row.error, row.size) == (None, (96, 64))
        assert (row.path, row.output) == (folder, target)
        if target.endswith(("gif", "webp", "apng")):
            with PIL.Image.open(target) as image:
                assert getattr(image, "n_frames", 1) == count
        else:
            assert len(frames_of(tmp_path / target)) == count


def test_a_image_that_is_named_stays_one() -> None:
    images("in", ["a.png"])
    assert cli(SAME, "in/a.png", "-o", "out.webp").exit_code == 0
    with PIL.Image.open("out.webp") as image:
        assert not image.is_animated
    assert cli(SAME, "in/a.png", "-o", "out.mp4").exit_code == 1


def test_the_result_is_no_frame_of_itself() -> None:
    images("in")
    for _ in range(2):
        assert once("in", "in/out.webp", write=WriteOptions(overwrite=True)).error is None
        with PIL.Image.open("in/out.webp") as image:
            assert image.n_frames == 3


def test_gray_deep_and_transparent_images_together(tmp_path: Path) -> None:
    """All values are kept, with the most bits and channels that any of them has."""
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0)
    gray = noise.integers(0, 256, (33, 47, 1), np.uint8)
    deep = noise.integers(0, 65_536, (33, 47, 3), np.uint16)
    Image(gray).save("in/1.png")
    Image(deep).save("in/2.tif")
    Image(deep[..., :1], alpha=deep[..., 1]).save("in/3.png")
    Image(deep[..., :1] / np.float32(65_535)).save("in/4.tif")
    assert once("in", "out.mkv", clips=EXACT).error is None
    with av.open(tmp_path / "out.mkv") as clip:
        frames = [frame.to_ndarray(format="rgba64le") for frame in clip.decode(video=0)]
    assert [frame.shape for frame in frames] == [(33, 47, 4)] * 4
    assert np.array_equal(frames[0][..., :3], np.broadcast_to(gray.astype(np.uint16) * 257, (33, 47, 3)))
    assert np.array_equal(frames[1][..., :3], deep)
    assert np.array_equal(frames[2][..., 3], deep[..., 1])
    assert np.array_equal(frames[3][..., 2], deep[..., 0])


def test_odd_sizes(tmp_path: Path) -> None:
    images("in", size=(33, 21))
    refused = cli(SAME, "in", "-o", "out.mp4")
    assert refused.exit_code == 1
    assert "33x21" in refused.stderr
    assert cli(SAME, "in", "-o", "out.webm").exit_code == 0
    assert frames_of(tmp_path / "out.webm")[0].shape == (21, 33, 3)
    images("tiny", size=(1, 1))
    assert cli(DOUBLE, "tiny", "-o", "tiny.mkv").exit_code == 0


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: PIL.Image.new("RGB", (40, 30)).save(path), "40x30 pixels, and in/1.png has 48x32"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "damaged"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("no image"), "not an image"),
        (lambda path: animation(path), "is an animation"),
    ],
)
def test_frames_that_do_not_belong(spoil: Callable[[Path], Any], told: str) -> None:
    images("in")
    spoil(Path("in/2.png"))
    for target in ("out.mp4", "out.webp"):
        result = cli(SAME, "in", "-o", target)
        assert result.exit_code == 1
        assert result.stderr.count("error: ") == 1
        assert "in/2.png" in result.stderr
        assert told in result.stderr
        assert names() == ["in"]


def test_nothing_is_computed_where_the_heads_tell(computed: Any) -> None:
    images("in")
    PIL.Image.new("RGB", (40, 30)).save("in/3.png")
    assert once("in", "out.mp4").status == "failed"
    assert len(computed) == 0


def test_profiles_are_told_of() -> None:
    from PIL import ImageCms

    (Path("in")).mkdir()
    pil_image = PIL.Image.fromarray(image(0))
    pil_image.save("in/1.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert not any("profile" in note for note in once("in", "srgb.mp4").warnings)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))  # any that is not sRGB
    icc = lab.tobytes()
    pil_image.save("in/1.png", icc_profile=icc[:16] + b"RGB " + icc[20:])
    assert any("profile" in note for note in once("in", "other.mp4").warnings)


def test_clips_among_frames_and_other_nonsense(tmp_path: Path) -> None:
    images("in")
    make(tmp_path / "in/a.mp4", times=(0, 3600))
    for words, told in (
        (("in/*", "-o", "out.mp4"), "in/a.mp4 is a clip"),
        (("in/1.png", "in/2.png", "-o", "out.mp4"), "quoted pattern"),
        (("in", "in", "-o", "out.mp4"), "one folder"),
        (("in", "-o", "out.png"), "name a folder"),
        (("in", "-o", "out.mp4", "--fps", "many"), "24000/1001"),
        (("in", "-o", "out", "--fps", "25"), "-o out.mp4"),
        (("in/a.mp4", "-o", "out.mp4", "--fps", "25"), "-o out.mp4"),
        (("in", "-o", "out.mp4", "--quality", "9"), "--crf"),
        (("in", "-o", "out.mp4", "--watch"), "one clip"),
    ):
        result = cli(SAME, *words)
        assert result.exit_code == 2, words
        assert told in result.stderr
    result = cli(f"{SAME} | save '{{name}}.png'", "in", "-o", "out.mp4")
    assert result.exit_code == 2
    Path("empty").mkdir()
    assert "no images in empty" in cli(SAME, "empty", "-o", "out.mp4").stderr
    assert names() == ["empty", "in"]


def test_stores_are_refused(tmp_path: Path) -> None:
    images("in")
    make(tmp_path / "in/a.mp4", times=(0, 3600))
    animation(tmp_path / "in/fox.gif")
    fsspec.filesystem("memory").put(str(tmp_path / "in"), "/clips/", recursive=True)
    with pytest.raises(UsageError, match="store"):
        list_jobs(["memory://clips/in"], "memory://clips/out.mp4")
    with pytest.raises(UsageError, match="store"):
        list_jobs(["memory://clips/in/*.mp4"], "memory://clips/out", suffix="png")
    result = cli(SAME, "memory://clips/in", "-o", "out", "--format", "jpg")
    assert "from or to a store" in result.stderr
    assert names("out") == ["1.jpg", "2.jpg", "3.jpg"]


def test_resuming_a_clip_of_images(tmp_path: Path, computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.video.segments.FRAMES", 3)
    images("in", [f"{index}.png" for index in range(11)])
    for name, resume in (("out.mkv", True), ("straight.mkv", False)):
        computed.clear()
        computed.fail_at = 8 if resume else 10**9
        row = once("in", name, resume=resume, clips=EXACT)
        if resume:
            assert row.status == "failed"
            assert len(list(tmp_path.glob(".out.mkv.*/0*"))) == 2
            computed.clear()
            computed.fail_at = 10**9
            assert once("in", name, resume=True, clips=EXACT).error is None
            assert len(computed) == 11 - 6
            assert once("in", name, resume=True, clips=EXACT).status == "skipped"
            os.utime("in/5.png")
            assert once("in", name, resume=True, clips=EXACT).status == "done"
    assert times_of(tmp_path / "out.mkv") == times_of(tmp_path / "straight.mkv")
    for one, other in zip(frames_of(tmp_path / "out.mkv"), frames_of(tmp_path / "straight.mkv"), strict=True):
        assert np.array_equal(one, other)
    assert names() == ["in", "out.mkv", "straight.mkv"]


def test_codecs_and_steadiness(tmp_path: Path) -> None:
    images("in", size=(64, 64))
    result = cli(SAME, "in", "-o", "out.mkv", "--codec", "libx265", "--crf", "30", "--deflicker", "0.5", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["path"] == "in"
    assert codec_of(tmp_path / "out.mkv") == "hevc"
    with av.open(tmp_path / "out.mkv") as clip:
        assert clip.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames_for_x265(count: int) -> None:
    """It leaves the times of decoding undefined then, which failed now and then."""
    images("frames", [f"{index}.png" for index in range(count)], (64, 64))
    for attempt in range(4):
        assert once("frames", f"{attempt}.mp4", clips=Encoding("libx265")).status == "done"
        assert len(frames_of(Path(f"{attempt}.mp4"))) == count
