import numpy as np
import pytest

from imgtk import Pipeline

pytest.importorskip("onnx")


def test_an_image_is_that_of_torch() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    ours = Pipeline("upscale:compact x2", device="cpu", dtype="fp32", backend="torch")(pixels)
    pipeline = Pipeline("upscale:compact x2", device="cpu", dtype="fp32", backend="onnxref")
    theirs = pipeline(pixels)
    assert theirs.notes == ()
    assert pipeline.plan((7, 9)).rows[1].backend == "onnxref"
    assert np.abs(ours.pixels.astype(int) - theirs.pixels).max() <= 1
