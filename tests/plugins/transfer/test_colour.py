"""`style:colour`: distributions that really match, and whatever may come as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from imgtk import Image, Pipeline
from imgtk.errors import ParameterError, ReadError
from imgtk.op import ImageOp
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_transfer.transport import SAMPLES, linear_map, samples, sliced_transport, table

METHODS = ("transport", "reinhard")


def build(image: Path, **params: Any) -> ImageOp:
    op = default().build("style:colour", image=image, **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


def mild(
    width: int = 90, height: int = 70, seed: int = 0, tint: tuple[float, float, float] = (0, 0, 0)
) -> torch.Tensor:
    """An image of muted colours, so that nothing is cut off at the gamut's border."""
    return 0.35 + 0.3 * sample_image(width, height, seed=seed) + torch.tensor(tint).view(1, 3, 1, 1)


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Sliced Wasserstein distance of the colours of two images of one size."""
    directions = torch.nn.functional.normalize(torch.randn(3, 64, generator=torch.Generator().manual_seed(9)), dim=0)
    along = [(x[0].flatten(1).T @ directions).sort(0).values for x in (first, second)]
    return (along[0] - along[1]).square().mean().sqrt().item()


@pytest.mark.parametrize("method", METHODS)
def test_keeps_what_every_operator_promises(method: str, written: Any) -> None:
    reference = written(mild(tint=(0.2, 0, -0.2)))
    check_op("style:colour", sizes=[(61, 47)], image=str(reference), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_image_has_its_own_colours_already(method: str, written: Any) -> None:
    x = sample_image(200, 150)
    path = written(x)
    x = Image.open(path).tensor()
    torch.testing.assert_close(build(path, method=method)(x), x, atol=1e-4, rtol=0)


def test_reinhard_gives_mean_and_deviation_of_the_reference(written: Any) -> None:
    reference = mild(seed=5, tint=(0.1, 0, -0.1))
    result = build(written(reference), method="reinhard")(mild())
    ours, theirs = (rgb2lab(x[0].permute(1, 2, 0).numpy().astype(float)).reshape(-1, 3) for x in (result, reference))
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=0.05)
    np.testing.assert_allclose(ours.std(0), theirs.std(0), atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_colours_come_near_to_the_reference(method: str, written: Any) -> None:
    x, reference = sample_image(120, 90), sample_image(120, 90, seed=7)
    near = distance(build(written(reference), method=method)(x), reference)
    assert near < (0.3 if method == "transport" else 0.6) * distance(x, reference)


def test_transport_matches_what_mean_and_deviation_cannot(written: Any) -> None:
    """A reference of two colours, half and half, for an image of all tones."""
    reference = (
        torch.where(sample_image(80, 80)[:, :1] > 0.5, 1.0, 0.0) * torch.tensor([0.6, 0.2, 0.1]).view(1, 3, 1, 1) + 0.2
    )
    path, x = written(reference), sample_image(80, 80, seed=2)
    transport, reinhard = (distance(build(path, method=method)(x), reference) for method in METHODS)
    assert transport < 0.7 * reinhard


@pytest.mark.parametrize("method", METHODS)
def test_strength_goes_from_the_image_to_the_result(method: str, written: Any) -> None:
    x, path = sample_image(40, 30), written(mild(tint=(0.2, 0, -0.2)))
    none, half, full = (build(path, method=method, strength=strength)(x) for strength in (0, 0.5, 1))
    assert torch.equal(none, x)
    torch.testing.assert_close(half, (x + full) / 2)
    assert (full - x).abs().max() > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_flat_skies_keep_their_calm(method: str, written: Any) -> None:
    """Noise of one step of 8 bits in a flat image grows at most to what the bound of the slopes allows."""
    noise = torch.randint(0, 2, (1, 3, 60, 60), generator=torch.Generator().manual_seed(0)) / 255
    result = build(written(sample_image(60, 60)), method=method)(0.5 + noise)
    assert result.std() < 0.2  # the noise of 0.002 is not spread over the colours of the reference, which is 0.2
    assert (result.flatten(2).std(2) < 0.02).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_gray_image_is_toned(method: str, written: Any) -> None:
    path = written(mild(tint=(0.2, 0, -0.2)))
    gray = (sample_image(50, 40, gray=True)[0, 0].numpy() * 255).astype(np.uint8)
    result = Pipeline(f"style:colour {path} {method}")(gray).pixels
    assert result.shape == (40, 50, 3)
    assert result[..., 0].mean() > result[..., 2].mean() + 30
    again = {tuple(colour) for value in (gray[0, 0],) for colour in result[gray == value]}
    assert len(again) == 1  # equal grays become equal colours


@pytest.mark.parametrize("method", METHODS)
def test_a_gray_reference_takes_the_colours_away(method: str, written: Any) -> None:
    result = build(written(sample_image(50, 40, gray=True)[0, 0].numpy()), method=method)(mild())
    assert (result.amax(1) - result.amin(1)).max() < 0.04


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_of_one_colour(method: str, written: Any) -> None:
    colour = torch.tensor([0.7, 0.4, 0.2]).view(1, 3, 1, 1)
    result = build(written(colour.expand(1, 3, 5, 5)), method=method)(mild())
    torch.testing.assert_close(result, colour.expand_as(result), atol=0.05, rtol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (25, 1)])
def test_small_images_and_references(method: str, size: tuple[int, int], written: Any) -> None:
    for path in (written(sample_image(*size), "small.png"), written(sample_image(30, 20), "large.png")):
        for x in (sample_image(*size), torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 3, 2)):
            result = build(path, method=method)(x)
            assert result.isfinite().all()
            assert 0 <= result.min() <= result.max() <= 1


def test_a_image_of_one_colour_gets_the_mean(written: Any) -> None:
    reference = mild()
    for method in METHODS:
        result = build(written(reference), method=method)(torch.full((1, 3, 8, 8), 0.2))
        assert (result - reference.mean((2, 3), keepdim=True)).abs().max() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_wild_values_stay_finite_elsewhere(method: str, written: Any) -> None:
    x = sample_image(20, 20)
    x[0, :, 3, 3], x[0, :, 4, 4], x[0, :, 5, 5] = torch.nan, torch.inf, -3
    result = build(written(mild()), method=method)(x)
    assert result[..., 6:, :].isfinite().all()


def test_transparent_pixels_of_the_reference_do_not_count(written: Any, tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10] = (200, 100, 50, 255)
    pixels[10:] = (0, 255, 0, 0)
    path = Image.of(pixels).save(tmp_path / "half.png")
    result = build(path)(mild()).mean((0, 2, 3))
    torch.testing.assert_close(result, torch.tensor([200, 100, 50]) / 255, atol=0.02, rtol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_and_depth_stay(method: str, kind: type, written: Any) -> None:
    top = np.iinfo(kind).max
    pixels = (np.random.default_rng(0).random((30, 40, 4)) * top).astype(kind)
    result = Pipeline(f"style:colour {written(mild())} {method}")(pixels)
    assert result.pixels.dtype == kind
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, pixels[..., 3])


@pytest.mark.parametrize("method", METHODS)
def test_tiles_of_a_image_too_large_to_be_measured_at_once(method: str, written: Any) -> None:
    """Statistics come from a thumbnail then; tiles must still agree with the whole."""
    x = (sample_image(1200, 900)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    text = f"style:colour {written(mild(tint=(0.2, 0, -0.2)))} {method}"
    whole, parts = (Pipeline(text, tile=tile)(x).pixels.astype(int) for tile in ("off", 500))
    assert abs(whole - parts).max() <= 1


def test_missing_and_broken_files_end_before_anything_is_computed(tmp_path: Path) -> None:
    for name, content in (("nowhere.jpg", None), ("text.png", b"no image"), ("folder", "folder")):
        path = tmp_path / name
        if content == "folder":
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        with pytest.raises(ReadError, match=name):
            Pipeline(f"style:colour {path}").check()


def test_parameters_that_make_no_sense(written: Any) -> None:
    path = written(mild())
    for wrong in ({"strength": 1.5}, {"method": "magic"}, {"strength": "nan"}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            build(path, **wrong)


def test_words_find_their_parameters() -> None:
    text = str(Pipeline("style:colour sunset.jpg reinhard 0.5"))
    assert text == str(Pipeline("style:colour image=sunset.jpg strength=0.5 method=reinhard"))


def test_the_linear_map_gives_mean_and_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(5000, 3, generator=generator) @ torch.randn(3, 3, generator=generator) for _ in "ab")
    mean, matrix, new_mean = linear_map(source, target + 3)
    moved = (source - mean) @ matrix + new_mean
    torch.testing.assert_close(matrix, matrix.T, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.mean(0), target.mean(0) + 3, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(moved.T), torch.cov(target.T), atol=0.02, rtol=0.01)


def test_sliced_transport_finds_a_shift_and_another_number_of_samples() -> None:
    source = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([0.3, -0.1, 0.2])
    torch.testing.assert_close(sliced_transport(source, source + shift), source + shift, atol=0.01, rtol=0)
    moved = sliced_transport(source, 0.5 * source[:1000])
    torch.testing.assert_close(moved.mean(0), 0.5 * source[:1000].mean(0), atol=0.01, rtol=0)


def test_the_table_stays_among_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = torch.rand(500, 3, generator=generator), torch.rand(400, 3, generator=generator) > 0.5
    changes = table(source, target.float())
    steps = torch.linspace(0, 1, changes.shape[-1])
    red = changes[0, 0] + steps
    assert red.min() >= -1e-6
    assert red.max() <= 1 + 1e-6


def test_samples_are_the_same_of_images_of_one_size() -> None:
    x = sample_image(200, 150)
    assert torch.equal(samples(x), samples(x.clone()))
    assert len(samples(x)) == SAMPLES
    assert len(samples(sample_image(3, 2))) == 6
