from pathlib import Path

import numpy as np
import pytest

from imgtk import Image, ImgtkError, Pipeline


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 3)])
def test_what_is_written_is_read(tmp_path: Path, channels: int, size: tuple[int, int]) -> None:
    image = Image.of(np.random.default_rng(0).integers(0, 256, (*size, channels), np.uint8))
    again = Image.open(image.save(tmp_path / "a.qoi"))
    assert np.array_equal(again.pixels, np.broadcast_to(image.pixels, (*size, 3)))
    assert (again.alpha is None) == (image.alpha is None)
    if image.alpha is not None:
        assert np.array_equal(again.alpha, image.alpha)


def test_a_pipeline_reads_and_writes_it(tmp_path: Path) -> None:
    Image.of(np.full((4, 6), 90, np.uint8)).save(tmp_path / "a.qoi")
    Pipeline("upscale:nearest x2", device="cpu")(tmp_path / "a.qoi").save(tmp_path / "b.qoi")
    assert Image.open(tmp_path / "b.qoi").size == (12, 8)


@pytest.mark.parametrize("end", [4, 13, 20, -1])
def test_damaged_files_are_refused(tmp_path: Path, end: int) -> None:
    path = Image.of(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.qoi")
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ImgtkError, match=r"a\.qoi"):
        Image.open(path)
