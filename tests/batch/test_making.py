"""Clips that are made from nothing."""

from fractions import Fraction

import pytest
import torch

from imgtk import Image, Pipeline
from imgtk.batch.making import make
from imgtk.errors import ImgtkError
from imgtk.frame import frame_number
from imgtk.geometry import Size
from imgtk.op import Facts, ImageOp, OpSpec
from imgtk.params import Integer, Param
from imgtk.registry import Registry, default
from imgtk.video.animation import Animation
from imgtk.video.formats import Encoding
from imgtk.video.read import Clip


class Bars(ImageOp):
    """A white column that moves one pixel per frame."""

    def __init__(self, frames):
        self.frames = frames

    @property
    def facts(self):
        return Facts(frames=self.frames, position_dependent=True)

    def output_size(self, *sizes):
        return Size(16, 8)

    def to(self, device, dtype):
        self.dtype = dtype

    def render(self, *inputs, window, statistics=None):
        image = torch.zeros(1, 3, 8, 16, dtype=self.dtype)
        image[..., frame_number()] = 1
        box = window.output
        return image[..., box.top : box.bottom, box.left : box.right]


def bars(words):
    frames = Param("frames", Integer(1, 100), "Frames.", default=1)
    spec = OpSpec("generate:bars", f"{__name__}:Bars", "Bars.", (frames,), generates=True)
    registry = Registry.of(spec, *default().specs)
    return Pipeline(words, registry=registry, device="cpu")


def column(pixels):
    return int(pixels.astype(int).sum((0, 2)).argmax())


def test_frames_become_a_clip_an_animation_or_images(tmp_path):
    pipeline = bars("generate:bars frames=6")
    assert [column(pipeline(frame=number).pixels) for number in range(6)] == list(range(6))
    for name, read in (("walk.gif", Animation), ("walk.mkv", Clip)):
        row = make(pipeline, tmp_path / name, encoding=Encoding(rate=5))
        assert row.output == str(tmp_path / name)
        assert row.size == (16, 8)
        with read(tmp_path / name) as clip:
            frames = list(clip)
            assert [column(frame.image.pixels) for frame in frames] == list(range(6))
            assert frames[2].pts * clip.form.time_base == Fraction(2, 5)
    make(pipeline, tmp_path / "images", suffix=".bmp")
    files = sorted((tmp_path / "images").glob("*.bmp"))
    assert [column(Image.open(file).pixels) for file in files] == list(range(6))


def test_what_follows_sees_every_frame(tmp_path):
    make(bars("generate:bars frames=3 | flip"), tmp_path / "images")
    files = sorted((tmp_path / "images").glob("*.png"))
    assert [column(Image.open(file).pixels) for file in files] == [15, 14, 13]


def test_one_frame_is_an_image(tmp_path):
    make(bars("generate:bars"), tmp_path / "one.png")
    assert column(Image.open(tmp_path / "one.png").pixels) == 0


def test_places_that_cannot_be_written(tmp_path):
    pipeline = bars("generate:bars frames=3")
    (tmp_path / "there.mp4").write_bytes(b"kept")
    for name, message in (("there.mp4", "exists"), ("out.jpg", "cannot be written as .jpg"), ("a/b.mp4", "not exist")):
        with pytest.raises(ImgtkError, match=message):
            make(pipeline, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"kept"


def test_operators_must_agree_on_the_number_of_frames():
    pipeline = bars("generate:bars frames=3 as a; @a | blend ( generate:bars frames=4 )")
    with pytest.raises(ImgtkError, match="clips of 3 and 4 frames"):
        _ = pipeline.frames
