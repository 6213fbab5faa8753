"""The Python face: what goes in comes out in its own format, with all that it carried."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import PIL.Image
import pytest
import torch

import imgtk
from imgtk.engine import Settings
from imgtk.engine.settings import SettingsOptions
from imgtk.errors import ReadError, WriteError
from imgtk.image import Image, Metadata
from imgtk.language.graph import Graph, Node
from imgtk.pipeline import Pipeline

IDENTITY = "resize:bicubic x1"


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    if dtype == "float32":
        return random.random(shape, dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (1, 1, 3), (3, 1), (6, 4, 4)])
def test_identity_loses_nothing(shape: tuple[int, ...], dtype: str) -> None:
    pixels = noise(*shape, dtype=dtype)
    if shape[-1] == 4:
        pixels[..., 3] = pixels[..., 3].clip(1e-3 if dtype == "float32" else 1)  # at 0, hidden colours may change
    result = Pipeline(IDENTITY)(pixels).numpy()
    assert result.dtype == pixels.dtype
    assert result.shape == pixels.shape
    assert np.array_equal(result, pixels) if dtype != "float32" else np.allclose(result, pixels, atol=1e-6)


@pytest.mark.parametrize("tile", ["off", 3])
def test_dark_sixteen_bit_images_stay_sixteen_bit(tile: Any) -> None:
    pixels = noise(9, 11, 3, dtype="uint16") // 300
    result = Pipeline("upscale:nearest x2", tile=tile)(pixels).numpy()
    assert result.dtype == np.uint16
    assert np.array_equal(result[::2, ::2], pixels)


def test_gray_stays_gray_unless_colour_comes_in() -> None:
    assert Pipeline("upscale:bicubic x2 | adjust:sharpen")(noise(8, 8)).gray
    graph = Pipeline("upscale:bicubic x2").graph
    assert Pipeline(graph)(noise(8, 8)).numpy().shape == (16, 16)


def test_alpha_comes_out_at_the_output_size_without_fringes() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[4:12, 4:12] = (200, 100, 50, 255)  # an orange square on transparent black
    result = Pipeline("upscale:bicubic x4")(pixels)
    assert result.alpha is not None
    assert result.alpha.shape == (64, 64)
    visible = result.pixels[result.alpha > 0].astype(int)
    assert np.abs(visible - [200, 100, 50]).max() <= 1
    assert result.alpha[32, 32] == 255
    assert result.alpha[2, 2] == 0


def test_metadata_passes() -> None:
    metadata = Metadata(icc=b"profile", dpi=(300.0, 300.0), text={"Title": "x"})
    result = Pipeline("upscale:area x2")(Image(noise(4, 4, 3), metadata=metadata))
    assert result.metadata == metadata


def test_sources_of_all_kinds(tmp_path: Path) -> None:
    pixels = noise(6, 9, 3)
    PIL.Image.fromarray(pixels).save(tmp_path / "in.png")
    pipeline = Pipeline("upscale:nearest x2")
    expected = pixels.repeat(2, 0).repeat(2, 1)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for source in (tmp_path / "in.png", str(tmp_path / "in.png"), PIL.Image.open(tmp_path / "in.png"), pixels, tensor):
        assert np.array_equal(pipeline(source).numpy(), expected)
    with pytest.raises(ReadError):
        pipeline(object())  # type: ignore[arg-type]


def test_yaml_and_text_build_the_same_pipeline() -> None:
    pipeline = Pipeline("upscale:bicubic x2 as up | adjust:blur 1 | blend @up alpha=0.25")
    assert Pipeline.from_yaml(pipeline.yaml()).graph == pipeline.graph
    assert Pipeline(str(pipeline)).graph == pipeline.graph
    pixels = noise(12, 10, 3)
    assert np.array_equal(Pipeline.from_yaml(pipeline.yaml())(pixels).numpy(), pipeline(pixels).numpy())


def test_a_graph_made_in_code() -> None:
    graph = Graph((Node("in"), Node("upscale:nearest", (0,), {"scale": "x3"})), 1)
    assert Pipeline(graph)(noise(4, 5, 3)).size == (15, 12)


def test_save_writes_the_intermediate_and_passes_it_on(tmp_path: Path) -> None:
    pixels = noise(8, 6, 3)
    target = tmp_path / "middle.png"
    pipeline = Pipeline(f"upscale:nearest x2 | save '{target}' | upscale:nearest x2", tile=4)
    assert np.array_equal(pipeline(pixels).numpy(), pixels.repeat(4, 0).repeat(4, 1))
    assert np.array_equal(np.asarray(PIL.Image.open(target)), pixels.repeat(2, 0).repeat(2, 1))
    with pytest.raises(WriteError, match="exists"):
        pipeline(pixels)
    Pipeline(f"upscale:nearest x2 | save '{target}'", overwrite=True)(pixels)


def test_save_that_cannot_hold_alpha_says_so_before_computing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.engine.render.Renderer.store", lambda *_: pytest.fail("computed"))
    with pytest.raises(WriteError, match="transparency"):
        Pipeline(f"upscale:nearest x2 | save '{tmp_path / 'x.jpg'}'")(noise(4, 4, 4))
    assert not list(tmp_path.iterdir())


def test_the_plan_says_what_happens() -> None:
    plan = Pipeline("upscale:bicubic x4 as up | adjust:blur 2 | blend @up", tile=64, dtype="fp32").plan((200, 100))
    assert plan.output_size == (800, 400)
    assert [row.op for row in plan.rows] == ["@in", "upscale:bicubic", "adjust:blur", "blend"]
    assert plan.rows[2].tile == "256x256"
    assert plan.rows[2].halo > 0
    document = plan.to_dict()
    assert document["output"] == [800, 400]
    assert document["stages"][1]["stage"] == "up"
    assert plan.mermaid().count("-->") == 4


def test_lazy_names_of_the_package() -> None:
    assert imgtk.Pipeline is Pipeline
    assert imgtk.Image is Image
    with pytest.raises(AttributeError):
        _ = imgtk.Pipelin  # type: ignore[attr-defined]


def test_settings_and_their_fields_as_keywords_are_the_same() -> None:
    by_value = Pipeline("upscale:nearest x2", Settings(device="cpu", tile=4))
    assert by_value.settings == Pipeline("upscale:nearest x2", device="cpu", tile=4).settings
    changed = Pipeline.from_yaml(by_value.yaml(), by_value.settings, tile="off")
    assert changed.settings == Settings(device="cpu", tile="off")
    with pytest.raises(TypeError, match="tiel"):
        Pipeline("upscale:nearest x2", tiel=4)
    assert get_type_hints(SettingsOptions) == get_type_hints(Settings)
