"""`Pipeline.run_file`: what is done with pixels on the disk is what is done in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from imgtk.batch import run
from imgtk.engine import pixels as engine_pixels
from imgtk.errors import ImgtkError, MemoryLimitError, ReadError, WriteError
from imgtk.geometry import Box
from imgtk.image import Image, Metadata
from imgtk.io import WriteOptions, large, read, write
from imgtk.io.large import DiskImage
from imgtk.pipeline import Pipeline, Progress

NOISE = np.random.default_rng(3)


def smooth(width: int, height: int, channels: int = 3) -> np.ndarray:
    """An image (H, W, C) with structure at all sizes, 0..1."""
    y, x = np.mgrid[:height, :width][..., None] / 30
    waves = 0.5 + 0.3 * np.sin(x * [1, 2, 3, 1.5][:channels] + y) * np.cos(2 * y)
    return np.clip(waves + NOISE.normal(0, 0.05, waves.shape), 0, 1)


def sample(path: Path, size: tuple[int, int] = (201, 157), dtype: str = "uint8", alpha: bool = False) -> Path:
    samples = smooth(*size, 4 if alpha else 3)
    if alpha:  # holes, edges and faint parts
        samples[..., 3] = np.clip(samples[..., 3] * 4 - 1.5, 0, 1)
        samples[:40, :40, 3] = 0
    if dtype != "float32":
        samples = np.rint(samples * np.iinfo(dtype).max)
    write(Image.of(samples.astype(dtype)), path)
    return path


def both(tmp_path: Path, text: str, source: Path, suffix: str = ".tif", **settings: object) -> tuple[Image, Image]:
    """The result computed in memory, and that computed on the disk."""
    pipeline = Pipeline(text, device="cpu", **{"dtype": "fp32", "tile": 48} | settings)
    write(pipeline(source), tmp_path / f"memory{suffix}")
    result = pipeline.run_file(source, tmp_path / f"disk{suffix}")
    memory, disk = read(tmp_path / f"memory{suffix}"), read(tmp_path / f"disk{suffix}")
    assert result.path == tmp_path / f"disk{suffix}"
    assert result.size == memory.size
    assert memory.metadata == disk.metadata
    assert sorted(os.listdir(tmp_path)) == sorted({source.name, f"memory{suffix}", f"disk{suffix}"})
    return memory, disk


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("text", ["upscale:bicubic x3 | adjust:gamma 1.2", "resize:area x0.3"])
def test_every_pixel(tmp_path: Path, text: str, dtype: str) -> None:
    memory, disk = both(tmp_path, text, sample(tmp_path / "a.tif", dtype=dtype))
    assert disk.pixels.dtype == dtype
    assert np.array_equal(memory.pixels, disk.pixels)


def test_every_pixel_of_a_network(tmp_path: Path) -> None:
    """In the number format that 8 bits are computed in by themselves."""
    memory, disk = both(tmp_path, "upscale:compact x2", sample(tmp_path / "a.jpg", (110, 70)), dtype="auto")
    assert np.array_equal(memory.pixels, disk.pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_other_formats(tmp_path: Path, suffix: str) -> None:
    memory, disk = both(tmp_path, "upscale:bicubic x2", sample(tmp_path / "a.png"), suffix)
    assert np.array_equal(memory.pixels, disk.pixels)


@pytest.mark.parametrize("text", ["upscale:bicubic x2", "resize:bicubic x0.37", "adjust:gamma 1.2"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_transparency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, dtype: str) -> None:
    monkeypatch.setattr(engine_pixels, "REACH", 40)
    memory, disk = both(tmp_path, text, sample(tmp_path / "a.png", dtype=dtype, alpha=True))
    assert memory.alpha is not None
    assert disk.alpha is not None
    assert np.array_equal(memory.alpha, disk.alpha)
    seen = memory.alpha > 0
    assert 0.1 < seen.mean() < 0.99
    assert np.array_equal(memory.pixels[seen], disk.pixels[seen])


def test_statistics_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a style's normalisation, from a thumbnail: the results differ by its rounding at most."""
    for module in ("imgtk.engine.statistics", "imgtk.engine.plan", "imgtk.engine.render"):
        monkeypatch.setattr(f"{module}.MEASURED_PIXELS", 90 * 70)
    memory, disk = both(tmp_path, "style:monet", sample(tmp_path / "a.png"), tile=96)
    assert np.abs(memory.pixels.astype(int) - disk.pixels).max() <= 6


def test_gray_stays_gray(tmp_path: Path) -> None:
    write(Image.of(np.uint8(smooth(99, 77, 1)[..., 0] * 255)), tmp_path / "a.png")
    memory, disk = both(tmp_path, "upscale:bicubic x2", tmp_path / "a.png")
    assert disk.gray
    assert np.array_equal(memory.pixels, disk.pixels)


def test_saved_on_the_way(tmp_path: Path) -> None:
    source = sample(tmp_path / "a.png")
    text = "upscale:bicubic x2 | save '{}' | adjust:gamma 2"
    (tmp_path / "m").mkdir()
    (tmp_path / "d").mkdir()
    write(Pipeline(text.format(tmp_path / "m" / "{name}.png"), device="cpu")(source), tmp_path / "m" / "end.tif")
    Pipeline(text.format(tmp_path / "d" / "{name}.png"), device="cpu").run_file(source, tmp_path / "d" / "end.tif")
    for name in ("a.png", "end.tif"):
        assert np.array_equal(read(tmp_path / "m" / name).pixels, read(tmp_path / "d" / name).pixels)
    assert sorted(os.listdir(tmp_path / "d")) == ["a.png", "end.tif"]


def test_what_must_be_seen_whole(tmp_path: Path) -> None:
    source = sample(tmp_path / "a.png", (800, 600))
    small = Pipeline("resize:area width=200", device="cpu", max_memory=5_000_000)
    with pytest.raises(MemoryLimitError, match=r"resize:area needs the whole image.*\n.*--max-memory"):
        small.run_file(source, tmp_path / "b.tif")
    assert os.listdir(tmp_path) == ["a.png"]
    large_enough = Pipeline("resize:area width=200", device="cpu", max_memory=20_000_000)
    assert large_enough.run_file(source, tmp_path / "b.tif").size == (200, 150)


def test_only_regions_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = sample(tmp_path / "a.tif", (1200, 900))
    asked: list[Box] = []
    read_box = DiskImage.read
    monkeypatch.setattr(DiskImage, "read", lambda self, box: asked.append(box) or read_box(self, box))
    Pipeline("upscale:bicubic x2", device="cpu", max_memory=12_000_000).run_file(source, tmp_path / "b.tif")
    assert len(asked) > 10
    assert max(box.size.pixels for box in asked) < 1200 * 900 / 8


def test_pages_one_by_one(tmp_path: Path) -> None:
    pages = [np.uint8(smooth(*size) * 255) for size in ((60, 40), (33, 70), (20, 20))]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, photometric="rgb", metadata=None, resolution=(300, 300), resolutionunit="INCH")
    pipeline = Pipeline("upscale:nearest x2", device="cpu")
    pipeline.run_file(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert len(file.pages) == 3
        for page, before in zip(file.pages, pages, strict=True):
            assert np.array_equal(page.asarray(), before.repeat(2, 0).repeat(2, 1))
            assert page.get_resolution("INCH") == (300, 300)
    pipeline.run_file(tmp_path / "b.tif", tmp_path / "again.tif")  # small pages have small tiles
    assert [page.shape[0] for page in tifffile.TiffFile(tmp_path / "again.tif").pages] == [160, 280, 80]
    with pytest.raises(WriteError, match=r"3 pages.*\n.*\.tif"):
        pipeline.run_file(tmp_path / "a.tif", tmp_path / "b.png")
    saving = Pipeline(f"upscale:nearest x2 | save {tmp_path}/c.png", device="cpu")
    with pytest.raises(WriteError, match="`save`"):
        saving.run_file(tmp_path / "a.tif", tmp_path / "c.tif")


def test_pages_with_pyramids(tmp_path: Path) -> None:
    """Reduced versions are made anew, and are no pages."""
    big = np.uint8(smooth(700, 500) * 255)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (big, big[::-1]):
            file.write(page, photometric="rgb", metadata=None, tile=(256, 256))
            file.write(page[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    Pipeline("upscale:nearest x2", device="cpu").run_file(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        shapes = [page.shape[:2] for page in file.pages]
        assert shapes == [(1000, 1400), (500, 700), (250, 350)] * 2
        assert np.array_equal(file.pages[1].asarray(), big)
        assert np.array_equal(file.pages[3].asarray()[::2, ::2], big[::-1])


def test_a_broken_page_costs_the_file(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(2):
            file.write(np.uint8(smooth(60, 40) * 255), photometric="rgb", metadata=None, compression="zlib")
        last = file._fh.tell()
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start = file.pages[1].dataoffsets[0]
    assert start < last
    data[start : start + 200] = bytes(200)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ReadError, match="damaged"):
        Pipeline("upscale:nearest x2", device="cpu").run_file(tmp_path / "a.tif", tmp_path / "b.tif")
    assert os.listdir(tmp_path) == ["a.tif"]


def test_a_result_over_its_image(tmp_path: Path) -> None:
    source = sample(tmp_path / "a.tif", (60, 40))
    before = read(source)
    pipeline = Pipeline("upscale:nearest x2", device="cpu")
    with pytest.raises(WriteError, match="exists"):
        pipeline.run_file(source, source)
    pipeline.run_file(source, source, WriteOptions(overwrite=True))
    assert np.array_equal(read(source).pixels, before.pixels.repeat(2, 0).repeat(2, 1))


def test_what_cannot_be_written_is_found_first(tmp_path: Path) -> None:
    deep = sample(tmp_path / "a.tif", (60, 40), "uint16")
    pipeline = Pipeline("upscale:nearest x2", device="cpu")

    def computing(_: Progress) -> None:
        pytest.fail("it was computed")

    for name, options, reason in (
        ("b.jpg", WriteOptions(), "16 bits"),
        ("b.tif", WriteOptions(quality=90), "no quality"),
        ("b.xyz", WriteOptions(), "cannot be written as .xyz"),
        ("no/b.tif", WriteOptions(), "does not exist"),
    ):
        with pytest.raises(WriteError, match=reason):
            pipeline.run_file(deep, tmp_path / name, options, progress=computing)
    holes = sample(tmp_path / "holes.png", (60, 40), alpha=True)
    with pytest.raises(WriteError, match="transparency"):
        pipeline.run_file(holes, tmp_path / "b.jpg", progress=computing)
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "holes.png"]


def test_failing_midway_leaves_nothing(tmp_path: Path) -> None:
    source = sample(tmp_path / "a.tif")

    def failing(progress: Progress) -> None:
        if progress.done == 3:
            raise ImgtkError("enough")

    with pytest.raises(ImgtkError, match="enough"):
        Pipeline("upscale:bicubic x2", device="cpu", tile=32).run_file(source, tmp_path / "b.tif", progress=failing)
    assert os.listdir(tmp_path) == ["a.tif"]


KILLED = """
import os, sys
from imgtk.pipeline import Pipeline
Pipeline("upscale:bicubic x2", device="cpu", tile=32).run_file(
    "in/a.tif", "out/a.tif", progress=lambda progress: progress.done == 3 and os.kill(os.getpid(), 9)
)
"""


def test_what_a_killed_run_leaves_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("in", "out"):
        Path(folder).mkdir()
    sample(Path("in/a.tif"))
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -9
    assert os.listdir("out") != ["a.tif"]
    tight = Pipeline("upscale:bicubic x2", device="cpu", max_memory=1_000_000)
    (row,) = run(tight, "in", "out", resume=True)
    assert row.status == "done"
    assert os.listdir("out") == ["a.tif"]
    (row,) = run(tight, "in", "out", resume=True)
    assert row.status == "skipped"


def test_folders_choose_the_disk_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    sample(Path("in/big.png"), (700, 500))
    sample(Path("in/small.png"), (50, 40))
    write(Image(np.uint8(smooth(60, 40) * 255), metadata=Metadata(dpi=(300, 300))), "in/page.tif")
    with tifffile.TiffWriter("in/pages.tif") as file:
        for _ in range(2):
            file.write(np.uint8(smooth(60, 40) * 255), photometric="rgb", metadata=None)
    on_disk: list[str] = []
    run_file = Pipeline.run_file
    monkeypatch.setattr(
        Pipeline,
        "run_file",
        lambda self, source, *a, **k: on_disk.append(source.name) or run_file(self, source, *a, **k),
    )
    memory = list(run(Pipeline("upscale:bicubic x2", device="cpu"), "in", "memory", report="memory.jsonl"))
    assert on_disk == ["pages.tif"]
    tight = Pipeline("upscale:bicubic x2", device="cpu", max_memory=5_000_000)
    disk = list(run(tight, "in", "disk", report="disk.jsonl"))
    assert sorted(on_disk) == ["big.png", "pages.tif", "pages.tif"]
    assert [row.status for row in disk] == ["done"] * 4
    for one, other in zip(memory, disk, strict=True):
        assert one.sha256 == other.sha256
        assert one.size == other.size
    assert sorted(os.listdir("disk")) == sorted(os.listdir("in"))


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that fit are done in memory all the same."""
    monkeypatch.setattr(large.vips, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    source = sample(Path("in/big.png"), (700, 500))
    tight = Pipeline("upscale:bicubic x2", device="cpu", max_memory=5_000_000)
    (row,) = run(tight, "in", "out")
    assert row.status == "done"
    with pytest.raises(ReadError, match=r"imgtk\[large\]"):
        tight.run_file(source, "b.tif")


GIGAPIXELS = """
import resource, sys
from imgtk.pipeline import Pipeline
Pipeline("upscale:compact x4", device="cpu", max_memory=10**9).run_file("a.tif", "b.tif", max_pixels=10**9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.parametrize(("side", "period"), [(480, 160), pytest.param(16_000, 1_600, marks=pytest.mark.long)])
def test_gigapixels(tmp_path: Path, side: int, period: int) -> None:
    """16,000 x 16,000 to 64,000 x 64,000 in less than 2 GB, and as right as in memory. The image repeats itself."""
    import pyvips

    part = np.uint8(smooth(period, period) * 255)
    tiles = {"tile": (period, period), "shape": (side, side, 3), "dtype": "uint8", "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "a.tif", (part for _ in range((side // period) ** 2)), metadata=None, **tiles)
    try:
        done = subprocess.run([sys.executable, "-c", GIGAPIXELS], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
        assert int(done.stdout) < 2e9
        assert sorted(os.listdir(tmp_path)) == ["a.tif", "b.tif"]
        around = Image.of(np.pad(part, ((64, 64), (64, 64), (0, 0)), mode="wrap"))
        expected = Pipeline("upscale:compact x4", device="cpu")(around).pixels[256:-256, 256:-256]
        result = pyvips.Image.tiffload(str(tmp_path / "b.tif"))
        assert (result.width, result.height) == (4 * side, 4 * side)
        for left, top in NOISE.integers(256, 4 * side - 512, (100, 2)):
            rows, columns = np.arange(top, top + 256), np.arange(left, left + 256)
            found = result.crop(left, top, 256, 256).numpy().astype(int)
            assert np.abs(found - expected.take(rows, 0, mode="wrap").take(columns, 1, mode="wrap")).max() <= 4
    finally:
        for name in os.listdir(tmp_path):  # tens of gigabytes
            (tmp_path / name).unlink()


def test_limits_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = sample(tmp_path / "a.png", (1100, 50))
    pipeline = Pipeline("upscale:nearest x64", device="cpu")
    with pytest.raises(WriteError, match="65500"):
        pipeline.run_file(source, tmp_path / "b.jpg")
    with pytest.raises(WriteError, match="16383"):
        pipeline.run_file(source, tmp_path / "b.webp")
    with pytest.raises(WriteError, match="WebP is not encoded in pieces"):
        Pipeline("upscale:nearest x14", device="cpu", max_memory=10**7).run_file(source, tmp_path / "b.webp")
    with pytest.raises(ReadError, match="--max-pixels"):
        pipeline.run_file(source, tmp_path / "b.tif", max_pixels=1000)
