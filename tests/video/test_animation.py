"""Animations in, animations out, and between them and clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from imgtk.batch import Row, run
from imgtk.errors import MemoryLimitError
from imgtk.io import WriteOptions, png_chunks
from imgtk.pipeline import Pipeline
from imgtk.video.formats import Encoding
from tests.video.clips import codec_of, image, make, times_of

SUFFIXES = ("gif", "webp", "png", "apng")
FORMS = {"apng": "PNG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}
DURATIONS = [100, 40, 40, 250]


def animation(path: Path, *, durations: list[int] | None = None, hole: bool = False, **options: Any) -> Path:
    """Frames of `image`s; `hole` cuts a quarter out, another one in each frame."""
    frames = []
    for index in range(len(durations or DURATIONS)):
        alpha = np.full((32, 48), 255, np.uint8)
        if hole:
            alpha[:, 12 * index : 12 * index + 12] = 0
        frames.append(PIL.Image.fromarray(np.dstack([image(index), alpha] if hole else [image(index)])))
    form = FORMS[path.suffix[1:]]
    extra = {"lossless": True} if form == "WEBP" else {"disposal": 2} if form == "GIF" else {}
    how = extra | {"duration": durations or DURATIONS} | options
    frames[0].save(path, form, save_all=True, append_images=frames[1:], **how)
    return path


def frames_in(path: Path) -> list[tuple[np.ndarray, float]]:
    """(H, W, 4) and milliseconds of each frame."""
    found = []
    with PIL.Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            found.append((np.asarray(image.convert("RGBA")), image.info["duration"]))
    return found


def through(text: str, source: Path, target: Path, **options: Any) -> Row:
    (row,) = run(Pipeline(text, device="cpu"), source, target, **options)
    return row


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("target", SUFFIXES)
def test_frames_and_durations(tmp_path: Path, suffix: str, target: str) -> None:
    source = animation(tmp_path / f"in.{suffix}", loop=3)
    row = through("upscale:nearest x2", source, tmp_path / f"out.{target}")
    assert row.status == "done", row.error
    assert row.size == (96, 64)
    before, after = frames_in(source), frames_in(tmp_path / f"out.{target}")
    assert [duration for _, duration in after] == DURATIONS
    for (old, _), (new, _) in zip(before, after, strict=True):
        middles = np.abs(new[16::32, 24::48, :3].astype(int) - old[8::16, 12::24, :3])
        assert middles.max() <= 12  # WebP loses a little, and GIF has few colours


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("loop", [0, 1, 5])
def test_loops(tmp_path: Path, suffix: str, loop: int) -> None:
    source = animation(tmp_path / f"in.{suffix}", loop=loop)
    through("adjust:gamma 1", source, tmp_path / f"out.{suffix}")
    with PIL.Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.info["loop"] == loop


def test_gif_that_is_shown_once(tmp_path: Path) -> None:
    """It has no number of loops at all."""
    source = animation(tmp_path / "in.gif")
    through("adjust:gamma 1", source, tmp_path / "out.gif")
    through("adjust:gamma 1", source, tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.gif") as gif, PIL.Image.open(tmp_path / "out.png") as png:
        assert "loop" not in gif.info
        assert png.info["loop"] == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_transparency(tmp_path: Path, suffix: str) -> None:
    source = animation(tmp_path / f"in.{suffix}", hole=True)
    through("adjust:gamma 1", source, tmp_path / f"out.{suffix}")
    for (old, _), (new, _) in zip(frames_in(source), frames_in(tmp_path / f"out.{suffix}"), strict=True):
        assert np.array_equal(old[..., 3], new[..., 3])


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("shown", ["lflfl", "frf", "lrlr", "nfn", "fnf"])
def test_transparency_between_full_frames(tmp_path: Path, shown: str, target: str) -> None:
    """Frames that show their left or right half, all or nothing."""
    columns = {"l": slice(24, 48), "r": slice(0, 24), "f": slice(0), "n": slice(48)}
    frames = []
    for index, kind in enumerate(shown):
        frame = np.dstack([image(index), np.full((32, 48), 255, np.uint8)])
        frame[:, columns[kind], 3] = 0
        frames.append(PIL.Image.fromarray(frame))
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100)
    through("adjust:gamma 1", tmp_path / "in.png", tmp_path / f"out.{target}")
    for frame, (new, _) in zip(frames, frames_in(tmp_path / f"out.{target}"), strict=True):
        assert np.array_equal(np.asarray(frame)[..., 3], new[..., 3])


def test_times_do_not_drift(tmp_path: Path) -> None:
    """GIF knows hundredths only: what one frame loses the next one gets."""
    source = animation(tmp_path / "in.png", durations=[33] * 9)
    through("adjust:gamma 1", source, tmp_path / "out.gif")
    durations = [duration for _, duration in frames_in(tmp_path / "out.gif")]
    assert sum(durations) == 300
    assert set(durations) == {30, 40}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_duration_is_a_tenth_of_a_second(tmp_path: Path, suffix: str) -> None:
    """As browsers show it; a clip of them is not over at once."""
    source = animation(tmp_path / f"in.{suffix}", durations=[0, 0, 70, 0])
    through("adjust:gamma 1", source, tmp_path / f"out.{suffix}")
    assert [duration for _, duration in frames_in(tmp_path / f"out.{suffix}")] == [100, 100, 70, 100]
    through("adjust:gamma 1", source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == [Fraction(ms, 1000) for ms in (0, 100, 200, 270)]


def test_a_gif_without_its_end(tmp_path: Path) -> None:
    """Pillow takes the frames that are there for all."""
    data = animation(tmp_path / "in.gif").read_bytes()
    (tmp_path / "in.gif").write_bytes(data + bytes(3))  # filled up, as some do
    assert through("adjust:gamma 1", tmp_path / "in.gif", tmp_path / "out.gif").notes == ()
    (tmp_path / "in.gif").write_bytes(data[: len(data) * 2 // 3])
    row = through("adjust:gamma 1", tmp_path / "in.gif", tmp_path / "cut.gif")
    assert "frames were found" in str(row.notes) or "cut short" in str(row.error)
    (tmp_path / "in.gif").write_bytes(data[:-1])
    row = through("adjust:gamma 1", tmp_path / "in.gif", tmp_path / "end.gif")
    assert "its end is missing, and 4 frames were found" in row.notes


def test_image_for_those_who_know_no_apng_is_no_frame(tmp_path: Path) -> None:
    source = animation(tmp_path / "in.png", durations=[50, 60, 70, 80], default_image=True)
    through("adjust:gamma 1", source, tmp_path / "out.webp")
    assert len(frames_in(tmp_path / "out.webp")) == 3


def test_animations_of_a_folder_keep_their_format(tmp_path: Path) -> None:
    """Still images of that format become PNG, as ever."""
    folder = tmp_path / "in"
    folder.mkdir()
    animation(folder / "moving.gif")
    PIL.Image.new("RGB", (8, 8)).save(folder / "still.gif")
    pipeline = Pipeline("adjust:gamma 1", device="cpu")
    rows = list(run(pipeline, folder, tmp_path / "out"))
    assert [row.error for row in rows] == [None, None]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["moving.gif", "still.png"]
    assert [row.status for row in run(pipeline, folder, tmp_path / "out", resume=True)] == ["skipped", "skipped"]


def test_clips_become_animations_and_back(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600, 9000, 18_000), audio="aac")
    row = through("adjust:gamma 1", tmp_path / "in.mp4", tmp_path / "out.webp")
    assert any("sound" in note for note in row.warnings)
    durations = [duration for _, duration in frames_in(tmp_path / "out.webp")]
    assert durations[:3] == [40, 60, 100]
    row = through("adjust:gamma 1", tmp_path / "out.webp", tmp_path / "back.mp4")
    assert row.status == "done", row.error
    assert times_of(tmp_path / "back.mp4") == [Fraction(ms, 1000) for ms in (0, 40, 100, 200)]
    assert codec_of(tmp_path / "back.mp4") == "h264"


def test_damaged_ones_fail_and_leave_nothing(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        data = animation(tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"in.{suffix}").write_bytes(data[: len(data) * 3 // 4])
        row = through("adjust:gamma 1", tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
        assert row.status == "failed"
        assert f"in.{suffix}" in str(row.error)
        assert not (tmp_path / f"out.{suffix}").exists()


def test_what_would_not_fit_into_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = animation(tmp_path / "in.gif")
    monkeypatch.setattr("imgtk.video.animation.available_memory", lambda device: 10_000)
    row = through("upscale:nearest x2", source, tmp_path / "out.gif")
    assert isinstance(row.exception, MemoryLimitError)
    assert not (tmp_path / "out.gif").exists()


def test_one_too_many_pixels(tmp_path: Path) -> None:
    row = through("adjust:gamma 1", animation(tmp_path / "in.gif"), tmp_path / "out.gif", max_pixels=1000)
    assert "--max-pixels 1536" in str(row.error)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_takes_only_a_part(tmp_path: Path, files_end_at: Any, suffix: str) -> None:
    source = animation(tmp_path / f"in.{suffix}")
    size = Path(str(through("upscale:nearest x2", source, tmp_path / f"whole.{suffix}").output)).stat().st_size
    for kept in (size // 2, size - 1):
        with files_end_at(kept):
            row = through("upscale:nearest x2", source, tmp_path / f"out.{suffix}")
        assert "File too large" in str(row.error)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{suffix}", f"whole.{suffix}"]


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("out.gif", {"write": WriteOptions(quality=50)}, "GIF has no"),
        ("out.png", {"write": WriteOptions(quality=50)}, "PNG has no"),
        ("out.webp", {"clips": Encoding("libx264")}, "for clips"),
        ("out.gif", {"clips": Encoding(crf=20)}, "for clips"),
        ("out.png", {"write": WriteOptions(depth=16)}, "--depth is for images"),
        ("out.mkv", {"write": WriteOptions(depth=16)}, "--depth is for images"),
        ("out.mkv", {"write": WriteOptions(quality=50)}, "--crf"),
    ],
)
def test_options_of_other_formats(tmp_path: Path, name: str, options: dict[str, Any], problem: str) -> None:
    frames = [PIL.Image.new("RGB", (16, 16), (40 * k, 0, 0)) for k in range(3)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    (row,) = run(Pipeline("adjust:gamma 2", device="cpu"), tmp_path / "in.gif", tmp_path / name, **options)
    assert problem in str(row.error)
    assert [path.name for path in tmp_path.iterdir()] == ["in.gif"]


def test_lossless_webp_stays_lossless(tmp_path: Path) -> None:
    source = animation(tmp_path / "in.webp", hole=True)
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    frames = [PIL.Image.fromarray(noise), PIL.Image.fromarray(noise[::-1])]
    frames[0].save(source, save_all=True, append_images=frames[1:], lossless=True, duration=100)
    before = [pixels for pixels, _ in frames_in(source)]
    options = {"same": WriteOptions(), "asked": WriteOptions(lossless=True), "lossy": WriteOptions(quality=80)}
    for name, how in options.items():
        through("upscale:nearest x1", source, tmp_path / f"{name}.webp", write=how)
        after = [pixels for pixels, _ in frames_in(tmp_path / f"{name}.webp")]
        assert all(map(np.array_equal, before, after)) == (name != "lossy")
    row = through("upscale:nearest x1", source, tmp_path / "out.gif", write=WriteOptions(lossless=True))
    assert "GIF is never lossless" in str(row.error)
    row = through("upscale:nearest x1", source, tmp_path / "out.mp4", write=WriteOptions(lossless=True))
    assert "--codec ffv1" in str(row.error)


def test_metadata_of_animations_go_along_or_are_told(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Title", "two frames")
    info.add_itxt("XML:com.adobe.xmp", "<x/>")
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    source = animation(tmp_path / "in.png", pnginfo=info, dpi=(300, 300))
    row = through("upscale:nearest x2", source, tmp_path / "out.png")
    assert row.warnings == ()
    with (tmp_path / "out.png").open("rb") as file:
        kept = png_chunks.metadata(file)
    assert kept.text == {"Title": "two frames"}
    assert kept.xmp == b"<x/>"
    assert round(kept.dpi[0]) == 300
    assert len(kept.icc) > 128  # linear light
    told = {
        "out.gif": {"XMP", "the ICC profile", "the resolution", "a text"},
        "out.webp": {"the resolution", "a text"},
        "out.mkv": {"XMP", "the ICC profile", "the resolution", "a text"},
    }
    for name, lost in told.items():
        row = through("upscale:nearest x2", source, tmp_path / name)
        assert {warning.partition(" (")[0].partition(" is ")[0] for warning in row.warnings} == lost, row.warnings


def test_the_orientation_of_animations(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[274] = 6
    source = animation(tmp_path / "in.webp", exif=exif.tobytes())
    through("upscale:nearest x1", source, tmp_path / "out.webp")
    before, after = frames_in(source), frames_in(tmp_path / "out.webp")
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert np.array_equal(new, np.rot90(old, -1))
    with PIL.Image.open(tmp_path / "out.webp") as image:
        assert image.getexif()[274] == 1
