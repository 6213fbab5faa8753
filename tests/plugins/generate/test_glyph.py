"""`generate:glyph` with a tiny random network: words, styles, sizes, tiles, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk import Pipeline
from imgtk.errors import ImgtkError, WeightsError
from imgtk.registry import default
from imgtk_generate.glyph_network import GlyphVAE, coverage
from imgtk_generate.glyphs import CELL, CHARACTERS


def draw(text, network_file, words="", **settings):
    pipeline = Pipeline(f"generate:glyph '{text}' model={network_file} {words}", device="cpu", **settings)
    return pipeline().pixels[..., 0]


def test_a_word_has_the_height_that_is_asked_for_and_is_gray(glyph_file):
    for size in (8, 63, 64, 200):
        pixels = draw("Ab 9", glyph_file, f"size={size}")
        assert pixels.shape[0] == size
    result = Pipeline(f"generate:glyph Ab model={glyph_file}", device="cpu")()
    assert result.gray
    assert result.pixels.max() == 255


def test_the_same_seed_gives_the_same_image_and_others_another_one(glyph_file):
    first = draw("ABC", glyph_file, "seed=3")
    assert np.array_equal(first, draw("ABC", glyph_file, "seed=3"))
    assert np.array_equal(first, draw("ABC", glyph_file, seed=3))
    others = [draw("ABC", glyph_file, words) for words in ("seed=4", "seed=3 style=1", "seed=3 style=0.5")]
    assert all(other.shape != first.shape or not np.array_equal(other, first) for other in others)


def test_no_truncation_is_the_style_of_the_mean(glyph_file):
    images = [draw("ABC", glyph_file, f"seed={seed} truncation=0") for seed in (1, 2)]
    assert np.array_equal(*images)


def test_letters_do_not_depend_on_their_neighbours(glyph_file):
    """The word is set from the same glyphs as the letters alone."""
    op = default().build("generate:glyph", text="A", model=str(glyph_file))
    both = default().build("generate:glyph", text="AA", model=str(glyph_file))
    (one,), (two,) = op.words, both.words
    gap = 5
    width = one.shape[3] - 2 * gap
    inner = two[..., gap : gap + width]
    assert two.shape[3] == 2 * width + 3 * gap
    assert torch.equal(inner > 0, two[..., -gap - width : -gap] > 0)


def test_a_clip_leads_from_style_to_style(glyph_file):
    pipeline = Pipeline(f"generate:glyph Ab seed=3..4 frames=3 model={glyph_file}", device="cpu")
    assert pipeline.frames == 3
    frames = [pipeline(frame=number).pixels for number in range(3)]
    assert len({frame.shape for frame in frames}) == 1
    for frame, seed in ((frames[0], 3), (frames[2], 4)):
        word = draw("Ab", glyph_file, f"seed={seed}")
        room = (frame.shape[1] - word.shape[1]) // 2
        assert np.abs(frame[:, room : room + word.shape[1], 0].astype(int) - word).max() <= 1
    assert not np.array_equal(frames[0], frames[1])


def test_tiles_do_not_show(glyph_file):
    whole, tiled = (draw("Hello", glyph_file, "size=150", tile=tile) for tile in ("off", 64))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_generated_word_goes_on_through_a_pipeline(glyph_file):
    text = f"generate:glyph Hi model={glyph_file} size=40 | adjust:blur 1 | upscale:bicubic x2"
    assert Pipeline(text, device="cpu")().pixels.shape[0] == 80


def test_edges_are_as_sharp_at_every_size():
    """A straight edge of a field of distances covers one pixel, however much it is enlarged."""
    field = (torch.arange(64.0) - 31.5)[None, None, None].expand(1, 1, 64, 64) / 6
    for scale in (1, 4):
        fine = torch.nn.functional.interpolate(field.clamp(-1, 1), scale_factor=scale, mode="bilinear")
        ink = coverage(fine, scale)
        assert ((ink > 0.01) & (ink < 0.99)).sum(3).max() <= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generate:glyph Grün", "unknown character 'ü'"),
        ("generate:glyph ' '", "the text is empty"),
        ("generate:glyph A size=0", "size: expected a whole number from 8 to 4096"),
        ("generate:glyph A size=1000000", "size: expected a whole number from 8 to 4096"),
        ("generate:glyph A truncation=9", "truncation: expected a number from 0 to 2"),
        ("generate:glyph A seed=1..3", "frames=1 cannot lead through 3 seeds"),
        ("generate:glyph A frames=9", "frames=9 cannot lead through 1 seed"),
        ("generate:glyph A seed=2..1 frames=9", "seed: expected a seed such as 3"),
        ("generate:glyph A style=inf", "style: expected a number"),
    ],
)
def test_what_makes_no_sense(text, message):
    with pytest.raises(ImgtkError, match=message):
        Pipeline(text, device="cpu")()


def test_a_text_is_needed():
    with pytest.raises(ImgtkError, match="generate:glyph needs text="):
        Pipeline("generate:glyph", device="cpu")


def test_weights_of_another_network(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file(default().build("upscale:compact").network.state_dict(), path)
    with pytest.raises(WeightsError, match="SRVGGNetCompact, which draws no glyphs"):
        draw("A", path)


def test_any_size_of_network_is_told_from_its_tensors(tmp_path):
    network = GlyphVAE(8, 5)
    save_file(network.state_dict(), tmp_path / "other.safetensors")
    op = default().build("generate:glyph", text="A", model=str(tmp_path / "other.safetensors"))
    style, character = torch.rand(1, 5), torch.tensor([CHARACTERS.index("A")])
    drawn = op.glyphs(style, character)
    assert drawn.shape == (1, 1, CELL, CELL)
    torch.testing.assert_close(drawn, network(style, character))
