"""`generate:texture`: sizes, tiles, seams, colours, and what is refused."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from imgtk import Pipeline
from imgtk.errors import ImgtkError


@pytest.fixture(scope="module")
def gravel(tmp_path_factory):
    path = tmp_path_factory.mktemp("example") / "gravel.png"
    Image.fromarray(skimage.data.gravel()[:256, :256]).save(path)
    return path


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Red and blue grains."""
    path = tmp_path_factory.mktemp("example") / "grains.png"
    grains = np.random.default_rng(0).random((60, 90, 1)) < 0.3
    Image.fromarray(np.where(grains, (200, 30, 40), (20, 60, 180)).astype(np.uint8)).save(path)
    return path


def make(example, words="", size="120x90", **settings):
    return Pipeline(f"generate:texture {size} {example} {words}", device="cpu", **settings)().pixels


@pytest.mark.parametrize("size", ["1x1", "97x3", "64x64", "300x211"])
@pytest.mark.parametrize("words", ["", "tileable"])
def test_any_size(gravel, size, words):
    pixels = make(gravel, words, size)
    assert pixels.shape[1::-1] == tuple(map(int, size.split("x")))


@pytest.mark.parametrize("words", ["", "tileable"])
def test_tiles_do_not_show(gravel, words):
    whole, tiled = (make(gravel, words, "300x211", tile=tile) for tile in ("off", 64))
    assert np.array_equal(whole, tiled)


def test_a_larger_texture_begins_with_the_smaller_one(gravel):
    assert np.array_equal(make(gravel, size="200x200")[:90, :120], make(gravel, size="120x90"))


def test_the_seed_chooses_it(gravel):
    first = make(gravel, "seed=3")
    assert np.array_equal(first, make(gravel, seed=3))
    assert not np.array_equal(first, make(gravel, "seed=4"))


def test_colours_and_contrast_are_those_of_the_example(gravel, coloured):
    for example in (gravel, coloured):
        wanted = np.asarray(Image.open(example), float)
        made = make(example, size="400x400").astype(float)
        wanted = wanted.reshape(-1, made.shape[2])
        made = made.reshape(-1, made.shape[2])
        assert np.abs(made.mean(0) - wanted.mean(0)).max() < 8
        assert np.abs(made.std(0) / wanted.std(0) - 1).max() < 0.2


def test_gray_examples_give_gray_and_others_colour(gravel, coloured):
    assert make(gravel).shape[2] == 1
    assert make(coloured).shape[2] == 3


def test_a_tileable_texture_has_no_seams(gravel):
    """Steps over the border are as large as elsewhere; without `tileable` they are larger."""

    def over_the_border(pixels):
        x = pixels[..., 0].astype(float)
        inner = np.abs(np.diff(x, axis=0)).mean() + np.abs(np.diff(x, axis=1)).mean()
        return (np.abs(x[0] - x[-1]).mean() + np.abs(x[:, 0] - x[:, -1]).mean()) / inner

    assert over_the_border(make(gravel, "tileable", "200x150")) < 1.3
    assert over_the_border(make(gravel, size="200x150")) > 1.5


def test_it_never_repeats_by_itself(gravel):
    """Neither at the distance of patches, nor farther away."""
    x = make(gravel, size="1200x60")[..., 0].astype(float)
    x -= x.mean()
    correlations = [(x[:, :-lag] * x[:, lag:]).mean() / x.var() for lag in range(70, 1000)]
    assert max(correlations) < 0.3


def test_slow_changes_of_light_are_taken_out(tmp_path):
    """A patch from the dark end does not lie beside one from the bright end."""
    noise = np.random.default_rng(0).normal(0, 8, (200, 200))
    Image.fromarray((60 + 0.6 * np.arange(200) + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / "slope.png")
    made = make(tmp_path / "slope.png", size="400x400")[..., 0].astype(float)
    blocks = made.reshape(10, 40, 10, 40).mean((1, 3))
    assert blocks.std() < 8


def test_without_a_size_it_takes_that_of_the_input(gravel):
    photo = np.zeros((50, 70, 3), np.uint8)
    result = Pipeline(f"generate:texture {gravel} as t; @in | blend @t", device="cpu")(photo)
    assert result.pixels.shape[:2] == (50, 70)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0x64 {}", "size: expected a width and a height in pixels from 1 to 1048576, such as 512x256, got '0x64'"),
        ("{} 64", "size: expected a width and a height in pixels from 1 to 1048576, such as 512x256, got '64'"),
        ("1000000000x64 {}", "got '1000000000x64'"),
        ("1000000x1000000 {}", "need .* are free"),
        ("64x64 {}.missing", "the example cannot be used"),
        ("{}", "size of the image is not known"),
        ("64x64", "needs image="),
    ],
)
def test_what_makes_no_sense(gravel, words, message):
    with pytest.raises(ImgtkError, match=message):
        Pipeline(f"generate:texture {words.format(gravel)}", device="cpu")()


def test_examples_that_are_too_small(tmp_path):
    Image.fromarray(np.zeros((15, 40), np.uint8)).save(tmp_path / "tiny.png")
    with pytest.raises(ImgtkError, match="has 40x15 pixels"):
        make(tmp_path / "tiny.png")


@pytest.mark.parametrize("side", [16, 17, 31])
def test_the_smallest_examples(tmp_path, side):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    assert make(tmp_path / "small.png", "tileable").std() > 20


def test_a_flat_example_gives_its_colour(tmp_path):
    Image.new("RGB", (40, 40), (10, 200, 90)).save(tmp_path / "flat.png")
    assert np.abs(make(tmp_path / "flat.png").astype(int) - (10, 200, 90)).max() <= 1
