import numpy as np

import imgtk
from imgtk.testing import check_op, check_plugin


def test_the_package() -> None:
    check_plugin("imgtk-halftone")


def test_any_cell() -> None:
    check_op("print:halftone", cell=3.7)


def test_darker_images_have_more_ink() -> None:
    means = []
    for level in (0, 64, 128, 192, 255):
        printed = imgtk.Pipeline("print:halftone 8")(np.full((64, 64, 3), level, np.uint8))
        assert printed.gray
        means.append(printed.pixels.mean())
    assert means == sorted(means)
    assert means[0] < 10
    assert means[-1] > 245
