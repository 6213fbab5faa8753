"""The protocol against MATLAB's files, scikit-image, and the rows of the literature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imgtk.bench.data import builtin, find_sets
from imgtk.bench.protocol import crop_to_multiple, downsample, score
from imgtk.bench.upscale import methods, run
from imgtk.nn.features import load_features


def imresize_matrix(length: int, scale: int) -> np.ndarray:
    """(length / scale, length): what MATLAB's imresize does along an axis, written down from its definition."""
    rows = np.zeros((length // scale, length))
    for i in range(length // scale):
        centre = (i + 0.5) * scale - 0.5
        for j in range(int(np.floor(centre)) - 2 * scale, int(np.floor(centre)) + 2 * scale + 2):
            t = abs(centre - j) / scale
            near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
            rows[i, min(max(j, 0), length - 1)] += near if t <= 1 else far if t < 2 else 0
    return rows / rows.sum(1, keepdims=True)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_downsampling_is_imresize(scale: int) -> None:
    image = data.astronaut()[:60, 100:196]

    def rounded(value: np.ndarray) -> np.ndarray:
        return np.clip(np.floor(value + 0.5), 0, 255)

    rows = rounded(np.einsum("ij,jwc->iwc", imresize_matrix(60, scale), image))
    expected = rounded(np.einsum("ij,hjc->hic", imresize_matrix(96, scale), rows))
    difference = np.abs(downsample(image, scale) - expected)
    assert (difference > 0).mean() < 0.002  # values that lie half-way, to the rounding of floats
    assert difference.max() <= 1


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_downsampling_keeps_a_flat_image(value: int) -> None:
    assert (downsample(np.full((12, 24, 3), value, np.uint8), 4) == value).all()


def test_cropping_takes_from_the_bottom_right() -> None:
    pixels = np.arange(26 * 13 * 3).reshape(26, 13, 3)
    assert np.array_equal(crop_to_multiple(pixels, 12), pixels[:24, :12])


def test_scores_are_those_of_scikit_image() -> None:
    source, target = builtin(4).pairs[2].load(4)
    output = np.repeat(np.repeat(source, 4, 0), 4, 1)
    scores = score(output, target, source, 4, None)
    ours, truth = (p[4:-4, 4:-4].astype(np.float64) for p in (output, target))
    luma = [16 + (p @ [65.481, 128.553, 24.966]) / 255 for p in (ours, truth)]
    assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, ours, data_range=255), abs=1e-4)
    assert scores["psnr_y"] == pytest.approx(peak_signal_noise_ratio(*luma, data_range=255), abs=1e-4)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    assert scores["ssim_y"] == pytest.approx(structural_similarity(*luma, **options), abs=1e-4)
    assert scores["mean_colour"] == pytest.approx(0, abs=1e-3)
    assert "feature_distance" not in scores


def test_scores_of_the_truth_and_of_a_shift_of_colour() -> None:
    source, target = builtin(4).pairs[0].load(4)
    perfect = score(target, target, source, 4, load_features())
    assert perfect["psnr"] == perfect["psnr_y"] == float("inf")
    assert perfect["feature_distance"] == 0
    shifted = np.clip(target.astype(int) + np.array([0, 9, 0]), 0, 255).astype(np.uint8)
    assert 6 < score(shifted, target, source, 4, None)["mean_colour"] < 9.5


@pytest.mark.shared
@pytest.mark.parametrize(("name", "scale"), [("Set5", 2), ("Set5", 4), ("Set14", 2), ("Set14", 4), ("BSD100", 4)])
def test_made_inputs_are_the_public_files_bit_for_bit(shared: Path, name: str, scale: int) -> None:
    (files,) = find_sets(shared / "srbench" / name, scale)
    (made,) = find_sets(shared / "srbench" / name, scale, make_lr=True)
    assert (files.inputs, made.inputs) == ("files", "made")
    for theirs, ours in zip(files.pairs, made.pairs, strict=True):
        for a, b in zip(theirs.load(scale), ours.load(scale), strict=True):
            assert np.array_equal(a, b), theirs.name


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "decibel", "similarity"), [("Set5", 28.43, 0.811), ("Set14", 26.09, 0.705), ("BSD100", 25.96, 0.668)]
)
def test_the_bicubic_row(shared: Path, name: str, decibel: float, similarity: float) -> None:
    """Of the files, and so of inputs that are made, which are the same."""
    sets = find_sets(shared / "srbench" / name, 4)
    report = run(sets, methods(["bicubic"], [], 4), 4, features=None, device="cpu")
    mean = report.sets[0].results[0].mean
    assert mean["psnr_y"] == pytest.approx(decibel, abs=0.01)
    assert mean["ssim_y"] == pytest.approx(similarity, abs=0.001)
    assert {row.method for row in report.sets[0].published} >= {"bicubic", "SRGAN", "ESRGAN"}


def test_the_bicubic_row_of_the_built_in_images() -> None:
    """The protocol leaves no freedom, so these figures are the same on every machine."""
    report = run([builtin(4)], methods(["bicubic"], ["upscale:bicubic x{}"], 4), 4, features=None, device="cpu")
    papers, opencv = (result.mean for result in report.sets[0].results)
    assert papers["psnr_y"] == pytest.approx(26.996, abs=0.01)
    assert papers["ssim_y"] == pytest.approx(0.758, abs=0.001)
    assert opencv["psnr_y"] != papers["psnr_y"]
