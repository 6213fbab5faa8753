"""`style:texture`: pieces that show the image, cut where it is not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imgtk import Image, Pipeline
from imgtk.errors import ParameterError, ReadError
from imgtk.nn.colour import luma
from imgtk.op import ImageOp
from imgtk.registry import default
from imgtk.steps import steps_reported
from imgtk.testing import check_op, sample_image
from imgtk_transfer.quilting import Pieces, assemble, matched, quilt, right_of_cut
from imgtk_transfer.texture import mirrored


def build(image: Path, **params: Any) -> ImageOp:
    op = default().build("style:texture", image=image, **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Of the luma of two images, in cells of 4 pixels."""
    cells = [torch.nn.functional.avg_pool2d(luma(x), 4).flatten() for x in (first, second)]
    return torch.corrcoef(torch.stack(cells))[0, 1].item()


def test_keeps_what_every_operator_promises(written: Any) -> None:
    texture = written(sample_image(50, 40, seed=3))
    check_op("style:texture", sizes=[(61, 47), (1, 19), (1, 1)], image=str(texture), size=64)


def test_it_shows_the_image_in_colours_of_the_texture(written: Any) -> None:
    texture, x = sample_image(90, 80, seed=4), sample_image(96, 72)
    texture[:, 2] = 0
    result = build(written(texture))(x)
    assert correlation(result, x) > 0.7
    assert result[:, 2].max() < 1e-4


def test_every_pixel_is_one_of_the_texture_or_between_two(written: Any) -> None:
    """A texture of three colours without green between red and blue: cuts are soft, but nothing is invented."""
    pixels = np.zeros((40, 40, 3), np.float32)
    pixels[:20, :, 0] = 1
    pixels[20:, :, 2] = 1
    result = build(written(pixels))(sample_image(60, 60))
    torch.testing.assert_close(result[:, 0] + result[:, 2], torch.ones(1, 60, 60), atol=1e-4, rtol=0)
    assert result[:, 1].abs().max() < 1e-4


def test_a_texture_is_continued_without_seams() -> None:
    """Where the light asks for nothing, neighbours agree: of stripes, stripes are made."""
    stripes = (torch.arange(60) % 8 < 4).float().expand(1, 3, 60, 60).contiguous()
    light = torch.full((1, 1, 80, 100), 0.5)
    result = assemble(quilt(light, stripes, [2], 0.99, 0), stripes, 1, (80, 100))
    columns = result[0, 0].mean(0)
    expected = (torch.arange(100) % 8 < 4).float()
    errors = [(columns.roll(shift) - expected)[8:-8].abs().mean().item() for shift in range(8)]
    assert min(errors) < 0.01


def test_same_seed_same_image_another_seed_another(written: Any) -> None:
    path, x = written(sample_image(60, 50, seed=3)), sample_image(64, 48)
    before = torch.get_rng_state()
    first = build(path, seed=1)(x)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(build(path, seed=1)(x), first)
    assert not torch.equal(build(path, seed=2)(x), first)


def test_coherence_trades_the_image_for_the_texture(written: Any) -> None:
    path, x = written(sample_image(90, 90, seed=3)), sample_image(96, 96)
    showing, agreeing = (build(path, coherence=share)(x) for share in (0, 1))
    assert correlation(showing, x) > correlation(agreeing, x)


def test_strength_and_keep_colour(written: Any) -> None:
    path, x = written(sample_image(60, 50, seed=3)), 0.3 + 0.4 * sample_image(64, 48)
    assert torch.equal(build(path, strength=0)(x), x)
    half, full = (build(path, strength=strength)(x) for strength in (0.5, 1))
    torch.testing.assert_close(half, (x + full) / 2)
    kept = build(written(0.4 + 0.2 * sample_image(60, 50, seed=3)), keep_colour="luma")(x)
    torch.testing.assert_close(kept - luma(kept), x - luma(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["covariance", "histogram"])
def test_a_texture_in_the_colours_of_the_image(kind: str, written: Any) -> None:
    x = 0.2 + 0.3 * sample_image(64, 48) + torch.tensor([0.3, 0, 0]).view(1, 3, 1, 1)
    result = build(written(sample_image(60, 50, seed=3)), keep_colour=kind)(x)
    torch.testing.assert_close(result.mean((2, 3)), x.mean((2, 3)), atol=0.08, rtol=0)


def test_only_where_the_mask_is_white(written: Any) -> None:
    x = sample_image(64, 48)
    where = np.zeros((48, 64, 1), np.float32)
    where[:, 32:] = 1
    result = build(written(sample_image(60, 50, seed=3)), mask=written(where, "mask.png"))(x)
    assert torch.equal(result[..., :32], x[..., :32])
    assert (result[..., 32:] - x[..., 32:]).abs().mean() > 0.02
    with pytest.raises(ParameterError, match="mask"):
        Pipeline(f"style:texture {written(where)} mask={written(where, 'mask.png')}")(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 7)])
def test_small_images_and_textures(size: tuple[int, int], written: Any) -> None:
    for path in (written(sample_image(*size), "small.png"), written(sample_image(30, 20), "large.png")):
        result = build(path)(sample_image(*size))
        assert result.shape == (1, 3, size[1], size[0])
        assert result.isfinite().all()


def test_large_images_get_large_sharp_pieces(written: Any) -> None:
    """Pieces are sought in a small image, but laid from the texture at the size of the large one."""
    checks = np.indices((256, 256)).sum(0) % 2
    path = written(np.repeat(checks[..., None], 3, 2).astype(np.float32))
    result = build(path, size=64, block=16)(sample_image(256, 200))
    assert result.shape == (1, 3, 200, 256)
    assert result.std() > 0.35  # what is as fine as pixels survives


def test_time_does_not_grow_with_the_image(written: Any) -> None:
    path, steps = written(sample_image(60, 50, seed=3)), []
    for side in (64, 300):
        op, seen = build(path, size=64), []
        with steps_reported(lambda done, total, seen=seen: seen.append((done, total))):
            op(sample_image(side, side))
        assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
        assert {total for _, total in seen} == {len(seen)}
        steps.append(len(seen))
    assert steps[0] == steps[1]


def test_gray_alpha_and_depth(written: Any) -> None:
    path = written(sample_image(60, 50, seed=3))
    gray = Pipeline(f"style:texture {path} size=64")(np.zeros((37, 41), np.uint8))
    assert gray.pixels.shape == (37, 41, 3)
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (40, 50, 4), np.uint16)
    deep = Pipeline(f"style:texture {path} size=64")(pixels)
    assert deep.pixels.dtype == np.uint16
    np.testing.assert_array_equal(deep.alpha, pixels[..., 3])


def test_wild_values(written: Any) -> None:
    x = sample_image(40, 40)
    x[0, :, 3, 3], x[0, :, 4, 4], x[0, :, 5, 5] = torch.nan, torch.inf, -3
    assert build(written(sample_image(40, 40, seed=1)), size=64)(x)[..., 6:, :].isfinite().all()


def test_missing_and_broken_files_end_before_anything_is_computed(tmp_path: Path) -> None:
    broken = tmp_path / "text.png"
    broken.write_bytes(b"no image")
    for path in (tmp_path / "nowhere.jpg", broken):
        with pytest.raises(ReadError, match=path.name):
            Pipeline(f"style:texture {path}").check()


def test_parameters_that_make_no_sense(written: Any) -> None:
    path = written(sample_image(20, 20))
    for wrong in ({"block": 0}, {"steps": 0}, {"size": 1}, {"coherence": 2}, {"seed": -1}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            build(path, **wrong)


def test_passes_get_smaller_and_none_is_repeated(written: Any) -> None:
    op = build(written(sample_image(20, 20)), block=32, steps=4, size=800)
    assert op.cells(800) == [4, 3, 2, 1]  # type: ignore[attr-defined]
    assert op.cells(400) == [2, 1]  # type: ignore[attr-defined]
    assert op.cells(9) == [1]  # type: ignore[attr-defined]


def test_the_cut_is_the_cheapest_path() -> None:
    errors = torch.rand(5, 6, 4, generator=torch.Generator().manual_seed(0))
    cuts = 4 - right_of_cut(errors).sum(2).long()  # the column of the path in each row
    assert ((cuts[:, 1:] - cuts[:, :-1]).abs() <= 1).all()
    for error, cut in zip(errors, cuts, strict=True):
        best = {(c,): error[0, c].item() for c in range(4)}
        for row in range(1, 6):
            best = {
                (*path, c): cost + error[row, c].item()
                for path, cost in best.items()
                for c in range(max(0, path[-1] - 1), min(4, path[-1] + 2))
            }
        assert sum(error[row, c].item() for row, c in enumerate(cut)) == pytest.approx(min(best.values()))


def test_matched_tones_keep_their_order() -> None:
    light, reference = sample_image(20, 20)[:, :1], sample_image(30, 10, seed=2)[:, :1] * 0.5
    light[..., :5] = 0.25
    result = matched(light, reference)
    assert result.min() >= reference.min()
    assert result.max() <= reference.max()
    assert result[..., :5].unique().numel() == 1
    order = light.flatten().argsort()
    assert (result.flatten()[order].diff() >= 0).all()
    torch.testing.assert_close(matched(reference, reference), reference, atol=0.01, rtol=0)


def test_mirrored_textures() -> None:
    x = torch.arange(3.0).expand(1, 3, 2, 3)
    longer = mirrored(x, 8)
    assert longer.shape == (1, 3, 8, 8)
    assert longer[0, 0, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert mirrored(x, 1).shape == x.shape


@pytest.mark.parametrize("side", [50, 64, 150, 333])
def test_no_lines_between_blocks(side: int, written: Any) -> None:
    """Of one colour comes one colour, also where soft cuts are enlarged."""
    white = torch.ones(1, 3, 20, 30)
    result = build(written(white), size=64)(sample_image(side, side))
    torch.testing.assert_close(result, torch.ones_like(result), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1, 1.5, 2.3])
def test_pieces_are_laid_where_they_belong(scale: float) -> None:
    corners = torch.tensor([[0, 0], [0, 8], [8, 0], [8, 8]])
    pieces = Pieces(8, corners, corners, torch.ones(4, 8, 8))
    side = round(16 * scale)
    texture = sample_image(side, side)
    torch.testing.assert_close(assemble([pieces], texture, scale, (side - 1, side - 3)), texture[..., :-1, :-3])


def test_transparent_parts_of_the_texture_are_not_used(written: Any, tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:20] = (200, 100, 50, 255)
    pixels[20:] = (0, 255, 0, 0)
    path = Image.of(pixels).save(tmp_path / "half.png")
    result = build(path, size=64)(sample_image(40, 40))
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.tensor([200, 100, 50]) / 255, atol=1e-3, rtol=0)
