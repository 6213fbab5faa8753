"""Clips in, clips out: times, colours, sound and all else that a file carries."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result

from imgtk.batch import processor, run
from imgtk.cli import main
from imgtk.errors import ReadError, WriteError
from imgtk.io import WriteOptions
from imgtk.pipeline import Pipeline
from imgtk.video.formats import Encoding
from imgtk.video.frames import Frame
from imgtk.video.read import Clip
from tests.video.clips import (
    UNEVEN,
    codec_of,
    frames_of,
    image,
    make,
    packets_of,
    tags_of,
    times_of,
)

Cli = Callable[..., Result]
DOUBLE = "upscale:nearest x2"
SAME = "adjust:gamma 1"
RAW = Encoding("rawvideo")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("run", …)` in `tmp_path`; no run may end in a traceback."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert "Traceback" not in result.output
        return result

    return call


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".imgtk")]


def quarters(frame: np.ndarray) -> np.ndarray:
    """The colours in the middle of the four quarters of a `image`."""
    height, width, _ = frame.shape
    return frame[height // 4 :: height // 2, width // 4 :: width // 2].astype(int)


def test_frames_and_their_times(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4")
    result = cli("run", DOUBLE, "in.mp4", "-o", "out.mp4")
    assert result.exit_code == 0, result.output
    assert result.stdout == "out.mp4\n"
    assert times_of(tmp_path / "out.mp4") == [Fraction(pts, 90_000) for pts in UNEVEN]
    for index, frame in enumerate(frames_of(tmp_path / "out.mp4")):
        assert frame.shape == (64, 96, 3)
        assert np.abs(quarters(frame) - quarters(image(index))).max() <= 8, index


@pytest.mark.parametrize("name", ["out.mov", "out.mkv", "out.webm"])
def test_containers(cli: Cli, tmp_path: Path, name: str) -> None:
    make(tmp_path / "in.mkv", times=(0, 40, 80, 133, 150), time_base=Fraction(1, 1000))
    assert cli("run", SAME, "in.mkv", "-o", name).exit_code == 0
    assert times_of(tmp_path / name) == [Fraction(ms, 1000) for ms in (0, 40, 80, 133, 150)]
    assert codec_of(tmp_path / name) == ("vp9" if name.endswith("webm") else "h264")


def test_sound_subtitles_chapters_and_titles_are_copied(cli: Cli, tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", audio="aac", subtitles=True)
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
    with av.open(source) as first, av.open(tmp_path / "rich.mkv", "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in first.streams}
        out.add_attachment("note.txt", "text/plain", b"attached")
        out.set_chapters([chapter])
        copies[1].metadata["language"] = "cym"
        out.metadata["title"] = "A title"
        for packet in first.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    result = cli("run", DOUBLE, "rich.mkv", "-o", "out.mkv")
    assert result.exit_code == 0, result.output
    before, after = tmp_path / "rich.mkv", tmp_path / "out.mkv"
    for kind in ("audio", "subtitle"):
        assert packets_of(after, kind) == packets_of(before, kind)
    assert times_of(after) == times_of(before)
    with av.open(after) as clip:
        assert clip.metadata["title"] == "A title"
        assert clip.streams.audio[0].language == "cym"
        assert [(one["start"] * one["time_base"], one["metadata"]) for one in clip.chapters()] == [
            (0, {"title": "One"})
        ]
        assert [stream.data for stream in clip.streams if stream.type == "attachment"] == [b"attached"]


def test_sound_is_kept_in_time_with_the_frames(cli: Cli, tmp_path: Path) -> None:
    """AAC begins before time 0, which mp4 can tell; all is moved by as much where a container cannot."""
    source = make(tmp_path / "in.mp4", audio="aac")
    for name in ("out.mp4", "out.mkv"):
        assert cli("run", SAME, source, "-o", name).exit_code == 0
    before = packets_of(source, "audio")
    assert packets_of(tmp_path / "out.mp4", "audio") == before
    assert times_of(tmp_path / "out.mp4") == times_of(source)
    after = packets_of(tmp_path / "out.mkv", "audio")
    assert [data for _, data in after] == [data for _, data in before]
    lag = times_of(tmp_path / "out.mkv")[0] - after[1][0]
    assert abs(lag - (times_of(source)[0] - before[1][0])) <= Fraction(1, 500)


def test_subtitles_that_the_container_cannot_hold_are_left_out_with_a_note(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", subtitles=True)
    result = cli("run", SAME, "in.mkv", "-o", "out.mp4")
    assert result.exit_code == 0
    assert "subrip" in result.stderr
    with av.open(tmp_path / "out.mp4") as clip:
        assert not clip.streams.subtitles


def test_sound_that_the_container_cannot_hold_is_an_error(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", audio="aac")
    result = cli("run", SAME, "in.mp4", "-o", "out.webm")
    assert result.exit_code == 1
    assert "aac" in result.stderr
    assert ".mkv" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize("colours", [(1, 1, 1, 1), (5, 1, 5, 6), (6, 2, 6, 6), (9, 1, 9, 16)])
def test_colours_and_their_tags_are_kept(cli: Cli, tmp_path: Path, colours: tuple[int, int, int, int]) -> None:
    source = make(tmp_path / "in.mp4", colours=colours)
    assert cli("run", SAME, source, "-o", "out.mp4").exit_code == 0
    assert tags_of(tmp_path / "out.mp4") == colours
    with av.open(source) as before, av.open(tmp_path / "out.mp4") as after:  # the numbers, too
        planes = [next(clip.decode(video=0)).to_ndarray() for clip in (before, after)]
    assert np.abs(planes[0].astype(int) - planes[1]).mean() < 1.5


def test_frames_that_tell_no_matrix_are_read_as_players_do(cli: Cli, tmp_path: Path) -> None:
    """And the result, which may have the size of other conventions, tells."""
    make(tmp_path / "in.mp4", colours=(2, 0, 2, 2))
    assert cli("run", "upscale:nearest x20", "in.mp4", "-o", "out.mp4", "--crf", "20").exit_code == 0
    assert tags_of(tmp_path / "out.mp4")[:2] == (6, 1)
    frame = frames_of(tmp_path / "out.mp4")[0]
    assert np.abs(frame[100, 100].astype(int) - (200, 40, 20)).max() <= 8


@pytest.mark.parametrize(("rotation", "size"), [(90, (32, 48)), (-90, (32, 48)), (180, (48, 32))])
def test_rotated_clips_become_upright(cli: Cli, tmp_path: Path, rotation: int, size: tuple[int, int]) -> None:
    source = make(tmp_path / "in.mp4", rotation=rotation)
    result = cli("run", SAME, source, "-o", "out.mp4", "--json")
    assert json.loads(result.stdout)["size"] == list(size)
    with av.open(tmp_path / "out.mp4") as clip:
        assert next(clip.decode(video=0)).rotation == 0
    wanted = np.rot90(image(0), rotation // 90)  # both anticlockwise
    assert np.abs(quarters(frames_of(tmp_path / "out.mp4")[0]) - quarters(wanted)).max() <= 8


def test_more_than_eight_bits_are_kept(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", codec="ffv1", pixel_format="yuv444p10le", times=(0, 3600))
    assert cli("run", SAME, "in.mkv", "-o", "out.mkv").exit_code == 0
    with av.open(tmp_path / "in.mkv") as before, av.open(tmp_path / "out.mkv") as after:
        frames = [next(clip.decode(video=0)) for clip in (before, after)]
    assert frames[1].format.name == "yuv444p10le"
    luma = [np.frombuffer(bytes(frame.planes[0]), np.uint16).astype(int) for frame in frames]
    assert np.abs(luma[0] - luma[1]).max() <= 1


def test_transparency_is_kept_or_refused(cli: Cli, tmp_path: Path) -> None:
    with av.open(tmp_path / "in.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgra"
        rgba = np.dstack([image(0, (32, 32)), np.full((32, 32), 77, np.uint8)])
        out.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="bgra")))
        out.mux(stream.encode(None))
    assert cli("run", SAME, "in.mkv", "-o", "out.mkv").exit_code == 0
    with av.open(tmp_path / "out.mkv") as clip:
        assert (next(clip.decode(video=0)).to_ndarray(format="rgba")[..., 3] == 77).all()
    refused = cli("run", SAME, "in.mkv", "-o", "out.mp4", "--codec", "libx264")
    assert refused.exit_code == 1
    assert "transparency" in refused.stderr
    assert not (tmp_path / "out.mp4").exists()


def transparent(path: Path, codec: str = "libvpx-vp9", alphas: Sequence[int] = (40, 90, 140, 255)) -> Path:
    """A clip whose left halves are transparent, each frame in its own way."""
    with av.open(path, "w") as out:
        options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
        stream = out.add_stream(
            codec, rate=10, options={"crf": "4", "b": "0" if codec != "libvpx" else "1M", **options}
        )
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuva420p"
        for index, alpha in enumerate(alphas):
            rgba = np.dstack([image(index), np.full((32, 48), 255, np.uint8)])
            rgba[:, :24, 3] = alpha
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="yuva420p")))
        out.mux(stream.encode(None))
    return path


def alphas_of(path: Path) -> list[int]:
    """What the left halves of frames have."""
    with Clip(path) as clip:
        images = [item.image for item in clip if isinstance(item, Frame)]
    return [255 if one.alpha is None else int(one.alpha[4, 4]) for one in images]


@pytest.mark.parametrize("options", [(), ("--resume",)])
@pytest.mark.parametrize("target", ["out.webm", "out.mkv"])
@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_of_webm(cli: Cli, tmp_path: Path, codec: str, target: str, options: tuple[str, ...]) -> None:
    transparent(tmp_path / "in.webm", codec)
    assert cli("run", DOUBLE, "in.webm", "-o", target, "--codec", "libvpx-vp9", *options).exit_code == 0
    assert np.abs(np.subtract(alphas_of(tmp_path / target), (40, 90, 140, 255))).max() <= 4


@pytest.mark.parametrize("alphas", [(40, 90), (255, 40)])
@pytest.mark.parametrize(
    "options", [("out.mp4",), ("out.mov",), ("out.webm", "--codec", "libsvtav1"), ("out.mkv", "--codec", "libx265")]
)
def test_transparency_that_would_be_lost_is_refused(
    cli: Cli, tmp_path: Path, options: tuple[str, ...], alphas: tuple[int, ...]
) -> None:
    transparent(tmp_path / "in.webm", alphas=alphas)
    refused = cli("run", DOUBLE, "in.webm", "-o", *options)
    assert refused.exit_code == 1
    assert "transparency" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.webm"]


def test_frames_with_transparency_become_images_that_hold_it(cli: Cli, tmp_path: Path) -> None:
    transparent(tmp_path / "in.webm")
    refused = cli("run", SAME, "in.webm", "-o", "frames", "--format", "jpg")
    assert refused.exit_code == 1
    assert "transparency" in refused.stderr
    assert cli("run", SAME, "in.webm", "-o", "images", "--format", "png").exit_code == 0


def test_an_opaque_clip_that_could_have_transparency_becomes_any(cli: Cli, tmp_path: Path) -> None:
    transparent(tmp_path / "in.webm", alphas=(255, 255))
    assert cli("run", SAME, "in.webm", "-o", "out.mp4").exit_code == 0
    assert len(times_of(tmp_path / "out.mp4")) == 2


def test_empty_packets_repeat_the_frame_before(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "full.mkv", codec="mjpeg", pixel_format="yuvj420p", time_base=Fraction(1, 25), times=range(7))
    with av.open(tmp_path / "full.mkv") as full, av.open(tmp_path / "in.nut", "w") as out:
        stream = out.add_stream_from_template(full.streams.video[0])
        for index, packet in enumerate(full.demux(video=0)):
            if packet.dts is None:
                continue
            kept = packet if index in (0, 3) else av.Packet(b"")
            kept.pts = kept.dts = packet.pts
            kept.duration, kept.time_base, kept.stream = 40, packet.time_base, stream
            out.mux(kept)
    (tmp_path / "in.nut").rename(tmp_path / "in.avi")
    assert cli("run", SAME, "in.avi", "-o", "out.mkv", "--codec", "ffv1").exit_code == 0
    assert times_of(tmp_path / "out.mkv") == times_of(tmp_path / "full.mkv")
    shades = [quarters(frame)[1, 1, 0] for frame in frames_of(tmp_path / "out.mkv")]
    assert len(set(shades[:3])) == len(set(shades[3:])) == 1
    assert shades[0] + 50 < shades[3]


def test_interlaced_clips_get_a_note(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", options={"x264-params": "tff=1"}, size=(64, 64))
    result = cli("run", SAME, "in.mp4", "-o", "out.mp4")
    assert result.exit_code == 0
    assert "interlaced" in result.stderr


def test_codec_and_quality(cli: Cli, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with av.open(tmp_path / "in.mp4", "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
        out.mux(stream.encode(None))
    for crf in ("5", "45"):
        assert cli("run", SAME, "in.mp4", "-o", f"{crf}.mp4", "--crf", crf).exit_code == 0
    assert (tmp_path / "45.mp4").stat().st_size < (tmp_path / "5.mp4").stat().st_size
    for codec, name in (("libx265", "hevc"), ("libvpx-vp9", "vp9"), ("libsvtav1", "av1"), ("mpeg4", "mpeg4")):
        assert cli("run", SAME, "in.mp4", "-o", f"{codec}.mkv", "--codec", codec, "--crf", "30").exit_code == 0
        assert codec_of(tmp_path / f"{codec}.mkv") == name
        assert len(times_of(tmp_path / f"{codec}.mkv")) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--codec", "nothing"), "no encoder nothing"),
        (("--codec", "aac"), "codec for audio"),
        (("-o", "out.webm", "--codec", "libx264"), "hold no libx264"),
        (("--codec", "libx265"), "64x64"),
        (("--codec", "prores_ks", "-o", "out.mov", "--crf", "3"), "takes no --crf"),
        (("-o", "out.png"), "as .png"),
        (("-o", "out.jpg"), "as .jpg"),
        (("-o", "out.avi"), "as .avi"),
        (("--quality", "90"), "--crf"),
        (("-o", "nowhere/out.mp4"), "does not exist"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_done(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    result = cli("run", SAME, "in.mp4", "-o", "out.mp4", *words)
    assert result.exit_code in (1, 2)
    assert result.stderr.count("error: ") == 1
    assert told in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_odd_sides(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    refused = cli("run", "resize:bilinear x15/16", "in.mp4", "-o", "out.mp4")
    assert refused.exit_code == 1
    assert "45x30" in refused.stderr
    assert "even" in refused.stderr
    taken = cli("run", "resize:bilinear x15/16", "in.mp4", "-o", "out.mp4", "--codec", "libvpx-vp9")
    assert taken.exit_code == 0, taken.output
    assert frames_of(tmp_path / "out.mp4")[0].shape == (30, 45, 3)


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "not a clip, or damaged"), (b"no clip" * 99, "not a clip"), (None, "No such file")]
)
def test_what_is_no_clip(cli: Cli, tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "in.mp4").write_bytes(content)
    result = cli("run", SAME, "in.mp4", "-o", "out.mp4")
    assert result.exit_code == 1
    assert told in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_sound_alone_is_no_clip(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "both.mkv", audio="aac")
    with av.open(tmp_path / "both.mkv") as first, av.open(tmp_path / "in.mkv", "w") as out:
        copy = out.add_stream_from_template(first.streams.audio[0])
        for packet in first.demux(first.streams.audio[0]):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    result = cli("run", SAME, "in.mkv", "-o", "out.mkv")
    assert result.exit_code == 1
    assert "only audio" in result.stderr


def test_a_clip_that_was_cut_short(cli: Cli, tmp_path: Path) -> None:
    """Half an mp4 with its index in front: an error or a note, never silence."""
    make(tmp_path / "whole.mp4", times=range(0, 3600 * 30, 3600), options={"g": "1"})
    assert cli("run", SAME, "whole.mp4", "-o", "front.mp4").exit_code == 0  # index first
    data = (tmp_path / "front.mp4").read_bytes()
    (tmp_path / "in.mp4").write_bytes(data[: len(data) * 2 // 3])
    result = cli("run", SAME, "in.mp4", "-o", "out.mp4")
    assert "cut short" in result.stderr or "were found" in result.stderr
    assert (tmp_path / "out.mp4").exists() == (result.exit_code == 0)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("name", "sound"), [("in.mkv", "aac"), ("in.webm", None)])
def test_a_clip_that_ends_before_it_says(cli: Cli, tmp_path: Path, name: str, sound: str | None) -> None:
    """Matroska tells how long it lasts, and not how many frames it has."""
    make(
        tmp_path / name,
        times=range(0, 3600 * 50, 3600),
        audio=sound,
        codec="libvpx-vp9" if sound is None else "libx264",
    )
    assert "note" not in cli("run", SAME, name, "-o", "whole.mkv").stderr
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    result = cli("run", SAME, name, "-o", "out.mkv")
    assert "it should last 2.0 seconds, and ends after" in result.stderr
    assert 1 < len(times_of(tmp_path / "out.mkv")) < 40


def test_a_clip_of_which_no_frame_can_be_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the first one could, at the first look."""
    make(tmp_path / "in.mkv", times=(0, 3600), audio="aac")
    read = Clip.after

    def nothing(self: Clip, skipped: int) -> Any:
        self._decoded = lambda packet, decoder: []  # type: ignore[method-assign]
        return read(self, skipped)

    monkeypatch.setattr(Clip, "after", nothing)
    for resume in (False, True):
        (row,) = run(Pipeline(SAME, device="cpu"), tmp_path / "in.mkv", tmp_path / "out.mkv", resume=resume)
        assert "no frame can be decoded" in str(row.error)
        assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_sound_that_is_damaged(cli: Cli, tmp_path: Path) -> None:
    """It cannot be copied where it must be changed for the container."""
    data = bytearray(make(tmp_path / "in.ts", times=range(0, 3600 * 25, 3600), audio="aac").read_bytes())
    at = len(data) // 2
    while (at := data.find(b"\xff\xf1", at + 1)) >= 0:
        data[at : at + 2] = b"\0\0"
    (tmp_path / "in.ts").write_bytes(data)
    result = cli("run", SAME, "in.ts", "-o", "out.mp4")
    assert result.exit_code == 1
    assert "the audio at 0." in result.stderr
    assert "cannot be copied" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.ts"]


def test_a_clip_cannot_become_a_png(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    _, hint = cli("run", SAME, "in.mp4", "-o", "out.png").stderr.splitlines()
    assert ".apng" in hint
    assert " .png" not in hint


def test_existing_files_are_kept(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    (tmp_path / "out.mp4").write_text("mine")
    assert cli("run", SAME, "in.mp4", "-o", "out.mp4").exit_code == 1
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert cli("run", SAME, "in.mp4", "-o", "out.mp4", "--overwrite").exit_code == 0
    assert len(times_of(tmp_path / "out.mp4")) == 2


def test_patterns_take_clips_and_folders_do_not(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.avi"):
        make(tmp_path / "clips" / name, times=(0, 1, 2), time_base=Fraction(1, 25))
    assert "clips/*.mp4" in cli("run", SAME, "clips").stderr
    result = cli("run", SAME, "clips/*", "-o", "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mkv"]
    again = cli("run", SAME, "clips/*", "-o", "out", "--resume")
    assert "2 skipped" in again.stderr


def test_save_stages_are_refused(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    result = cli("run", f"{SAME} | save '{{name}}.png'", "in.mp4", "-o", "out.mp4")
    assert result.exit_code == 2
    assert "save" in result.stderr


def test_an_operator_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in.mp4")
    pipeline, calls = Pipeline(SAME, device="cpu"), []
    compute = Pipeline.__call__

    def failing(self: Pipeline, *args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("the fifth frame")
        return compute(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "__call__", failing)
    (row,) = run(pipeline, tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert row.status == "failed"
    assert "the fifth frame" in str(row.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_several_devices_give_the_same_clip(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4")
    for name, number in (("one.mkv", 1), ("three.mkv", 3)):
        pipelines = [Pipeline(DOUBLE, device="cpu") for _ in range(number)]
        (row,) = run(pipelines, tmp_path / "in.mp4", tmp_path / name, clips=Encoding("ffv1"))
        assert row.status == "done", row.error
    one, three = (frames_of(tmp_path / name) for name in ("one.mkv", "three.mkv"))
    assert np.array_equal(one, three)


def test_one_clip_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds several frames in memory."""
    for name in "abcd":
        make(tmp_path / f"{name}.mkv", times=(0, 3600))
    running, most, converted = [], [], processor.convert

    def counted(*args: Any, **kwargs: Any) -> Any:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        try:
            return converted(*args, **kwargs)
        finally:
            running.pop()

    monkeypatch.setattr(processor, "convert", counted)
    rows = run(Pipeline(SAME, device="cpu"), f"{tmp_path}/*.mkv", tmp_path / "out", jobs=4)
    assert [row.status for row in rows] == ["done"] * 4
    assert most == [1, 1, 1, 1]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times=range(0, 3600 * 400, 3600))
    words = ["-m", "imgtk", "run", "adjust:blur 20", "in.mp4", "-o", "out.mp4", "--tile", "off"]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it for background jobs
    )
    while not leftovers(tmp_path):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    monkeypatch.setattr("imgtk.video.formats.find_spec", lambda name: None)
    (row,) = run(Pipeline(SAME, device="cpu"), tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert isinstance(row.exception, ReadError)
    assert "imgtk[video]" in str(row.exception)


def test_a_library_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in.mp4", times=(0, 3600))
    monkeypatch.setattr("imgtk.video.formats.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "av", None)
    (row,) = run(Pipeline(SAME, device="cpu"), tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert isinstance(row.exception, ReadError)
    assert "PyAV, which clips need, does not work" in str(row.exception)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as such, so that the other clips are not tried in vain."""
    for name in ("a.mkv", "b.mkv"):
        make(tmp_path / name, times=range(0, 3600 * 40, 3600))
    opened = av.open
    monkeypatch.setattr(av, "open", lambda file, *mode, **how: opened("/dev/full" if mode else file, *mode, **how))
    clips = run(Pipeline("upscale:nearest x4", device="cpu"), f"{tmp_path}/*.mkv", tmp_path / "out", clips=RAW)
    with pytest.raises(WriteError, match="No space left"):
        list(clips)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", subtitles=True, audio="aac")
    pipeline = Pipeline("upscale:nearest x1", device="cpu")
    (row,) = run(pipeline, tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert row.warnings == ("subtitle (subrip) is left out: .mp4 files do not hold it",)
    assert row.to_dict()["warnings"] == list(row.warnings)
    (row,) = run(pipeline, tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert row.warnings == ()


@pytest.mark.parametrize("resume", [False, True])
def test_metadata_of_clips(tmp_path: Path, resume: bool) -> None:
    with av.open(make(tmp_path / "bare.mkv")) as first, av.open(tmp_path / "in.mkv", "w") as out:
        copy = out.add_stream_from_template(first.streams.video[0])
        copy.metadata["title"] = out.metadata["title"] = "At home"
        out.metadata["copyright"], copy.metadata["language"] = "(c) Ada", "cym"
        for packet in first.demux():
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    pipeline = Pipeline("upscale:nearest x1", device="cpu")
    kept = {"keep": {"At home", "(c) Ada"}, "strip": set(), "none-but-copyright": {"(c) Ada"}}
    for policy, texts in kept.items():
        result = tmp_path / f"{policy}.mkv"
        list(run(pipeline, tmp_path / "in.mkv", result, write=WriteOptions(metadata=policy), resume=resume))
        with av.open(result) as clip:
            told = {*clip.metadata.values(), *clip.streams.video[0].metadata.values()}
            assert told & {"At home", "(c) Ada"} == texts
            assert clip.streams.video[0].language == "cym"
