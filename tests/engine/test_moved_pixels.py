"""Pixels that move: alpha, tiles, files larger than memory and places on Earth follow."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from imgtk.errors import PipelineError, UsageError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import read
from imgtk.language import dump_yaml, load_yaml
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing import check_op
from tests.engine.geometry import SPECS

REGISTRY = Registry.of(*SPECS, *(default().spec(name) for name in ("adjust:blur", "resize:bicubic", "adjust:vignette")))


def noise(width: int, height: int, *, alpha: bool = True, dtype: str = "uint8") -> Image:
    rng = np.random.default_rng(width * height)
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top, (height, width, 3), dtype, endpoint=True)
    return Image(pixels, rng.integers(0, top, (height, width), dtype, endpoint=True) if alpha else None)


def pipeline(text: str, **settings: object) -> Pipeline:
    return Pipeline(text, registry=REGISTRY, device="cpu", **settings)  # type: ignore[arg-type]


EXPECTED = {
    "crop 9 5 x=3 y=2": lambda x: x[2:7, 3:12],
    "flip": lambda x: x[:, ::-1],
    "turn": np.rot90,
    "turn-whole": np.rot90,
    "turn | flip | crop 4 6 x=1": lambda x: np.rot90(x)[:, ::-1][:6, 1:5],
    "flip | flip": lambda x: x,
}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("tile", ["off", 4])
@pytest.mark.parametrize("text", EXPECTED)
def test_all_planes_are_numpys(text: str, tile: object, alpha: bool, dtype: str) -> None:
    """To the last bit, and also where colours are hidden, of which nothing may be made up."""
    if "whole" in text and dtype == "uint8":
        pytest.skip("in bfloat16")
    image = noise(17, 11, alpha=alpha, dtype=dtype)
    if alpha:
        assert image.alpha is not None
        image.alpha[3:6, 4:9] = 0
    result = pipeline(text, tile=tile)(image)
    expected = EXPECTED[text](image.numpy())
    if "whole" in text and alpha:  # it sees colours without what hides
        assert np.array_equal(result.numpy()[..., 3], expected[..., 3])
    else:
        assert np.array_equal(result.numpy(), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_single_pixels_and_lines(size: tuple[int, int]) -> None:
    image = noise(*size)
    for text in ("flip", "turn", "crop 1 1", "pad 1 2 3 4", "turn | pad 1 | flip | crop 1 1"):
        assert pipeline(text, tile=2)(image).pixels.size


@pytest.mark.parametrize("opaque", [0, 1])
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("tile", ["off", 3, 1])
def test_borders_may_be_transparent(tile: object, alpha: bool, opaque: int) -> None:
    """Tiles of one pixel lie wholly in the border: nothing of the image is asked for."""
    image = noise(7, 5, alpha=alpha)
    result = pipeline(f"pad 4 0 2 3 opaque={opaque}", tile=tile)(image)
    assert (result.alpha is not None) == (alpha or not opaque)
    assert np.array_equal(result.pixels[:5, 4:11], image.pixels)
    assert (result.pixels[5:] == 64).all()
    if result.alpha is not None:
        inner = image.alpha if image.alpha is not None else np.full((5, 7), 255, np.uint8)
        assert np.array_equal(result.alpha[:5, 4:11], inner)
        assert (result.alpha[5:] == 255 * opaque).all()


@pytest.mark.parametrize(
    "text",
    [
        "adjust:blur 2 | crop 31 17 x=5 y=4 | resize:bicubic x2 | flip",
        "pad 9 9 9 9 opaque=0 | adjust:blur 3 | turn | adjust:vignette 0.4",
        "resize:bicubic x2.5 | turn | crop 40 30 x=20 y=11 | adjust:blur 1",
        "flip as f | adjust:blur 2 | over @f x=7 y=-3",
        "crop 20 20 as c ; @in | turn | over ( @c | resize:bicubic x1.5 ) x=11 y=30 | opaque",
        "over ( ramp 9 30 ) x=30 y=-4 | turn | opaque | adjust:blur 1",
        "ramp | over ( @in | pad 3 opaque=0 ) x=10",
    ],
)
@pytest.mark.parametrize("alpha", [True, False])
def test_tiles_are_the_whole(text: str, alpha: bool) -> None:
    image = noise(61, 47, alpha=alpha, dtype="uint16")
    whole = pipeline(text, tile="off")(image).numpy().astype(int)
    for tile in (7, 16):
        assert np.abs(pipeline(text, tile=tile)(image).numpy() - whole).max() <= 1


def test_planned_sizes() -> None:
    text = "crop 30 20 | resize:bicubic x4 | over ( ramp 500 500 ) 100 | turn"
    plan = pipeline(text).plan((100, 100))
    assert [str(stage.size) for stage in plan.stages] == [
        "100x100", "30x20", "120x80", "500x500", "120x80", "80x120",
    ]  # fmt: skip
    assert plan.output_size == pipeline(text)(noise(100, 100)).size
    with pytest.raises(UsageError, match="not within 20x20"):
        pipeline(text).plan((20, 20))


def test_tiles_count_in_pixels_of_the_image() -> None:
    """A small part of a large image is one tile, not thousands."""
    plan = pipeline("crop 300 200 x=5000 | turn", tile=512).plan((20_000, 20_000))
    assert plan.tile_size(plan.stages[1]) == plan.tile_size(plan.stages[2]) == Size(512, 512)
    plan = pipeline("crop 300 200 | resize:bicubic x4", tile=512).plan((20_000, 20_000))
    assert plan.tile_size(plan.stages[2]) == Size(2048, 2048)


@pytest.mark.parametrize("tile", ["off", 5])
def test_images_of_nothing(tile: object, tmp_path: Path) -> None:
    made = pipeline("ramp 16 9 | turn", tile=tile)()
    assert made.size == (9, 16)
    assert made.pixels[-1, 0, 0] == 0
    assert made.pixels[0, 0, 0] == round(255 * 15 / 16)
    assert pipeline("ramp")(size=(5, 3)).size == (5, 3)
    assert pipeline("ramp")(noise(8, 4)).size == (8, 4)
    assert pipeline("ramp 4 4")(depth=16).pixels.dtype == np.uint16
    with pytest.raises(UsageError, match="ramp: the size of the image is not known"):
        pipeline("ramp")()
    for reads in ("flip", "ramp 4 4 | over @in"):
        with pytest.raises(UsageError, match="needs an image"):
            pipeline(reads)()
    with pytest.raises(PipelineError, match="ramp takes no image"):
        pipeline("flip | ramp 4 4")


def test_pipelines_without_input_are_written_and_read() -> None:
    for text in ("ramp 4 4 | flip", "over ( ramp 3 3 | flip ) x=1", "ramp as r ; @in | over @r | over @r"):
        graph = pipeline(text).graph
        assert load_yaml(dump_yaml(graph, REGISTRY), REGISTRY) == graph
        again = str(pipeline(text))
        assert pipeline(again).graph == graph.ordered(), again


def test_alpha_can_be_taken_away(tmp_path: Path) -> None:
    image = noise(9, 7)
    result = pipeline("opaque | turn")(image)
    assert result.alpha is None
    path = tmp_path / "a.png"
    image.save(path)
    pipeline("opaque").run_file(path, tmp_path / "b.jpg")  # which holds no alpha
    assert pipeline("pad 1 opaque=0")(noise(4, 4, alpha=False)).alpha is not None
    assert pipeline("pad 1 opaque=0 | opaque")(noise(4, 4)).alpha is None


def test_batches_of_images_with_and_without_alpha() -> None:
    images = [noise(9, 7), noise(9, 7, alpha=False), noise(9, 7)]
    runner = pipeline("turn | crop 5 5")
    assert runner.most_at_once(runner.plan_for(images[0])) > 1
    for one, result in zip(images, runner.batch(images), strict=True):
        assert np.array_equal(result.numpy(), np.rot90(one.numpy())[:5, :5])


@pytest.mark.parametrize("name", ["flip", "turn", "over", "opaque", "turn-whole", "pad"])
def test_they_keep_what_every_operator_promises(name: str) -> None:
    check_op(REGISTRY.spec(name), registry=REGISTRY)


SCALE, TIES, MATRIX, KEYS = 33550, 33922, 34264, 34735
AREA = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)


def georeferenced(path: Path, width: int, height: int, keys: tuple[int, ...] = AREA) -> np.ndarray:
    samples = noise(width, height).numpy()
    tags = [
        (SCALE, 12, 3, (0.5, 0.25, 0.0), True),
        (TIES, 12, 6, (0.0, 0.0, 0.0, 1e6, 5e6, 0.0), True),
        (KEYS, 3, len(keys), keys, True),
    ]
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": None, "resolution": (100, 50)}
    tifffile.imwrite(path, samples, extratags=tags, resolutionunit="inch", **options)  # type: ignore[arg-type]
    return samples


def places(path: Path) -> dict[int, tuple[float, ...]]:
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        return {tag: tags.valueof(tag) for tag in (SCALE, TIES, MATRIX) if tag in tags}


@pytest.mark.parametrize("run_file", [True, False])
def test_places_on_earth_and_resolution_follow(tmp_path: Path, run_file: bool) -> None:
    samples = georeferenced(tmp_path / "a.tif", 40, 30)

    def run(text: str) -> dict[int, tuple[float, ...]]:
        target = tmp_path / f"{re.sub('[^a-z]', '', text)}.tif"
        if run_file:
            pipeline(text, tile=8).run_file(tmp_path / "a.tif", target)
        else:
            pipeline(text, tile=8)(tmp_path / "a.tif").save(target)
        return places(target)

    assert run("crop 10 5 x=8 y=4") == {SCALE: (0.5, 0.25, 0.0), TIES: (0, 0, 0, 1e6 + 4, 5e6 - 1, 0)}
    assert run("pad 2 4") == {SCALE: (0.5, 0.25, 0.0), TIES: (0, 0, 0, 1e6 - 1, 5e6 + 1, 0)}
    flipped = (-0.5, 0, 0, 1e6 + 20, 0, -0.25, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1)
    assert run("flip") == {MATRIX: flipped}
    turned = (0, -0.5, 0, 1e6 + 20, -0.25, 0, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1)
    assert run("turn") == {MATRIX: turned}
    assert run("turn | turn | turn | turn") == {SCALE: (0.5, 0.25, 0.0), TIES: (0, 0, 0, 1e6, 5e6, 0)}
    assert run("ramp 40 30") == {}
    turned_file = read(tmp_path / "turn.tif")
    assert turned_file.metadata.dpi == (50, 100)
    assert np.array_equal(turned_file.numpy(), np.rot90(samples))


def test_places_that_points_tell(tmp_path: Path) -> None:
    from imgtk.geometry import Affine
    from imgtk.io.geotiff import GeoReference

    ties = (10.0, 5.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 4.0, 5.0, 6.0)
    geo = GeoReference(Size(40, 30), {KEYS: AREA, TIES: ties})
    flipped = geo.mapped(Affine(-1, 0, 40, 0, 1, 0), Size(40, 30))
    assert flipped.tags[TIES] == (30.0, 5.0, 0.0, 1.0, 2.0, 3.0, 40.0, 0.0, 0.0, 4.0, 5.0, 6.0)
    points = (*AREA[:-1], 2)  # coordinates are those of the pixels' centres
    geo = GeoReference(Size(40, 30), {KEYS: points, SCALE: (2.0, 2.0, 0.0), TIES: (0.0,) * 6})
    turned = geo.mapped(Affine(-1, 0, 40, 0, -1, 30), Size(40, 30))
    assert turned.tags[MATRIX][3::4] == (78.0, -58.0, 0.0, 1.0)  # the centre of the last pixel


@pytest.mark.parametrize("tile", ["off", None, 16])
@pytest.mark.parametrize("end", ["crop 9 7", "fit 20 9 cover", "crop 30 20 | denoise:median", "flip h | crop 5 5"])
@pytest.mark.parametrize("begin", ["adjust:auto-levels", "adjust:invert | adjust:auto-levels", "style:monet"])
def test_statistics_are_those_of_the_image_and_not_of_what_is_left_of_it(begin: str, end: str, tile: str | int) -> None:
    pixels = np.random.default_rng(0).normal(120, 25, (40, 60, 3)).clip(0, 255).astype(np.uint8)
    pixels[:20] //= 2
    images = [Image(pixels), Image(pixels[::-1])]
    whole, rest, both = (
        Pipeline(text, tile=tile, dtype="fp32", device="cpu") for text in (begin, end, f"{begin} | {end}")
    )
    for image, result in zip(images, both.batch(images), strict=True):
        expected = rest(whole(image)).pixels
        assert np.abs(result.pixels.astype(int) - expected).max() <= 1
