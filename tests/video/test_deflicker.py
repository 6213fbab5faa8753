"""Results that flicker less, and go along with what moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from imgtk.batch import run
from imgtk.image import Image
from imgtk.pipeline import Pipeline
from imgtk.video.deflicker import Deflicker
from imgtk.video.formats import Encoding
from tests.video.clips import make


def scene(offset: float = 0, seed: int = 0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """(H, W, 3) soft blobs, moved to the right by `offset` pixels."""
    noise = np.random.default_rng(seed).normal(size=(*size, 3))
    blobs = gaussian_filter(noise, (4, 4, 0))
    blobs = (blobs - blobs.min()) / (blobs.max() - blobs.min())
    return (255 * shift(blobs, (0, offset, 0), order=1, mode="nearest")).astype(np.uint8)


def flickering(pixels: np.ndarray, index: int) -> Image:
    """What a style would make of it: something else in every frame."""
    noise = np.random.default_rng(100 + index).normal(0, 20, pixels.shape)
    return Image(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def error(result: Image, wanted: np.ndarray) -> float:
    """Mean difference, away from the borders."""
    return float(np.abs(result.pixels.astype(float) - wanted)[16:-16, 16:-16].mean())


@pytest.mark.parametrize("speed", [0, 1.5])
def test_flicker_is_reduced_also_where_things_move(speed: float) -> None:
    deflicker = Deflicker(0.8)
    for index in range(8):
        pixels = scene(speed * index)
        styled = flickering(pixels, index)
        held = deflicker(Image(pixels), styled)
    assert error(held, pixels) < 0.55 * error(styled, pixels)


def test_first_frame_and_cuts_are_taken_as_they_are() -> None:
    deflicker = Deflicker(0.9)
    first = flickering(scene(), 0)
    assert np.array_equal(deflicker(Image(scene()), first).pixels, first.pixels)
    cut = Image(255 - scene(seed=1))
    held = deflicker(cut, cut)
    assert np.abs(held.pixels.astype(int) - cut.pixels).mean() < 12


def test_results_of_another_size_and_depth() -> None:
    deflicker = Deflicker(0.5)
    source = Image(scene())
    dark = Image(np.zeros((192, 256, 3), np.uint16))
    bright = Image(np.full((192, 256, 3), 60_000, np.uint16))
    deflicker(source, dark)
    held = deflicker(source, bright)
    assert held.pixels.dtype == np.uint16
    assert np.abs(held.pixels.astype(int) - 30_000).max() <= 1


def test_gray_and_tiny_frames() -> None:
    deflicker = Deflicker(0.5)
    for level in (0, 200):
        result = deflicker(Image(np.full((5, 3, 1), 80, np.uint8)), Image(np.full((10, 6, 1), level, np.uint8)))
    assert result.pixels.shape == (10, 6, 1)
    assert (result.pixels == 100).all()


def test_clips(tmp_path: Path) -> None:
    """Through the whole run; without strength nothing changes."""
    make(tmp_path / "in.mkv")
    sizes = {}
    for name, strength in (("plain", 0.0), ("held", 0.8)):
        pipeline = Pipeline("upscale:nearest x2", device="cpu")
        (row,) = run(
            pipeline, tmp_path / "in.mkv", tmp_path / f"{name}.mkv", clips=Encoding("ffv1", deflicker=strength)
        )
        assert row.error is None
        sizes[name] = row.size
    assert sizes["plain"] == sizes["held"] == (96, 64)


def test_resumed_clips_go_on_without_flicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: Any) -> None:
    """The frames before the first new one are computed again, and held from there on."""
    monkeypatch.setattr("imgtk.video.segments.FRAMES", 10)
    make(tmp_path / "in.mp4", times=range(0, 3600 * 24, 3600))
    computed.fail_at = 14
    how = {"resume": True, "clips": Encoding("ffv1", deflicker=0.5)}
    list(run(Pipeline("adjust:gamma 2", device="cpu"), tmp_path / "in.mp4", tmp_path / "out.mp4", **how))
    computed.clear()
    computed.fail_at = 10**9
    (row,) = run(Pipeline("adjust:gamma 2", device="cpu"), tmp_path / "in.mp4", tmp_path / "out.mp4", **how)
    assert row.error is None
    assert len(computed) == 24 - 10 + 8
    import av

    with av.open(tmp_path / "out.mp4") as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 24
