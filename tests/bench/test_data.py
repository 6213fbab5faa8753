"""Which images a benchmark takes, and what is wrong with folders that it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from imgtk.bench.data import BUILTIN, builtin, find_sets
from imgtk.bench.published import known_name, published
from imgtk.errors import ReadError, UsageError


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_builtin_images_need_no_files(scale: int) -> None:
    one = builtin(scale)
    assert [pair.name for pair in one.pairs] == list(BUILTIN)
    assert one.inputs == "made"
    for pair in one.pairs:
        pair.check(scale)
        source, target = pair.load(scale)
        assert source.dtype == target.dtype == np.uint8
        assert target.shape[0] % 12 == target.shape[1] % 12 == 0
        assert target.shape == (source.shape[0] * scale, source.shape[1] * scale, 3)


def test_builtin_without_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UsageError, match=r"pip install 'imgtk\[demo\]'"):
        builtin(4)


def test_a_folder_of_images(save, tmp_path: Path) -> None:
    save("pets/cat.png", 61, 50)
    save("pets/dog.webp", 48, 36)
    (tmp_path / "pets" / "notes.txt").write_text("no image")
    (one,) = find_sets(tmp_path / "pets", 4)
    assert (one.name, one.inputs) == ("pets", "made")
    assert [pair.name for pair in one.pairs] == ["cat", "dog"]
    source, target = one.pairs[0].load(4)
    assert target.shape == (48, 60, 3)
    assert source.shape == (12, 15, 3)
    assert find_sets(tmp_path / "pets", 4, crop=8)[0].pairs[0].load(4)[1].shape == (48, 56, 3)
    assert find_sets(tmp_path / "pets", 5)[0].pairs[0].load(5)[1].shape == (50, 60, 3)  # 12 is no multiple of 5


def test_pairs_keep_their_images_whole(save, tmp_path: Path) -> None:
    for number in (1, 2):
        save(f"Mine/image_SRF_4/img_{number}_SRF_4_HR.png", 56, 40)
        save(f"Mine/image_SRF_4/img_{number}_SRF_4_LR.png", 14, 10)
    for folder in (tmp_path, tmp_path / "Mine", tmp_path / "Mine" / "image_SRF_4"):
        (one,) = find_sets(folder, 4)
        assert (one.name, one.inputs) == ("Mine", "files")
        assert [pair.name for pair in one.pairs] == ["img_1", "img_2"]
        assert one.pairs[0].load(4)[1].shape == (40, 56, 3)
    (made,) = find_sets(tmp_path, 4, make_lr=True)
    assert made.inputs == "made"
    source, target = made.pairs[0].load(4)
    assert target.shape == (40, 56, 3)
    assert not np.array_equal(source, one.pairs[0].load(4)[0])


def test_folders_of_sets_come_in_the_order_of_the_papers(save, tmp_path: Path) -> None:
    for name in ("BSD100/a.png", "Set14/GTmod12/a.png", "set5/a.png", "Another/a.png", "Another/b.png"):
        save(name)
    (tmp_path / "empty").mkdir()
    assert [one.name for one in find_sets(tmp_path, 4)] == ["Set5", "BSD100", "Another"]
    assert find_sets(tmp_path / "Set14" / "GTmod12", 4)[0].name == "Set14"


@pytest.mark.parametrize("pattern", ["{}.png", "{}x4.png", "{}_x4.png", "{}_LR.png"])
def test_inputs_in_a_folder_of_their_own(save, tmp_path: Path, pattern: str) -> None:
    save("GT/a.png", 61, 47)
    save("LR/" + pattern.format("a"), 15, 11)
    (one,) = find_sets(tmp_path / "GT", 4, lr=tmp_path / "LR")
    source, target = one.pairs[0].load(4)
    assert (source.shape, target.shape) == ((11, 15, 3), (44, 60, 3))


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1"])
def test_all_kinds_become_eight_bit_colour(save, tmp_path: Path, mode: str) -> None:
    save("set/a.png", mode=mode)
    source, target = find_sets(tmp_path / "set", 4)[0].pairs[0].load(4)
    assert (target.shape, target.dtype, source.dtype) == ((36, 48, 3), np.uint8, np.uint8)


def test_sixteen_bits_are_rounded(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((36, 36), 257 * 100 + 100, np.uint16)).save(tmp_path / "a.png")
    assert (find_sets(tmp_path, 4)[0].pairs[0].load(4)[1] == 100).all()


def test_what_is_wrong_with_a_folder(save, tmp_path: Path) -> None:
    def problem(name: str, scale: int = 4, **options) -> str:
        with pytest.raises(ReadError) as caught:
            find_sets(tmp_path / name, scale, **options)
        return str(caught.value)

    assert "there is no folder" in problem("nowhere")
    (tmp_path / "empty" / "more").mkdir(parents=True)
    assert "there are no images for x4" in problem("empty")
    save("half/image_SRF_4/a_HR.png", 56, 40)
    assert "a_HR.png has no a_LR.png beside it" in problem("half")
    assert "--make-lr" in problem("half")
    assert "no images for x2" in problem("half/..", 2).replace("/half/..", "")
    find_sets(tmp_path / "half", 4, make_lr=True)
    save("other/a_LR.png", 14, 10)
    save("other/b_HR.png", 56, 40)
    assert "a_LR.png has no a_HR.png beside it" in problem("other")
    save("stray/a_HR.png")
    save("stray/a_LR.png")
    save("stray/c.png")
    assert "c.png is neither _HR nor _LR" in problem("stray", make_lr=True)
    save("wrong/a_HR.png", 56, 40)
    save("wrong/a_LR.png", 28, 20)
    assert "a_LR.png is 28x20, which times 4 is 112x80, but" in problem("wrong")
    save("twice/a.png")
    save("twice/a.webp")
    assert "several images" in problem("twice")
    save("tiny/a.png", 30, 18)
    assert "too small to be scored at x4: 30x18" in problem("tiny")
    save("broken/a.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    assert "cannot read" in problem("broken")
    save("gt/a.png")
    save("lr/b.png", 12, 9)
    assert "a.png has no small version in" in problem("gt", lr=tmp_path / "lr")
    assert "there is no folder" in problem("gt", lr=tmp_path / "nowhere")


def test_a_image_that_is_cut_short_is_found_when_it_is_read(save, tmp_path: Path) -> None:
    path = save("cut/a.png", 200, 200)
    path.write_bytes(path.read_bytes()[:-3000])
    (one,) = find_sets(tmp_path / "cut", 4)
    with pytest.raises(ReadError, match=r"a\.png"):
        one.pairs[0].load(4)


def test_what_makes_no_sense(save, tmp_path: Path) -> None:
    save("sets/one/a.png")
    with pytest.raises(UsageError, match="cannot be shrunk by 4"):
        find_sets(tmp_path / "sets", 4, crop=10)
    with pytest.raises(UsageError, match="has no images in it"):
        find_sets(tmp_path / "sets", 4, lr=tmp_path)


def test_a_set_is_known_by_name_number_and_scale() -> None:
    assert known_name("set5") == "Set5"
    assert known_name("B100") == "BSD100"
    assert known_name("Set15") is None
    rows = {row.method: row for row in published("BSD100", 100, 4)}
    assert (rows["bicubic"].psnr_y, rows["bicubic"].ssim_y) == (25.96, 0.6675)
    assert rows["HAT"].ssim_y is None
    assert not published("BSD100", 99, 4)
    assert not published("BSD100", 100, 2)
    assert not published("Mine", 5, 4)


def test_degraded_inputs_are_worse_the_same_each_time_and_not_the_papers() -> None:
    clean = builtin(4)
    degraded = clean.degrade()
    pair = degraded.pairs[0]
    (small, target), (plain, same) = pair.load(4), clean.pairs[0].load(4)
    assert np.array_equal(target, same)
    assert small.shape == plain.shape
    assert np.array_equal(small, pair.load(4)[0])
    error = np.abs(small.astype(int) - plain).mean()
    assert 3 < error < 20
    assert abs(small.mean() - plain.mean()) < 1
    assert degraded.inputs == "degraded"
    assert degraded.name != clean.name
