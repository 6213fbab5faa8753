import numpy as np

import imgtk
from imgtk.testing import check_op


def test_keeps_what_every_operator_promises() -> None:
    check_op("tone:sepia", strength=0.7)


def test_leaves_one_tone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    toned = imgtk.Pipeline("tone:sepia", dtype="fp32")(pixels).numpy().astype(float)
    red, green, blue = np.moveaxis(toned, -1, 0)
    assert np.abs(green - 0.91 * red).max() <= 1
    assert np.abs(blue - 0.74 * red).max() <= 1


def test_strength_0_changes_nothing() -> None:
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert np.array_equal(imgtk.Pipeline("tone:sepia 0", dtype="fp32")(pixels).numpy(), pixels)
